//! What must be so of every report: the parts add up to the whole, and each figure is what its words say.

use proptest::prelude::*;

use super::*;
use crate::domain::area::Area;

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn tree() -> AreaTree {
    let area = |code: &str, parent: Option<&str>| Area {
        code: code.parse().unwrap(),
        parent: parent.map(|parent| parent.parse().unwrap()),
        title: format!("Xã {code}"),
    };
    AreaTree::new([
        area("66", None),
        area("24133", Some("66")),
        area("24136", Some("66")),
        area("24136-1", Some("24136")),
        area("68", None),
    ])
}

fn total(area: &str, outcome: &str, plays: i64) -> Total {
    let heard = if matches!(outcome, "played" | "late") { plays } else { 0 };
    Total {
        period: 202_611,
        area: area.parse().unwrap(),
        field: Field::Health,
        language: "vie".into(),
        priority: Priority::Normal,
        outcome: outcome.into(),
        reason: if outcome == "played" { String::new() } else { "powered_off".into() },
        plays,
        sounded: heard,
        heard_back: 0,
        on_time: heard,
        prompt: heard,
        requested_ms: plays * 60_000,
        heard_ms: heard * 60_000,
    }
}

fn scope(area: &str) -> Scope {
    Scope { area: area.parse().unwrap(), from: date("2026-11-01"), to: date("2026-11-30") }
}

fn standing(speaker: &str, area: &str) -> Standing {
    Standing { speaker: speaker.parse().unwrap(), title: speaker.into(), area: area.parse().unwrap(), online: true }
}

fn speaker_total(speaker: &str, area: &str, plays: i64, complete: i64) -> SpeakerTotal {
    SpeakerTotal {
        speaker: speaker.parse().unwrap(),
        area: area.parse().unwrap(),
        plays,
        complete,
        sounded: complete,
        silent: plays - complete,
        requested_ms: plays * 3_600_000,
        heard_ms: complete * 3_600_000,
    }
}

#[test]
fn whole_months_are_read_as_such_and_days_at_the_edges() {
    for (from, to, wanted) in [
        ("2026-01-01", "2026-12-31", vec![(202_601, 202_612)]),
        ("2026-11-01", "2026-11-30", vec![(202_611, 202_611)]),
        ("2026-11-05", "2026-11-20", vec![(20_261_105, 20_261_120)]),
        ("2025-12-31", "2026-02-01", vec![(20_251_231, 20_251_231), (202_601, 202_601), (20_260_201, 20_260_201)]),
        ("2024-02-29", "2024-02-29", vec![(20_240_229, 20_240_229)]),
        ("2026-11-02", "2026-11-30", vec![(20_261_102, 20_261_130)]),
        ("2026-11-30", "2026-11-29", vec![]),
    ] {
        assert_eq!(spans(date(from), date(to)), wanted, "{from} to {to}");
    }
}

#[test]
fn what_is_elsewhere_does_not_count_and_the_unit_itself_is_a_part() {
    let material = Material {
        totals: vec![
            total("66", "played", 1),
            total("24133", "played", 2),
            total("24136-1", "missed", 4),
            total("68", "played", 8),
        ],
        ..Material::default()
    };
    let report = report(&tree(), &scope("66"), &material);
    assert_eq!((report.sums.plays, report.sums.complete), (7, 3));
    let areas: Vec<_> = report.areas.iter().map(|line| (line.code.as_str(), line.sums.plays)).collect();
    assert_eq!(areas, [("24133", 2), ("24136", 4), ("66", 1)]);
    assert_eq!(report.reasons.len(), 1);
    assert_eq!((report.reasons[0].reason.as_str(), report.reasons[0].lost_ms), ("powered_off", 240_000));
}

#[test]
fn who_never_sounded_is_counted_too() {
    let material = Material {
        standing: vec![standing("a", "24133"), standing("b", "24133"), standing("c", "24136")],
        speakers: vec![speaker_total("a", "24133", 4, 3), speaker_total("c", "24136", 2, 0)],
        ..Material::default()
    };
    let report = report(&tree(), &scope("66"), &material);
    assert_eq!((report.coverage.speakers, report.coverage.speakers_sounded), (3, 1));
    assert_eq!((report.coverage.communes, report.coverage.communes_sounded), (2, 1));
    let worst: Vec<_> = report.worst.iter().map(|line| (line.speaker.as_str(), line.silent)).collect();
    assert_eq!(worst, [("c", 2), ("a", 1)]);
    let figure = |id| report.figures.iter().find(|figure| figure.id == id).unwrap().value;
    // 24133 and 24136-1 are the lowest units.
    assert_eq!(figure(FigureId::CommunesSounding), Some(50.0));
    // Three hours on the one speaker that had something to play in 24133, none in 24136.
    assert_eq!(figure(FigureId::HoursPerCommune), Some(1.5));
    assert_eq!(figure(FigureId::UrgentPrompt), None, "nothing to measure is no zero");
    let merged = Material { ended: BTreeSet::from(["24136-1".parse().unwrap()]), ..material };
    let report = super::report(&tree(), &scope("66"), &merged);
    assert_eq!(report.figures[0].whole, 2.0, "24133, and 24136, where a speaker stands");
}

