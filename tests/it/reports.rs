//! The account of plays and the reports that are read from it: by driven clock in this process, and through a real server.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;

use chrono::{DateTime, Days, NaiveDate};
use loaxa::center::app::App;
use loaxa::center::config::Config;
use loaxa::center::datadir::DataDir;
use loaxa::center::reports::settle::settle;
use loaxa::center::reports::{PeriodReport, count_again, date_at, day_start_ms, period, zone};
use loaxa::center::store::{BulletinRow, Deed, PlanRow, PlayFilter, StepDetail};
use loaxa::domain::field::Field;
use loaxa::domain::ids::OccurrenceId;
use loaxa::domain::plan::{Plan, PlannedItem, PlannedOccurrence};
use loaxa::domain::priority::Priority;
use loaxa::domain::record::{Evidence, Outcome, PlaybackRecord, Reason};
use loaxa::domain::report::{FigureId, Scope};
use loaxa::protocol::envelope::Envelope;
use loaxa::protocol::keys::SigningKey;
use loaxa::protocol::trust::SignedPlan;
use serde_json::{Value, json};

use crate::harness::{Center, unix_ms};
use crate::people::{Browser, add_user};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A center of three speakers, opened in this process, some weeks ago.
struct Then {
    _center: Center,
    app: Arc<App>,
    day: NaiveDate,
    midnight_ms: i64,
}

impl Then {
    async fn open(center: Center) -> Self {
        let app = App::open(DataDir::open(&center.data()).unwrap(), Config::default()).await.unwrap();
        let zone = zone(&app);
        // Plans are kept for sixty days, and records may be forty days late.
        let day = date_at(zone, unix_ms()) - Days::new(45);
        Self { _center: center, app, day, midnight_ms: day_start_ms(zone, day) }
    }

    fn at(&self, days: i64, hours: i64, minutes: i64) -> i64 {
        self.midnight_ms + days * DAY_MS + hours * HOUR_MS + minutes * MINUTE_MS
    }

    async fn bulletin(&self, id: &str, language: &str) {
        let row = BulletinRow {
            id: id.parse().unwrap(),
            title: id.into(),
            language: language.parse().unwrap(),
            area: "66".parse().unwrap(),
            words: String::new(),
            created_ms: self.midnight_ms,
            version_of: None,
            field: Field::default(),
        };
        let detail = StepDetail::default();
        let deed = Deed { account: "lan".into(), title: "Lan".into(), at_ms: self.midnight_ms, detail };
        self.app.store.add_bulletin(&row, "x.mp3", &format!("upload-{id}"), &deed).await.unwrap();
    }

    async fn plan(&self, speaker: &str, number: u64, made_ms: i64, occurrences: Vec<PlannedOccurrence>) {
        let plan = Plan {
            site: "mau".parse().unwrap(),
            speaker: speaker.parse().unwrap(),
            number,
            made_ms,
            from_ms: made_ms - DAY_MS,
            until_ms: made_ms + 14 * DAY_MS,
            media: vec![],
            occurrences,
            neighbours: None,
        };
        let plan = Envelope::sign(&plan, &SigningKey::from_seed(&[7; 32])).unwrap();
        let signed = SignedPlan {
            plan,
            certificates: vec![],
            approvals: vec![],
            tickets: vec![],
            hours: vec![],
            trust: None,
            successions: vec![],
        };
        let body = serde_json::to_string(&signed).unwrap();
        let row = PlanRow { speaker: speaker.parse().unwrap(), number, made_ms, until_ms: made_ms + 14 * DAY_MS, body };
        self.app.store.add_plans(&[row]).await.unwrap();
    }

    async fn report(&self, area: &str, from: i64, to: i64) -> PeriodReport {
        let day = |days: i64| self.day + Days::new(days as u64);
        self.between(area, day(from), day(to)).await
    }

    async fn between(&self, area: &str, from: NaiveDate, to: NaiveDate) -> PeriodReport {
        let tree = self.app.store.areas().await.unwrap();
        period(&self.app, &tree, &Scope { area: area.parse().unwrap(), from, to }).await.unwrap()
    }

    async fn settle(&self, now_ms: i64) {
        while settle(&self.app, now_ms).await.unwrap() {}
    }
}

