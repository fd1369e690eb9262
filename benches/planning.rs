//! The planner by itself: everybody's timetables for a fortnight, and one edit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use loaxa::domain::DAY_MS;
use loaxa::domain::approval::{Approval, Certificate, PublicKey, Role};
use loaxa::domain::calendar::Calendars;
use loaxa::domain::fleet::{Fleet, named_speakers};
use loaxa::domain::ids::{AreaCode, MediaHash, SpeakerId};
use loaxa::domain::plan::{HORIZON_MS, MediaRef, Plan};
use loaxa::domain::priority::Priority;
use loaxa::domain::programme::SoundKind;
use loaxa::domain::schedule::{Schedule, ScheduleText};
use loaxa::domain::script::{Approved, Cue, Script, Voice};
use loaxa::domain::series::{History, Series};
use loaxa::domain::timetable::{Profile, Window, World};
use loaxa::domain::trust::TrustList;

const NOW_MS: i64 = 1_795_000_000_000;
const WINDOW: Window = Window { from_ms: NOW_MS - DAY_MS, until_ms: NOW_MS + HORIZON_MS };
/// Speakers of one commune.
const COMMUNE: usize = 25;

/// How much speakers have in common.
#[derive(Clone, Copy, PartialEq)]
enum Targets {
    /// Half of the rules are the province's, half reach one commune in ten.
    Usual,
    /// All rules reach everybody.
    All,
    /// As `Usual`, and every speaker has a rule of its own, so that no two timetables are the same.
    Apart,
}

fn approved() -> Arc<Approved> {
    let areas: Vec<AreaCode> = vec!["66".parse().expect("a code")];
    let approval = Approval {
        site: "mau".parse().expect("an id"),
        bulletin: "b".parse().expect("an id"),
        revision: 1,
        title: "Bản tin".into(),
        media: MediaHash([1; 32]),
        areas: areas.clone(),
        highest: Priority::Priority,
        valid_from_ms: 0,
        valid_until_ms: i64::MAX,
        made_ms: 1,
        approver: "k".parse().expect("an id"),
    };
    let approver = Certificate {
        site: "mau".parse().expect("an id"),
        role: Role::Approver,
        title: "x".into(),
        key: PublicKey([0; 32]),
        areas,
        highest: Priority::Priority,
        valid_from_ms: 0,
        valid_until_ms: i64::MAX,
    };
    Arc::new(Approved {
        bulletin: "b".parse().expect("an id"),
        revision: 1,
        title: "b".into(),
        tickets: vec![],
        approvals: vec![(approval, approver)],
        trust: Arc::new(TrustList::unless_said("mau".parse().expect("an id"))),
        media: MediaHash([1; 32]),
        duration_ms: 170_000,
        gain_db: 0.0,
    })
}

/// A rule that plays once a day, at its own minute; now and then two meet, and a priority bulletin interrupts.
fn series(index: usize, targets: Vec<String>, shift: usize) -> Arc<Series> {
    let minute = (index * 10 + shift) % 1000;
    let level = if index.is_multiple_of(10) { "priority" } else { "normal" };
    let text = ScheduleText {
        at: vec![format!("{:02}:{:02}", 5 + minute / 60, minute % 60)],
        duration_s: Some(600),
        priority: Some(level.into()),
        targets,
        programme: Some("p".into()),
        ..Default::default()
    };
    let id = format!("r{index:05}").parse().expect("an id");
    Arc::new(Series::always(Schedule::new(id, &text, &Calendars::default()).expect("a schedule")))
}

fn commune(index: usize) -> String {
    format!("{:05}", 24_000 + index)
}

fn world(rules: usize, speakers: usize, targets: Targets) -> World {
    let mut world = World { edit_lock_ms: 0, ..World::default() };
    let voice = Voice {
        bulletin: "b".parse().expect("an id"),
        language: "vie".parse().expect("a language"),
        approved: vec![approved()],
    };
    let cue = Cue::Sound { kind: SoundKind::Bulletin, voices: vec![voice] };
    let script = Script { cues: vec![cue.clone(), cue.clone(), cue] };
    world.programmes.insert("p".parse().expect("an id"), Arc::new(History::always(script)));
    let communes = speakers.div_ceil(COMMUNE);
    let where_to = |index: usize| match targets {
        Targets::Usual | Targets::Apart if index % 2 == 1 => {
            (0..communes).filter(|commune| commune % 10 == index / 2 % 10).map(commune_code).collect()
        }
        _ => vec!["66".to_owned()],
    };
    world.series = (0..rules).map(|index| series(index, where_to(index), 0)).collect();
    if targets == Targets::Apart {
        world.series.extend((0..speakers).map(|n| series(rules + n, vec![format!("speaker:s{n:05}")], 5)));
    }
    world
}

