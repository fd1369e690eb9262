//! The same tests on both databases: SQLite in a file, and a real PostgreSQL that is started here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use loaxa::audio::loudness::Loudness;
use loaxa::center::store::{
    BulletinRow, ConnectionRow, ContentRow, Day, Deed, DueRow, EnrolmentRow, Intake, PlanRow, PlayFilter, PlayedRow,
    Sound, SpeakerTraits, StepDetail, Store, StoreError, UploadRow, VersionRow,
};
use loaxa::domain::area::Area;
use loaxa::domain::bulletin::{Flaw, RevisionState};
use loaxa::domain::calendar::CalendarText;
use loaxa::domain::field::Field;
use loaxa::domain::ids::{MediaHash, OccurrenceId, SpeakerId};
use loaxa::domain::priority::Priority;
use loaxa::domain::programme::{ItemText, PauseText, ProgrammeText};
use loaxa::domain::record::{Evidence, Outcome, PlaybackRecord, Reason};
use loaxa::domain::schedule::{ExceptionText, ScheduleText};
use loaxa::domain::standing::{Subject, Turn};
use loaxa::protocol::envelope::Envelope;
use loaxa::protocol::message::State;

use crate::harness::{Process, adopt, wait_for};
use crate::store_people;

#[test]
fn sqlite_keeps_what_it_is_given() {
    let dir = tempfile::tempdir().unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = Store::open_sqlite(dir.path()).await.unwrap();
        exercise(&store).await;
        store.close().await;
        // Opened again, it is all there, and the migrations know that they have run.
        let store = Store::open_sqlite(dir.path()).await.unwrap();
        assert_eq!(store.records(None, 0, i64::MAX).await.unwrap().len(), 5);
    });
}

#[test]
fn postgresql_keeps_what_it_is_given() {
    let postgres = Postgres::start();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = Store::open_url(&postgres.url).await.unwrap();
        exercise(&store).await;
        store.close().await;
        let store = Store::open_url(&postgres.url).await.unwrap();
        assert_eq!(store.records(None, 0, i64::MAX).await.unwrap().len(), 5);
    });
}

#[test]
fn a_center_on_postgresql_is_verified_as_it_stands() {
    let postgres = Postgres::start();
    sqlx::any::install_default_drivers();
    let mut center = crate::harness::Center::new();
    center.environment.push(("LOAXA_STORE__DATABASE".into(), postgres.url.clone()));
    center.start();
    for code in ["a1", "a2", "a3"] {
        center.cli(["area", "add", code, "--title", "Thôn"]);
    }
    assert_eq!(center.json(["verify"])["lines"], 3);
    center.stop();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        use sqlx::Connection as _;
        let mut connection = sqlx::AnyConnection::connect(&postgres.url).await.unwrap();
        sqlx::query("update audit set target = 'x' where number = 2").execute(&mut connection).await.unwrap();
    });
    let error = center.cli_fails(["verify"]);
    assert!(error.contains("line 2 is not what was written there"), "{error}");
}

async fn exercise(store: &Store) {
    areas(store).await;
    speakers(store).await;
    enrolments(store).await;
    bulletins(store).await;
    schedules(store).await;
    plans_and_records(store).await;
    account_and_sums(store).await;
    newest_sounds(store).await;
    store_people::accounts(store).await;
    store_people::sessions_and_tokens(store).await;
    store_people::audit_log(store).await;
}

async fn areas(store: &Store) {
    let area = |code: &str, parent: Option<&str>| Area {
        code: code.parse().unwrap(),
        parent: parent.map(|parent| parent.parse().unwrap()),
        title: "Phường".into(),
    };
    store.add_area(&area("66", None)).await.unwrap();
    store.add_area(&area("24133", Some("66"))).await.unwrap();
    assert!(matches!(store.add_area(&area("66", None)).await, Err(StoreError::Exists(_))));
    assert_eq!(store.areas().await.unwrap().path(&"24133".parse().unwrap()).unwrap().len(), 2);
    let world = crate::golden::World::new();
    let envelope = Envelope::sign(&world.hours(), &world.authority).unwrap();
    store.set_hours(&"66".parse().unwrap(), &envelope).await.unwrap();
    store.set_own_first(&"24133".parse().unwrap(), true).await.unwrap();
    assert!(matches!(store.set_own_first(&"99".parse().unwrap(), true).await, Err(StoreError::NotFound(_))));
    let rows = store.area_rows().await.unwrap();
    let told: Vec<_> = rows.iter().map(|row| (row.area.code.as_str(), row.hours.is_some(), row.own_first)).collect();
    assert_eq!(told, [("24133", false, Some(true)), ("66", true, None)]);
}