#[test]
fn a_silence_is_as_long_as_its_days_hang_together() {
    let day = |speaker: &str, day: i64| (speaker.parse().unwrap(), "24133".parse().unwrap(), day);
    let material = Material {
        silent_days: vec![day("a", 20_261_130), day("a", 20_261_201), day("a", 20_261_203), day("b", 20_261_202)],
        ..Material::default()
    };
    let report = report(&tree(), &scope("66"), &material);
    let figure = report.figures.iter().find(|figure| figure.id == FigureId::SilenceLength).unwrap();
    assert_eq!((figure.part, figure.whole), (4.0, 3.0));
}

#[test]
fn the_median_is_the_bound_that_half_keep_within() {
    let error = |within_ms, plays| ("24133".parse().unwrap(), within_ms, plays);
    for (errors, wanted) in [
        (vec![error(1, 4), error(5, 3), error(1_000, 1)], Some(1.0)),
        (vec![error(1, 3), error(5, 3), error(1_000, 1)], Some(5.0)),
        (vec![], None),
    ] {
        let report = report(&tree(), &scope("66"), &Material { errors, ..Material::default() });
        let figure = report.figures.iter().find(|figure| figure.id == FigureId::StartErrorMedian).unwrap();
        assert_eq!(figure.value, wanted);
    }
}

proptest! {
    /// However the plays lie, each breakdown adds up to the whole, and the reports of the units below to that of the unit.
    #[test]
    fn the_parts_are_the_whole(plays in proptest::collection::vec((0..5usize, 0..5usize, 0..8usize, 0..3usize, 0i64..50), 0..60)) {
        let (codes, outcomes) = (["66", "24133", "24136", "24136-1", "68"], ["played", "late", "partial", "missed", "unreported"]);
        let totals: Vec<Total> = plays.iter().map(|&(area, outcome, field, language, plays)| Total {
            field: Field::ALL[field],
            language: ["vie", "cjm", "und"][language].into(),
            priority: if field == 0 { Priority::Emergency } else { Priority::Normal },
            ..total(codes[area], outcomes[outcome], plays)
        }).collect();
        let series = totals.iter().map(|total| (20_261_101 + total.plays % 3, total.area.clone(), total.sums())).collect();
        let material = Material { totals, series, ..Material::default() };
        let whole = report(&tree(), &scope("66"), &material);
        let sum = |parts: Vec<Sums>| parts.into_iter().fold(Sums::default(), |mut all, one| { all += one; all });
        let of = |lines: &[Line]| sum(lines.iter().map(|line| line.sums).collect());
        prop_assert_eq!(of(&whole.fields), whole.sums);
        prop_assert_eq!(of(&whole.languages), whole.sums);
        prop_assert_eq!(of(&whole.priorities), whole.sums);
        prop_assert_eq!(of(&whole.series), whole.sums);
        prop_assert_eq!(sum(whole.areas.iter().map(|line| line.sums).collect()), whole.sums);
        for line in whole.areas.iter().filter(|line| line.code != "66") {
            prop_assert_eq!(report(&tree(), &scope(&line.code), &material).sums, line.sums);
        }
        let silent: i64 = whole.reasons.iter().map(|line| line.plays).sum();
        let simply: i64 = material.totals.iter().filter(|total| total.area.as_str() != "68" && total.outcome == "played").map(|total| total.plays).sum();
        prop_assert_eq!(silent + simply, whole.sums.plays);
    }

    /// No day of a time is read twice, and none is left out.
    #[test]
    fn spans_cover_each_day_once(from in 0i64..1500, length in 0i64..1500) {
        let begin = date("2023-01-15") + chrono::Days::new(from as u64);
        let end = begin + chrono::Days::new(length as u64);
        let spans = spans(begin, end);
        let mut day = begin - chrono::Days::new(40);
        while day <= end + chrono::Days::new(40) {
            let hits = spans.iter().filter(|(from, to)| {
                let number = if *from > 1_000_000 { day_number(day) } else { month_number(day) };
                (*from..=*to).contains(&number)
            }).count();
            prop_assert_eq!(hits, usize::from((begin..=end).contains(&day)), "{}", day);
            day = day.succ_opt().unwrap();
        }
    }
}