fn planned(schedule: &str, start_ms: i64, bulletin: &str, seconds: i64, priority: Priority) -> PlannedOccurrence {
    let item = |bulletin: &str, at_ms: i64, duration_ms: i64, beneath: bool| PlannedItem {
        bulletin: bulletin.parse().unwrap(),
        revision: 1,
        media: "0".repeat(64).parse().unwrap(),
        at_ms,
        skip_ms: 0,
        duration_ms,
        gain_db: 0.0,
        fade_in: false,
        fade_out: false,
        beneath,
    };
    PlannedOccurrence {
        id: OccurrenceId::new(&schedule.parse().unwrap(), start_ms),
        title: format!("Chương trình {schedule}"),
        start_ms,
        end_ms: start_ms + (seconds + 10) * 1000,
        priority,
        volume_db: 0.0,
        // A signature tune, the bulletin, and music beneath.
        items: vec![
            item("nhac-hieu", 0, 10_000, false),
            item(bulletin, 10_000, (seconds - 10) * 1000, false),
            item("nhac-nen", 0, seconds * 1000, true),
        ],
    }
}

fn record(
    speaker: &str,
    play: &PlannedOccurrence,
    plan_number: u64,
    outcome: Outcome,
    error_us: Option<i64>,
) -> PlaybackRecord {
    let heard = matches!(outcome, Outcome::Played | Outcome::Late);
    PlaybackRecord {
        speaker: speaker.parse().unwrap(),
        occurrence: play.id.clone(),
        plan_number,
        start_ms: play.start_ms,
        end_ms: play.end_ms,
        outcome,
        reason: (!heard).then_some(Reason::PoweredOff),
        evidence: if heard { Evidence::Sounded } else { Evidence::ContentReady },
        started_ms: error_us.map(|us| play.start_ms + us / 1000),
        start_error_us: error_us,
        clock_error_us: None,
        heard_ms: if heard { play.end_ms - play.start_ms - 10_000 } else { 0 },
        level_dbfs: Some(-18.0),
        peak_dbfs: None,
        underruns: 0,
        off_line_us: None,
        heard_back_db: None,
        heard_back_delay_ms: None,
    }
}

/// What a report says without when it was made.
fn said(report: &PeriodReport) -> Value {
    let mut value = serde_json::to_value(report).unwrap();
    let fields = value.as_object_mut().unwrap();
    fields.remove("made_ms");
    fields.remove("counted_until_ms");
    value
}

fn furnished() -> Center {
    let center = Center::new();
    center.furnish();
    for (speaker, area) in [("a", "24133"), ("b", "24133"), ("c", "24169")] {
        center.cli(["speaker", "add", speaker, "--title", &format!("Cụm loa {speaker}"), "--area", area]);
    }
    center
}