async fn speakers(store: &Store) {
    let (id, area) = ("a".parse().unwrap(), "24133".parse().unwrap());
    store.add_speaker(&id, "Cụm loa", &area, "hash", 5).await.unwrap();
    assert!(matches!(store.add_speaker(&id, "x", &area, "hash", 5).await, Err(StoreError::Exists(_))));
    assert!(matches!(store.speaker(&"b".parse().unwrap()).await, Err(StoreError::NotFound(_))));
    assert_eq!(store.speaker(&id).await.unwrap().since_ms, None);
    let told = async |birth, online, now_ms| {
        let state = State { birth, online, detail: None };
        store.set_states(&[(id.clone(), state, vec![])], now_ms).await.unwrap() == [true]
    };
    assert!(told(5, true, 10).await);
    assert!(!told(4, false, 20).await, "a late last will of an older connection");
    let row = store.speaker(&id).await.unwrap();
    assert_eq!((row.birth, row.online, row.since_ms), (5, true, Some(10)));
    assert!(told(5, true, 30).await);
    assert_eq!(store.speaker(&id).await.unwrap().since_ms, Some(10), "still on line since then");
    assert!(told(5, false, 40).await);
    assert_eq!(store.speaker(&id).await.unwrap().since_ms, Some(40));
    turns(store, &id).await;
    let traits = SpeakerTraits {
        languages: vec!["cjm".parse().unwrap(), "vie".parse().unwrap()],
        place: Some((11.5, 108.9)),
        step_with: Some("chợ".into()),
    };
    store.set_traits(&id, &traits).await.unwrap();
    assert_eq!(store.speaker(&id).await.unwrap().traits, traits);
    assert_eq!(store.speakers("", 10).await.unwrap().len(), 1);
    assert_eq!(store.speakers("a", 10).await.unwrap().len(), 0);
}

async fn enrolments(store: &Store) {
    let (a, b): (SpeakerId, SpeakerId) = ("a".parse().unwrap(), "b".parse().unwrap());
    let code = |lookup: &str, speaker: &SpeakerId| EnrolmentRow {
        lookup: lookup.into(),
        speaker: speaker.clone(),
        mac_key: "key".into(),
        until_ms: 100,
        used: None,
    };
    let certificate = |name: &str, speaker: &SpeakerId, is_next| ConnectionRow {
        fingerprint: name.into(),
        speaker: speaker.clone(),
        serial: "01".into(),
        is_next,
        request: format!("request of {name}"),
        pem: "PEM".into(),
        made_ms: 5,
        until_ms: 1_000,
    };
    for lookup in ["one", "two"] {
        store.add_enrolment(&code(lookup, &a), 1).await.unwrap();
    }
    store.add_enrolment(&code("of b", &b), 1).await.unwrap();
    assert_eq!(store.enrolment("one").await.unwrap(), None, "a newer code takes its place");
    assert_eq!(store.enrolment("two").await.unwrap(), Some(code("two", &a)));
    assert!(!store.use_enrolment("two", "answer", &certificate("late", &a, false), 100).await.unwrap(), "expired");
    assert!(store.speaker_certificates(Some(&a)).await.unwrap().is_empty(), "nothing of that was kept");
    assert!(store.use_enrolment("two", "answer", &certificate("first", &a, false), 10).await.unwrap());
    assert!(!store.use_enrolment("two", "other", &certificate("second", &a, false), 11).await.unwrap(), "used");
    let used = store.enrolment("two").await.unwrap().unwrap().used;
    assert_eq!(used, Some(("request of first".into(), "answer".into())));
    store.use_enrolment("of b", "answer", &certificate("of b", &b, false), 10).await.unwrap();
    // Renewal: the next one beside the one in force, until it is shown.
    let held = async |speaker: &SpeakerId| {
        let rows = store.speaker_certificates(Some(speaker)).await.unwrap();
        rows.into_iter().map(|row| (row.fingerprint, row.is_next)).collect::<Vec<_>>()
    };
    store.set_next_certificate(&certificate("next", &a, true)).await.unwrap();
    store.set_next_certificate(&certificate("next but one", &a, true)).await.unwrap();
    assert_eq!(held(&a).await, [("first".to_owned(), false), ("next but one".to_owned(), true)]);
    store.promote_certificate(&a, "unknown").await.unwrap();
    assert_eq!(held(&a).await.len(), 2);
    store.promote_certificate(&a, "next but one").await.unwrap();
    assert_eq!(held(&a).await, [("next but one".to_owned(), false)]);
    assert_eq!(store.speaker_certificates(None).await.unwrap().len(), 2);
    store.set_disabled(&a, true, 50).await.unwrap();
    assert!(store.speaker(&a).await.unwrap().disabled);
    assert_eq!(store.disabled_speakers().await.unwrap(), std::slice::from_ref(&a));
    store.set_disabled(&a, false, 60).await.unwrap();
    assert!(!store.speaker(&a).await.unwrap().disabled);
    assert!(matches!(store.set_disabled(&b, true, 50).await, Err(StoreError::NotFound(_))));
}

