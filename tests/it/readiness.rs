//! Who is ready, hours before: as the content arrives, and for boards that are no longer there.

use serde_json::Value;

use crate::delivery::slow_delivery;
use crate::harness::{Center, Pole, wait_for};
use crate::people::{Browser, add_user};

/// What is said of the play of a schedule.
fn readiness(center: &Center, schedule: &str) -> Value {
    let outlook = center.json(["plan", "ready", "--hours", "2"]);
    let plays = outlook["plays"].as_array().unwrap().clone();
    plays.into_iter().find(|play| play["schedule"] == schedule).unwrap_or_default()
}

fn wait_waiting(center: &Center, reason: &str, speakers: u64) -> Value {
    wait_for(&format!("{speakers} speakers with {reason}"), 30, || {
        let play = readiness(center, "later");
        let waiting =
            play["waiting"].as_array()?.iter().any(|one| one["reason"] == reason && one["speakers"] == speakers);
        waiting.then_some(play)
    })
}

fn wait_ready(center: &Center, speakers: u64) -> Value {
    wait_for(&format!("{speakers} speakers ready"), 60, || {
        Some(readiness(center, "later")).filter(|play| play["ready"] == speakers)
    })
}

#[test]
fn speakers_become_ready_as_the_content_comes_and_stay_so_off_line() {
    let (mut center, _mosquitto, _counter, mut poles) = slow_delivery(100);
    let play = wait_waiting(&center, "never_heard", 2);
    assert_eq!((&play["speakers"], &play["ready"], &play["warning"]), (&2.into(), &0.into(), &"soon".into()), "{play}");
    assert_eq!(play["missing_bytes"], 0, "nobody has said what is missing: {play}");
    poles.iter_mut().for_each(Pole::start);
    let play = wait_waiting(&center, "content_missing", 2);
    let bytes = center.json(["bulletin", "show", "long"])["revisions"][0]["sound"]["bytes"].clone();
    assert_eq!((&play["ready"], &play["missing_bytes"]), (&0.into(), &bytes), "what both want counts once: {play}");
    assert_eq!((&play["not_ready"][1]["speaker"], &play["not_ready"][1]["missing_bytes"]), (&"b".into(), &bytes));
    let play = wait_ready(&center, 2);
    assert_eq!((&play["waiting"], &play["warning"]), (&Value::Array(vec![]), &"none".into()), "{play}");
    assert!(center.cli(["plan", "ready"]).contains("  later   2 of 2 speakers ready\n"));
    // The disk of a board that is away keeps what it had, also while newer plans say the same.
    poles[0].stop();
    wait_for("one off line", 30, || Some(readiness(&center, "later")).filter(|play| play["ready_offline"] == 1));
    center.schedule_once("other", &["long"], 5_400_000, &["66"]);
    let play = wait_for("the newer plan", 30, || {
        let (a, b) = (center.speaker("a"), center.speaker("b"));
        let behind = a["plan"]["sent"].as_u64() > a["plan"]["accepted"].as_u64();
        (behind && b["plan"]["sent"] == b["plan"]["accepted"]).then(|| readiness(&center, "later"))
    });
    assert_eq!((&play["ready"], &play["ready_offline"]), (&2.into(), &1.into()), "{play}");
    let other = readiness(&center, "other");
    assert_eq!((&other["ready"], &other["waiting"][0]["reason"]), (&1.into(), &"plan_on_its_way".into()), "{other}");
    assert_eq!((&other["not_ready"][0]["speaker"], &other["not_ready"][0]["online"]), (&"a".into(), &false.into()));
    // Without a server the same is known from the store.
    center.stop();
    assert_eq!(readiness(&center, "later")["ready"], 2);
}

#[test]
fn a_speaker_that_left_before_its_content_came_is_named_and_warned_of() {
    let (mut center, _mosquitto, _counter, mut poles) = slow_delivery(10);
    poles[0].start();
    wait_waiting(&center, "content_missing", 1);
    poles[0].stop();
    let play = wait_for("a off line", 30, || {
        Some(readiness(&center, "later")).filter(|play| play["not_ready"][0]["online"] == false)
    });
    let a = &play["not_ready"][0];
    assert_eq!(
        (&a["speaker"], &a["reason"], &play["warning"]),
        (&"a".into(), &"content_missing".into(), &"soon".into())
    );
    assert!(a["missing_bytes"].as_u64() > Some(500_000) && a["since_ms"].is_i64(), "{play}");
    let told = center.cli(["plan", "ready"]);
    assert!(told.contains("  later   0 of 2 speakers ready; 1 waits for content (0."), "{told}");
    assert!(told.contains(" MB), 1 never heard — time runs short"), "{told}");
    assert_eq!(center.cli(["plan", "ready", "--area", "24169"]), "no plays in this time\n");
    // Who is shut out on purpose is not waited for.
    center.cli(["speaker", "disable", "a"]);
    center.cli(["speaker", "disable", "b"]);
    let play = wait_waiting(&center, "disabled", 2);
    assert_eq!((&play["ready"], &play["warning"]), (&0.into(), &"none".into()), "{play}");
    center.cli(["speaker", "enable", "a"]);
    // Twelve minutes before, one line in the log says so.
    center.schedule_once("near", &["long"], 720_000, &["66"]);
    assert_eq!(readiness(&center, "near")["warning"], "late");
    center.stop();
    center.start();
    wait_for("the line in the log", 60, || {
        center
            .log()
            .contains("“near” at ")
            .then(|| assert!(center.log().contains(": 0 of 2 speakers ready; "), "{}", center.log()))
    });
}

#[test]
fn everybody_is_told_of_their_own_speakers() {
    let mut center = Center::new();
    center.furnish();
    center.start();
    center.approved("tune", "nhac-hieu.wav");
    for (id, area) in [("a", "24133"), ("b", "24169")] {
        center.cli(["speaker", "add", id, "--title", id, "--area", area]);
    }
    center.schedule_once("later", &["tune"], 3_600_000, &["66"]);
    add_user(&center, "xem", "viewer@24133");
    let viewer = Browser::signed_in(&center, 4, "xem");
    let play = wait_for("the play", 30, || {
        let play = viewer.get("/readiness").expect(200).json()["plays"][0].clone();
        play.is_object().then_some(play)
    });
    assert_eq!((&play["speakers"], &play["not_ready"][0]["speaker"]), (&1.into(), &"a".into()), "{play}");
    let local = Browser::with_token(&center, &center.token());
    assert_eq!(local.get("/readiness?area=66").expect(200).json()["plays"][0]["speakers"], 2);
    assert_eq!(local.get("/readiness?area=24169").expect(200).json()["plays"][0]["not_ready"][0]["speaker"], "b");
    viewer.get("/readiness?area=24169").expect(403);
    viewer.get("/readiness?area=24133&hours=1000").expect(200);
    local.get("/readiness?area=nowhere").expect(400);
    local.get("/readiness?hours=x").expect(400);
}