#[test]
fn every_play_is_counted_once_whenever_its_record_comes() {
    let center = furnished();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let then = Then::open(center).await;
        let app = &then.app;
        for (id, language) in [("tin-y-te", "vie"), ("tin-cham", "cjm"), ("nhac-hieu", "zxx"), ("nhac-nen", "zxx")] {
            then.bulletin(id, language).await;
        }
        app.store.set_field(&"tin-y-te".parse().unwrap(), Field::Health).await.unwrap();
        let morning = planned("sang", then.at(0, 5, 0), "tin-y-te", 600, Priority::Normal);
        let urgent = planned("khan", then.at(0, 12, 0), "tin-y-te", 60, Priority::Emergency);
        let evening = planned("chieu", then.at(0, 17, 0), "tin-cham", 300, Priority::Normal);
        let tomorrow = planned("sang", then.at(1, 5, 0), "tin-y-te", 600, Priority::Normal);
        let made_ms = then.at(-1, 20, 0);
        then.plan("a", 101, made_ms, vec![morning.clone(), urgent.clone(), evening.clone(), tomorrow.clone()]).await;
        for speaker in ["b", "c"] {
            then.plan(speaker, 101, made_ms, vec![morning.clone(), tomorrow.clone()]).await;
        }

        then.settle(then.at(0, 4, 0)).await;
        assert_eq!(then.report("66", 0, 0).await.report.sums.plays, 0, "nothing was due yet");
        then.settle(then.at(0, 17, 2)).await;
        let sums = then.report("66", 0, 0).await.report.sums;
        assert_eq!((sums.plays, sums.unreported), (4, 4), "what is on the air may still be told of");
        then.settle(then.at(0, 18, 0)).await;
        assert_eq!(then.report("66", 0, 0).await.report.sums.plays, 5, "its time is over");

        let records = [
            record("a", &morning, 101, Outcome::Played, Some(300)),
            record("b", &morning, 101, Outcome::Missed, None),
            record("a", &urgent, 101, Outcome::Late, Some(2_000_000)),
        ];
        app.store.add_records(&records, then.at(0, 18, 1)).await.unwrap();
        then.settle(then.at(0, 18, 2)).await;
        let first = then.report("66", 0, 0).await;
        let sums = first.report.sums;
        assert_eq!((sums.plays, sums.complete, sums.sounded, sums.on_time, sums.unreported), (5, 2, 2, 1, 2));
        assert_eq!((sums.urgent, sums.urgent_sounded, sums.urgent_prompt), (1, 1, 1));
        assert_eq!((sums.requested_ms, sums.heard_ms), (2_160_000, 660_000), "pauses and what lies beneath left out");
        let languages: Vec<_> =
            first.report.languages.iter().map(|line| (line.key.as_str(), line.sums.plays)).collect();
        assert_eq!(languages, [("vie", 4), ("cjm", 1)], "a tune does not make a play speechless");
        let cover = first.report.coverage;
        assert_eq!((cover.speakers, cover.speakers_sounded, cover.communes, cover.communes_sounded), (3, 1, 2, 1));
        then.settle(then.at(0, 18, 2)).await;
        assert_eq!(said(&then.report("66", 0, 0).await), said(&first), "a step that is done twice");

        // A new plan moves tomorrow's play; what the old one said of it counts no more.
        let moved = planned("sang", then.at(1, 5, 30), "tin-y-te", 600, Priority::Normal);
        for speaker in ["a", "b", "c"] {
            then.plan(speaker, 102, then.at(0, 20, 0), vec![moved.clone()]).await;
        }
        then.settle(then.at(2, 0, 0)).await;
        assert_eq!(then.report("66", 1, 1).await.report.sums.plays, 3);
        assert_eq!(then.report("24133", 0, 1).await.report.sums.plays, 6);
        let silence = then.report("66", 0, 1).await;
        let silence = silence.report.figures.into_iter().find(|figure| figure.id == FigureId::SilenceLength).unwrap();
        // a was silent on the second day, b and c on both.
        assert_eq!((silence.part, silence.whole), (5.0, 3.0));

        // Records that come weeks late, one of them of a play that no plan knows.
        let strange = PlannedOccurrence {
            start_ms: then.at(0, 9, 0),
            end_ms: then.at(0, 9, 1),
            ..planned("la", then.at(0, 9, 0), "x", 60, Priority::Normal)
        };
        let late = [
            record("c", &morning, 101, Outcome::Played, Some(-40)),
            record("c", &strange, 7, Outcome::Played, Some(10)),
        ];
        app.store.add_records(&late, then.at(30, 0, 0)).await.unwrap();
        then.settle(then.at(30, 0, 1)).await;
        let sums = then.report("66", 0, 0).await.report.sums;
        assert_eq!((sums.plays, sums.complete, sums.unreported), (6, 4, 1));

        // A year of it is the same as its days.
        let (first_day, last_day) = (then.day - Days::new(200), then.day + Days::new(200));
        let (year, days) = (then.between("66", first_day, last_day).await, then.report("66", 0, 1).await);
        assert_eq!(year.report.sums, days.report.sums);
        assert_eq!(said(&year)["areas"], said(&days)["areas"]);

        // What a bulletin is about can be said later.
        assert_eq!(year.report.fields[0].key, "health");
        app.store.set_field(&"tin-y-te".parse().unwrap(), Field::Disaster).await.unwrap();
        count_again(app, then.midnight_ms).await.unwrap();
        then.settle(then.at(30, 0, 2)).await;
        let told = then.report("66", 0, 1).await;
        assert_eq!((told.report.fields[0].key.as_str(), told.report.sums), ("disaster", year.report.sums));

        figures_lead_to_their_plays(&then).await;
        app.store.close().await;
    });
}