async fn bulletins(store: &Store) {
    let bulletin = BulletinRow {
        id: "water".parse().unwrap(),
        title: "Cắt nước".into(),
        language: "vie".parse().unwrap(),
        area: "66".parse().unwrap(),
        words: "Kính gửi bà con".into(),
        created_ms: 7,
        version_of: None,
        field: Field::default(),
    };
    let deed = |at_ms| Deed { account: "lan".into(), title: "Lan".into(), at_ms, detail: StepDetail::default() };
    store.add_bulletin(&bulletin, "nước.mp3", "upload-1", &deed(7)).await.unwrap();
    assert!(matches!(store.add_bulletin(&bulletin, "x", "y", &deed(7)).await, Err(StoreError::Exists(_))));
    assert_eq!(store.bulletin(&bulletin.id).await.unwrap(), bulletin);
    let waiting = store.received_revisions().await.unwrap();
    assert_eq!((waiting.len(), &waiting[0].intake), (1, &Intake::Received { upload: "upload-1".into() }));
    let loudness = Loudness { integrated_lufs: -18.25, true_peak_dbtp: -2.5 };
    let sound = Sound { media: MediaHash([9; 32]), bytes: 50_000, duration_ms: 9_160, loudness, gain_db: 1.5 };
    store
        .finish_intake(&waiting[0], &Intake::Ready(sound.clone()), &[Flaw::EndsSilent { length_ms: 4_000 }])
        .await
        .unwrap();
    let row = store.revisions(&bulletin.id).await.unwrap().remove(0);
    assert_eq!(
        (&row.intake, row.flaws.as_slice()),
        (&Intake::Ready(sound), &[Flaw::EndsSilent { length_ms: 4_000 }][..])
    );
    assert!(store.approved_revisions().await.unwrap().is_empty());
    store.set_revision_state(&row, &RevisionState::Submitted, &deed(9)).await.unwrap();
    let second = store.set_revision_state(&row, &RevisionState::Withdrawn, &deed(9)).await;
    assert!(matches!(second, Err(StoreError::Conflict(_))), "somebody else was quicker");
    assert_eq!(store.add_revision(&bulletin.id, "b.mp3", "upload-2", &deed(9)).await.unwrap(), 2);
    assert!(matches!(
        store.add_revision(&"gone".parse().unwrap(), "", "", &deed(9)).await,
        Err(StoreError::NotFound(_))
    ));
    let cham = BulletinRow {
        id: "water-cjm".parse().unwrap(),
        language: "cjm".parse().unwrap(),
        version_of: Some(bulletin.id.clone()),
        ..bulletin.clone()
    };
    store.add_bulletin(&cham, "c.mp3", "upload-3", &deed(10)).await.unwrap();
    history(store, &bulletin, deed(11)).await;
    assert_eq!(store.voices().await.unwrap()[1], (cham.id, cham.language, cham.version_of));
    assert_eq!(store.bulletins("", 10, None).await.unwrap().len(), 2);
    assert_eq!(store.bulletins("", 10, Some("submitted")).await.unwrap()[0].id, bulletin.id);
    assert!(store.bulletins("", 10, Some("approved")).await.unwrap().is_empty());
    assert_eq!(store.revisions_of(&bulletin.id, &"water-cjm".parse().unwrap()).await.unwrap().len(), 3);
}