fn commune_code(index: usize) -> String {
    commune(index)
}

fn profiles(world: &World, speakers: usize) -> BTreeMap<SpeakerId, Profile> {
    let named = named_speakers(world);
    (0..speakers)
        .map(|n| {
            let id: SpeakerId = format!("s{n:05}").parse().expect("an id");
            let areas = vec!["66".parse().expect("a code"), commune(n / COMMUNE).parse().expect("a code")];
            let alone = named.contains(&id).then(|| id.clone());
            (id, Profile { areas, languages: vec![], offset_ms: 0, alone })
        })
        .collect()
}

fn best(runs: usize, mut one: impl FnMut() -> f64) -> f64 {
    (0..runs).map(|_| one()).fold(f64::MAX, f64::min)
}

fn ms_since(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1000.0
}

pub fn planning() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    println!("\nplanning 14 days: ms on {threads} threads, best of 3");
    println!(
        "{:9} {:>6} {:>20} {:>11} {:>10} {:>9} {:>12} {:>12}",
        "speakers", "rules", "targets", "timetables", "pieces", "all (ms)", "edit 1 (ms)", "edit all (ms)"
    );
    for (speakers, rules, targets) in [
        (3_000, 100, Targets::Usual),
        (6_000, 100, Targets::Usual),
        (12_000, 100, Targets::Usual),
        (3_000, 200, Targets::Usual),
        (3_000, 400, Targets::Usual),
        (3_000, 100, Targets::All),
        (3_000, 100, Targets::Apart),
        (6_000, 100, Targets::Apart),
    ] {
        let world = world(rules, speakers, targets);
        let profiles = profiles(&world, speakers);
        let all_ms = best(3, || {
            let (world, profiles) = (world.clone(), profiles.clone());
            let begun = Instant::now();
            let fleet = Fleet::new(world, WINDOW, profiles, threads);
            assert!(fleet.sizes().1 == speakers);
            ms_since(begun)
        });
        let fleet = Fleet::new(world.clone(), WINDOW, profiles.clone(), threads);
        let (tables, _) = fleet.sizes();
        let distinct: BTreeMap<_, _> = fleet
            .speakers()
            .filter_map(|(id, _)| fleet.timetable(id))
            .map(|table| (Arc::as_ptr(table), table))
            .collect();
        let pieces: usize = distinct.values().map(|table| table.pieces.len()).sum();
        // One rule of one commune, and one of the whole province, an hour later each.
        let edit = |index: usize, to: Vec<String>| {
            best(3, || {
                let (mut fleet, mut edited, profiles) = (fleet.clone(), world.clone(), profiles.clone());
                edited.series[index] = series(index, to.clone(), 60);
                let begun = Instant::now();
                let changed = fleet.update(edited, profiles, threads);
                let ms = ms_since(begun);
                assert!(!changed.is_empty());
                ms
            })
        };
        let (narrow_ms, wide_ms) = (edit(1, vec![commune(1)]), edit(2, vec!["66".into()]));
        let named = match targets {
            Targets::Usual => "half to one in ten",
            Targets::All => "all to all",
            Targets::Apart => "each one of its own",
        };
        println!(
            "{speakers:<9} {rules:>6} {named:>20} {tables:>11} {pieces:>10} {all_ms:>9.1} {narrow_ms:>12.2} {wide_ms:>12.2}"
        );
    }
    plan_sizes();
}

/// What a plan costs on the wire, without its statements.
fn plan_sizes() {
    println!("\nplan on the wire, 14 days of 3 items an occurrence: bytes without media and statements");
    println!("{:>12} {:>10} {:>20}", "occurrences", "bytes", "bytes an occurrence");
    for rules in [10, 50, 100] {
        let world = world(rules, 1, Targets::All);
        let profiles = profiles(&world, 1);
        let fleet = Fleet::new(world, WINDOW, profiles, 1);
        let id: SpeakerId = "s00000".parse().expect("an id");
        let table = fleet.timetable(&id).expect("a timetable");
        let occurrences: Vec<_> = table.pieces.iter().filter_map(|piece| piece.planned()).collect();
        let count = occurrences.len();
        let plan = Plan {
            site: "mau".parse().expect("an id"),
            speaker: id,
            number: 1,
            made_ms: NOW_MS,
            from_ms: WINDOW.from_ms,
            until_ms: WINDOW.until_ms,
            media: Vec::<MediaRef>::new(),
            occurrences,
            neighbours: None,
        };
        let bytes = serde_json::to_vec(&plan).expect("JSON").len();
        println!("{count:>12} {bytes:>10} {:>20.0}", bytes as f64 / count as f64);
    }
}