/// Also when the plans are long forgotten.
async fn figures_lead_to_their_plays(then: &Then) {
    let app = &then.app;
    app.store.drop_old_plans(unix_ms()).await.unwrap();
    let whole = PlayFilter { from_ms: then.at(0, 0, 0), until_ms: then.at(2, 0, 0), ..PlayFilter::default() };
    let all = app.store.told_plays(&whole, 100).await.unwrap();
    assert_eq!(all.len(), 9);
    let (mut paged, mut after) = (vec![], None);
    loop {
        let page = app.store.told_plays(&PlayFilter { after: after.clone(), ..whole.clone() }, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some((last.row.start_ms, last.row.speaker.clone(), last.row.occurrence.clone()));
        paged.extend(page);
    }
    assert_eq!(paged, all, "pages leave nothing out and tell nothing twice");
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<String>>();
    for (what, filter, wanted) in [
        ("area", PlayFilter { areas: Some(texts(&["24169"])), ..whole.clone() }, 3),
        ("no area", PlayFilter { areas: Some(vec![]), ..whole.clone() }, 0),
        ("outcome", PlayFilter { outcomes: texts(&["missed", "unreported"]), ..whole.clone() }, 5),
        ("reason", PlayFilter { reasons: texts(&["powered_off"]), ..whole.clone() }, 1),
        ("schedule", PlayFilter { schedule: Some("sang".into()), ..whole.clone() }, 6),
        ("bulletin", PlayFilter { bulletin: Some("tin-cham".into()), ..whole.clone() }, 1),
        ("a bulletin's like", PlayFilter { bulletin: Some("tin_cham".into()), ..whole.clone() }, 0),
        ("priority", PlayFilter { priorities: texts(&["emergency"]), ..whole.clone() }, 1),
        ("evidence", PlayFilter { evidence: texts(&["sounded"]), ..whole.clone() }, 4),
        ("field", PlayFilter { fields: texts(&["disaster"]), ..whole.clone() }, 7),
        ("language", PlayFilter { languages: texts(&["cjm"]), ..whole.clone() }, 1),
        ("on time", PlayFilter { on_time: Some(true), ..whole.clone() }, 3),
        ("not on time", PlayFilter { on_time: Some(false), ..whole.clone() }, 6),
        ("speaker", PlayFilter { speaker: Some("a".into()), ..whole.clone() }, 4),
    ] {
        assert_eq!(app.store.told_plays(&filter, 100).await.unwrap().len(), wanted, "{what}");
    }
    let urgent = all.iter().find(|play| play.content.priority == "emergency").unwrap();
    assert_eq!((urgent.content.title.as_str(), urgent.content.bulletin.as_str()), ("Chương trình khan", "tin-y-te"));
    assert_eq!(urgent.record.as_ref().and_then(|record| record.level_dbfs), Some(-18.0), "with all that was measured");
}

#[test]
fn a_report_is_told_to_those_whose_area_it_is_and_written_as_offices_write() {
    let mut center = furnished();
    center.start();
    add_user(&center, "xem", "viewer@24133");
    let (viewer, admin) = (Browser::signed_in(&center, 3, "xem"), Browser::with_token(&center, &center.token()));
    let told = viewer.get("/reports/period?area=24133&from=2026-11-01&to=2026-11-30").expect(200).json();
    assert_eq!((&told["area_title"], &told["sums"]["plays"]), (&"Phường Buôn Ma Thuột".into(), &0.into()), "{told}");
    assert_eq!(told["figures"].as_array().unwrap().len(), 12);
    for path in ["/reports/period?area=66&from=2026-11-01", "/reports/period/file?area=24169&from=2026-11-01&form=csv"]
    {
        viewer.get(path).expect(403);
    }
    for path in [
        "/reports/period?from=2026-11-31",
        "/reports/period?from=2026-11-02&to=2026-11-01",
        "/reports/period?from=2001-01-01&to=2026-01-01",
    ] {
        admin.get(path).expect(400);
    }
    viewer.get("/plays?area=24133&outcome=missed&limit=1").expect(200);
    viewer.get("/plays?area=24169").expect(403);
    admin.get("/plays?cursor=5").expect(400);

    office(&admin, &viewer);
    let file = |form: &str| {
        let path = center.dir.path().join(format!("bao-cao.{form}"));
        let flag = format!("--{form}");
        center.cli([
            "report",
            "period",
            "--area",
            "24133",
            "--from",
            "2026-10-01",
            "--to",
            "2026-12-31",
            &flag,
            path.to_str().unwrap(),
        ]);
        path
    };
    let csv = std::fs::read_to_string(file("csv")).unwrap();
    assert!(csv.starts_with("\u{feff}Kết quả phát thanh trên địa bàn Phường Buôn Ma Thuột quý IV năm 2026"), "{csv}");
    assert!(std::fs::read(file("xlsx")).unwrap().starts_with(b"PK"));
    let answer = viewer.get("/reports/period/file?area=24133&from=2026-11-01&to=2026-11-30&form=csv").expect(200);
    let disposition = answer.headers["content-disposition"].to_str().unwrap().to_owned();
    assert!(disposition.contains("filename=\"bao-cao-24133-2026-11-01-2026-11-30.csv\""), "{disposition}");
    assert!(disposition.contains("filename*=UTF-8''B%C3%A1o%20c%C3%A1o%20ph%C3%A1t%20thanh%20Ph"), "{disposition}");
    let paper = text_of(&file("pdf"));
    for words in [
        "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM",
        "Độc lập - Tự do - Hạnh phúc",
        "UBND TỈNH ĐẮK LẮK",
        "TRUNG TÂM MẪU",
        "/BC-TTVH",
        "Buôn Ma Thuột, ngày",
        "BÁO CÁO",
        "Đơn vị",
        "tiễn",
        "Nơi nhận:",
        "Lưu: VT.",
        "GIÁM ĐỐC",
        "Nguyễn Thị Ễnh Ương",
    ] {
        assert!(paper.contains(words), "{words} is not on the paper:\n{paper}");
    }
    let text = center.cli(["report", "period", "--from", "2026-11-01"]);
    assert!(text.contains("24169") || text.contains("in all"), "{text}");
}

/// The heading is set by who has the top of the tree, and not over somebody else's change.
fn office(admin: &Browser, viewer: &Browser) {
    let seen = viewer.get("/settings/office").expect(200);
    let tag = seen.headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(seen.json()["name"], "");
    let office = json!({
        "superior": "UBND tỉnh Đắk Lắk",
        "name": "",
        "symbol": "BC-TTVH",
        "place": "Buôn Ma Thuột",
        "signer_title": "Giám đốc",
        "signer_name": "Nguyễn Thị Ễnh Ương",
        "recipients": ["Sở Văn hoá (để tiễn đưa)", " "],
    });
    viewer.send("PUT", "/settings/office", office.clone()).expect(403);
    let put = |tag: &str| {
        let headers = [("content-type", "application/json"), ("if-match", tag)];
        admin.ask("PUT", "/settings/office", office.to_string().into_bytes(), &headers)
    };
    let kept = put(&tag).expect(200);
    assert_eq!(kept.json()["recipients"], json!(["Sở Văn hoá (để tiễn đưa)"]));
    put(&tag).expect(412);
    admin.send("PUT", "/settings/office", json!({ "place": "hai\ndòng" })).expect(400);
}

/// By another program than the one that wrote it.
fn text_of(pdf: &std::path::Path) -> String {
    let read =
        Command::new("pdftotext").args(["-layout"]).arg(pdf).arg("-").output().expect("pdftotext (poppler-utils)");
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    String::from_utf8(read.stdout).unwrap()
}

#[test]
fn every_letter_of_a_paper_is_in_its_typeface() {
    let center = furnished();
    let path = center.dir.path().join("bao-cao.pdf");
    center.cli(["report", "period", "--from", "2026-01-01", "--to", "2026-12-31", "--pdf", path.to_str().unwrap()]);
    let fonts = Command::new("pdffonts").arg(&path).output().expect("pdffonts (poppler-utils)");
    let fonts = String::from_utf8_lossy(&fonts.stdout).into_owned();
    let embedded: BTreeSet<_> =
        fonts.lines().filter(|line| line.contains("Tinos") && line.contains(" yes yes yes")).collect();
    assert_eq!(embedded.len(), 3, "embedded, as a part, with its letters named:\n{fonts}");
    // A letter that the typeface lacks would come out as a box, and as nothing here.
    let text = text_of(&path);
    assert!(!text.contains('\u{fffd}'), "{text}");
    let bytes = std::fs::metadata(&path).unwrap().len();
    assert!(bytes < 300_000, "{bytes} bytes: only the letters that are used are in it");
    let made = DateTime::from_timestamp_millis(unix_ms()).unwrap().format("%Y").to_string();
    assert!(text.contains(&made), "{text}");
}