/// Steps, edits that meet each other, uploads by parts, outlines, and plays.
async fn history(store: &Store, seen: &BulletinRow, deed: Deed) {
    let edited = BulletinRow { words: "Kính gửi".into(), ..seen.clone() };
    store.edit_bulletin(seen, &edited, &deed).await.unwrap();
    let second = store.edit_bulletin(seen, &edited, &deed).await;
    assert!(matches!(second, Err(StoreError::Conflict(_))), "somebody else was quicker");
    let steps = store.steps(&seen.id).await.unwrap();
    let told: Vec<_> = steps.iter().map(|step| (step.revision, step.step.as_str(), step.deed.at_ms)).collect();
    assert_eq!(told, [(1, "added", 7), (1, "submitted", 9), (2, "added", 9), (2, "edited", 11)]);
    let upload = UploadRow {
        id: "part".into(),
        account: "lan".into(),
        file_name: "tin.mp3".into(),
        bytes: 10,
        received: 0,
        created_ms: 1,
        ends_ms: 50,
    };
    store.add_upload(&upload).await.unwrap();
    store.received("part", 4).await.unwrap();
    assert_eq!(store.upload("part", "lan").await.unwrap().received, 4);
    assert!(matches!(store.upload("part", "huy").await, Err(StoreError::NotFound(_))), "another's");
    assert!(store.needed_uploads().await.unwrap().contains(&"part".to_owned()));
    assert!(store.drop_uploads(49).await.unwrap().is_empty());
    assert_eq!(store.drop_uploads(50).await.unwrap(), ["part"]);
    let media = MediaHash([9; 32]);
    assert_eq!(store.peaks(&media).await.unwrap(), None);
    store.keep_peaks(&media, &[0, 128, 255]).await.unwrap();
    assert_eq!(store.peaks(&media).await.unwrap(), Some(vec![0, 128, 255]));
    let play = PlayedRow {
        bulletin: seen.id.clone(),
        occurrence: OccurrenceId::new(&"sang".parse().unwrap(), 100),
        title: "Sáng".into(),
        priority: Priority::Normal,
        first_ms: 100,
        last_ms: 130,
        end_ms: 200,
        speakers: 3,
    };
    store.note_plays(std::slice::from_ref(&play)).await.unwrap();
    store.note_plays(&[PlayedRow { speakers: 4, ..play.clone() }]).await.unwrap();
    assert!(store.plays_of(&seen.id, 100, 10).await.unwrap().is_empty());
    assert_eq!(store.plays_of(&seen.id, 101, 10).await.unwrap()[0].speakers, 4);
    assert!(store.count_records(&play).await.unwrap().is_empty());
    store.forget_plays(&[play]).await.unwrap();
    assert!(store.plays_of(&seen.id, 101, 10).await.unwrap().is_empty());
}

async fn schedules(store: &Store) {
    fn version<T>(made_ms: i64, value: Option<T>) -> VersionRow<T> {
        VersionRow { made_ms, effective_ms: made_ms + 600, value, ends_now: false }
    }
    let items = vec![ItemText::Bulletin("water".into()), ItemText::Pause(PauseText { pause_s: 2 })];
    let (id, first) = ("p".parse().unwrap(), ProgrammeText { title: "Buổi sáng".into(), items });
    let second = ProgrammeText { title: "Buổi sáng mới".into(), ..first.clone() };
    store.put_programme(&id, &version(1, Some(first.clone()))).await.unwrap();
    store.put_programme(&id, &version(2, Some(second.clone()))).await.unwrap();
    assert_eq!(store.programmes().await.unwrap()[&id], second);
    let history = store.programme_histories().await.unwrap().remove(&id).unwrap();
    assert_eq!(history, [version(1, Some(first)), version(2, Some(second))], "an edit keeps what was");
    let rule = ScheduleText {
        at: vec!["05:00".into()],
        exceptions: vec![ExceptionText { at: Some("2026-11-23".into()), skip: true, ..Default::default() }],
        targets: vec!["66".into()],
        volume_db: Some(-3.5),
        ..Default::default()
    };
    let id = "s".parse().unwrap();
    store.put_schedule(&id, &version(1, Some(rule.clone()))).await.unwrap();
    assert_eq!(store.schedules().await.unwrap()[&id], rule);
    let removed = VersionRow { ends_now: true, ..version(5, None) };
    store.put_schedule(&id, &removed).await.unwrap();
    assert!(store.schedules().await.unwrap().is_empty());
    assert_eq!(store.schedule_histories().await.unwrap()[&id], [version(1, Some(rule)), removed]);
    let (id, calendar) =
        ("tang".parse().unwrap(), CalendarText { days: vec!["2026-11-25".into()], ..Default::default() });
    store.put_calendar(&id, &CalendarText::default(), 1).await.unwrap();
    store.put_calendar(&id, &calendar, 2).await.unwrap();
    assert_eq!(store.calendars().await.unwrap()[&id], calendar);
    store.delete_calendar(&id).await.unwrap();
    assert!(matches!(store.delete_calendar(&id).await, Err(StoreError::NotFound(_))));
}

async fn turns(store: &Store, id: &SpeakerId) {
    let down = Turn::new(Subject::Link, "down", "");
    let hot = Turn { item: "hot", ..Turn::new(Subject::Fault, "begun", "82 °C") };
    let old = State { birth: 3, online: false, detail: None };
    assert_eq!(store.set_states(&[(id.clone(), old, vec![down.clone()])], 50).await.unwrap(), [false]);
    assert_eq!(store.turns(id, 0, 1000, 10).await.unwrap(), [], "what does not count turns nothing");
    for (birth, online, now_ms, turns) in [
        (6, true, 60, vec![Turn::new(Subject::Link, "up", ""), hot]),
        (6, false, 70, vec![down.clone()]),
        (7, true, 80, vec![Turn::new(Subject::Link, "up", "")]),
    ] {
        let state = State { birth, online, detail: None };
        assert_eq!(store.set_states(&[(id.clone(), state, turns)], now_ms).await.unwrap(), [true]);
    }
    store.forget_links(90).await.unwrap();
    store.forget_links(95).await.unwrap();
    let told = async |from_ms, until_ms, limit| {
        let rows = store.turns(id, from_ms, until_ms, limit).await.unwrap();
        rows.into_iter().map(|row| format!("{} {}", row.at_ms, row.value)).collect::<Vec<_>>()
    };
    assert_eq!(told(0, 1000, 10).await, ["90 unheard", "80 up", "70 down", "60 begun", "60 up"]);
    assert_eq!(told(60, 80, 10).await, ["70 down", "60 begun", "60 up"]);
    assert_eq!(told(0, 1000, 2).await, ["90 unheard", "80 up"]);
    let standing = async |before_ms| {
        let rows = store.turns_standing(id, before_ms).await.unwrap();
        rows.into_iter().map(|row| format!("{} {} {}", row.subject.as_str(), row.item, row.value)).collect::<Vec<_>>()
    };
    assert_eq!(standing(75).await, ["fault hot begun", "link  down"]);
    assert!(standing(60).await.is_empty());
    store.drop_old_turns(85).await.unwrap();
    assert_eq!(told(0, 1000, 10).await, ["90 unheard", "60 begun"], "the last word on each thing stays");
    store.set_disabled(id, true, 100).await.unwrap();
    store.set_disabled(id, true, 110).await.unwrap();
    store.set_disabled(id, false, 120).await.unwrap();
    assert_eq!(told(95, 1000, 10).await, ["120 open", "100 shut"]);
    store.set_title(id, "Cụm loa chợ").await.unwrap();
    assert_eq!(store.speaker(id).await.unwrap().title, "Cụm loa chợ");
}

async fn plans_and_records(store: &Store) {
    let plan = |number: u64, made_ms: i64| PlanRow {
        speaker: "a".parse().unwrap(),
        number,
        made_ms,
        until_ms: made_ms + 1000,
        body: format!("body {number}"),
    };
    store.add_plans(&[plan(1, 100), plan(2, 200), plan(3, 300)]).await.unwrap();
    assert!(store.add_plans(&[plan(4, 400), plan(3, 300)]).await.is_err(), "all or none");
    assert_eq!(store.newest_numbers().await.unwrap(), [("a".parse().unwrap(), 3, 300, 1300)]);
    assert_eq!(store.newest_plan(&"a".parse().unwrap()).await.unwrap(), Some(plan(3, 300)));
    let since = store.plans_since(&"a".parse().unwrap(), 250).await.unwrap();
    assert_eq!(since, [plan(2, 200), plan(3, 300)], "the one in force then, and those after it");
    store.drop_old_plans(1000).await.unwrap();
    assert_eq!(store.plans_since(&"a".parse().unwrap(), 0).await.unwrap(), [plan(3, 300)], "the newest stays");

    let record = PlaybackRecord {
        speaker: "a".parse().unwrap(),
        occurrence: OccurrenceId::new(&"s".parse().unwrap(), 150),
        plan_number: 1,
        start_ms: 150,
        end_ms: 160,
        outcome: Outcome::Played,
        reason: None,
        evidence: Evidence::Sounded,
        started_ms: Some(150),
        start_error_us: Some(42),
        clock_error_us: None,
        heard_ms: 10,
        level_dbfs: Some(-16.5),
        peak_dbfs: None,
        underruns: 0,
        off_line_us: Some(12),
        heard_back_db: None,
        heard_back_delay_ms: None,
    };
    store.add_records(std::slice::from_ref(&record), 500).await.unwrap();
    let again = PlaybackRecord { heard_ms: 99, ..record.clone() };
    store.add_records(&[again], 600).await.unwrap();
    let rows = store.records(None, 0, 1000).await.unwrap();
    assert_eq!((rows.len(), &rows[0].record, rows[0].received_ms), (1, &record, 500), "the first account stays");
    assert!(store.records(Some(&"b".parse().unwrap()), 0, 1000).await.unwrap().is_empty());
    assert!(store.records(None, 151, 1000).await.unwrap().is_empty());
}

/// The record of `plans_and_records`, of the play that began at 100, taken into the account.
async fn account_and_sums(store: &Store) {
    let content = ContentRow {
        id: "c".into(),
        schedule: "sang".into(),
        title: "Buổi sáng".into(),
        priority: "normal".into(),
        bulletin: "lost".into(),
        bulletins: vec!["lost".into()],
    };
    let new = store.new_records(0, 10).await.unwrap();
    let [one] = &new[..] else { panic!("{new:?}") };
    assert!(!one.is_due && store.new_records(one.received_ms + 1, 10).await.unwrap().is_empty());
    let due = |speaker: &str, occurrence: &str| DueRow {
        speaker: speaker.into(),
        occurrence: occurrence.into(),
        area: "24133".into(),
        start_ms: 100,
        end_ms: 200,
        requested_ms: 80,
        heard_ms: 0,
        content: "c".into(),
        outcome: "unreported".into(),
        reason: "no_report".into(),
        evidence: "scheduled".into(),
        error_us: None,
    };
    let plays = [due("a", one.record.occurrence.as_str()), due("gone", "sang@100")];
    for _ in 0..2 {
        store.add_due(std::slice::from_ref(&content), &plays).await.unwrap();
    }
    assert!(store.new_records(0, 10).await.unwrap()[0].is_due);
    assert_eq!(store.ended_unreported(200, 201).await.unwrap(), [100]);
    assert!(store.ended_unreported(201, 300).await.unwrap().is_empty());
    store.end_plays(std::slice::from_ref(&one.record)).await.unwrap();
    assert!(store.new_records(0, 10).await.unwrap().is_empty());
    store.mark_stale(&[20_261_122, 20_261_123, 20_261_123]).await.unwrap();
    let day = Day { number: 20_261_123, from_ms: 0, until_ms: 1_000 };
    for _ in 0..2 {
        store.count_day(day, 1_000).await.unwrap();
    }
    assert_eq!(store.stale_days(5).await.unwrap(), [20_261_122]);
    let (days, months) = ((20_261_101, 20_261_130), (202_601, 202_612));
    let totals = store.totals(months).await.unwrap();
    let told: Vec<_> =
        totals.iter().map(|t| (t.outcome.as_str(), t.plays, t.on_time, t.requested_ms, t.heard_ms)).collect();
    assert_eq!(BTreeSet::from_iter(told), BTreeSet::from([("played", 1, 1, 80, 10), ("unreported", 1, 0, 80, 0)]));
    assert_eq!((totals[0].field, totals[0].language.as_str()), (Field::Other, "und"), "of a bulletin that is gone");
    let series = store.series(days).await.unwrap();
    assert_eq!((series.len(), series[0].0, series[0].2.plays, series[0].2.complete), (1, 20_261_123, 2, 1));
    let speakers = store.speaker_totals(months).await.unwrap();
    assert_eq!((speakers.len(), speakers.iter().map(|one| one.silent).sum::<i64>()), (2, 1));
    assert_eq!(store.start_errors(months).await.unwrap(), [("24133".parse().unwrap(), 1, 1)]);
    assert_eq!(
        store.silent_days(days).await.unwrap(),
        [("gone".parse().unwrap(), "24133".parse().unwrap(), 20_261_123)]
    );
    assert_eq!(store.standing().await.unwrap().len(), 1);
    let filter = PlayFilter {
        until_ms: 1_000,
        areas: Some(vec!["24133".into()]),
        bulletin: Some("lost".into()),
        fields: vec!["other".into()],
        on_time: Some(true),
        after: Some((101, String::new(), String::new())),
        ..PlayFilter::default()
    };
    let plays = store.told_plays(&filter, 10).await.unwrap();
    assert_eq!((plays.len(), plays[0].record.as_ref()), (1, Some(&one.record)));
    let ids = ["a".parse().unwrap(), "b".parse().unwrap()];
    assert!(!store.plans_of(&ids, 0, i64::MAX).await.unwrap().is_empty());
    assert!(store.oldest_plan_ms().await.unwrap().is_some());
    assert_eq!(store.setting::<u32>("x").await.unwrap(), None);
    for value in [1u32, 2] {
        store.set_setting("x", &value, 5).await.unwrap();
    }
    assert_eq!(store.setting::<u32>("x").await.unwrap(), Some(2));
}

/// What of the records stands beside the speaker: the newest, however it comes in.
async fn newest_sounds(store: &Store) {
    let record = store.records(None, 0, 1000).await.unwrap()[0].record.clone();
    let sound = async || {
        let row = store.speaker(&"a".parse().unwrap()).await.unwrap();
        (row.proven.map(|(at_ms, _)| at_ms), row.last)
    };
    assert_eq!(sound().await, (Some(150), Some((150, Outcome::Played, None))));
    let at = |start_ms: i64, outcome, evidence, reason| PlaybackRecord {
        occurrence: OccurrenceId::new(&"s".parse().unwrap(), start_ms),
        start_ms,
        outcome,
        evidence,
        reason,
        ..record.clone()
    };
    let missed = Some(Reason::ContentMissing);
    let late = [
        at(170, Outcome::Missed, Evidence::Scheduled, missed),
        at(160, Outcome::Played, Evidence::HeardBack, None),
        at(140, Outcome::Played, Evidence::Sounded, None),
    ];
    store.add_records(&late, 700).await.unwrap();
    assert_eq!(sound().await, (Some(160), Some((170, Outcome::Missed, missed))));
    store.add_records(&[at(130, Outcome::Partial, Evidence::Sounded, None)], 800).await.unwrap();
    assert_eq!(sound().await, (Some(160), Some((170, Outcome::Missed, missed))));
    assert_eq!(store.failed_records(131, 10).await.unwrap(), [late[0].clone()]);
    assert_eq!(store.failed_records(0, 10).await.unwrap().len(), 2);
}

/// A PostgreSQL server of our own, on a port of its own.
struct Postgres {
    url: String,
    _process: Process,
    _dir: tempfile::TempDir,
}

impl Postgres {
    fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("loaxa-postgres").tempdir().unwrap();
        let data = dir.path().join("data");
        if is_root() {
            // PostgreSQL refuses to run as root; its package has made a user for it.
            let done = Command::new("chown").arg("postgres").arg(dir.path()).status().unwrap();
            assert!(done.success());
        }
        let initdb = as_postgres("initdb")
            .args(["--auth=trust", "--username=postgres", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", "-D"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(initdb.status.success(), "{}", String::from_utf8_lossy(&initdb.stderr));
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = as_postgres("postgres")
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-k"])
            .arg(dir.path())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let process = adopt(process);
        wait_for("PostgreSQL", 30, || {
            let ready = as_postgres("pg_isready").args(["-h", "127.0.0.1", "-p", &port.to_string()]).output().ok()?;
            ready.status.success().then_some(())
        });
        Self { url: format!("postgres://postgres@127.0.0.1:{port}/postgres"), _process: process, _dir: dir }
    }
}

fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0
}

/// One of PostgreSQL's programs, run as a user it accepts.
fn as_postgres(program: &str) -> Command {
    let found = std::fs::read_dir("/usr/lib/postgresql")
        .expect("PostgreSQL is installed; its Debian package is postgresql")
        .flatten()
        .map(|version| version.path().join("bin").join(program))
        .find(|path: &PathBuf| Path::new(path).is_file())
        .expect("PostgreSQL's programs");
    if is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(found);
        command.current_dir("/");
        command
    } else {
        Command::new(found)
    }
}
