//! The tree of units through the command line: official lists, mergers, and a real board that follows its unit without being enrolled anew.

use serde_json::Value;

use crate::harness::{Center, Pole, Sound, playlists, wait_for};

/// Writes a list of units beside the center's data.
fn written(center: &Center, name: &str, text: &str) -> String {
    let path = center.dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn area(center: &Center, code: &str) -> Value {
    let all = center.json(["area", "list"]);
    all.as_array().unwrap().iter().find(|area| area["code"] == code).cloned().unwrap_or(Value::Null)
}

/// The end of what a command says that fails.
fn refused(center: &Center, arguments: &[&str]) -> String {
    let output = center.command().args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "loaxa {arguments:?} should fail");
    String::from_utf8(output.stderr).unwrap().lines().last().unwrap_or_default().to_owned()
}

#[test]
fn an_official_list_comes_in_whole_or_not_at_all() {
    let center = Center::new();
    let rows: String = (0..3_321).map(|n| format!("{:02};Tỉnh {:02};{n};Xã {n}\r\n", n % 34 + 1, n % 34 + 1)).collect();
    let list = written(&center, "list.csv", &format!("\u{feff}Mã tỉnh;Tên tỉnh;Mã xã;Tên xã\r\n{rows}"));
    let seen = center.json(["area", "import", &list, "--dry-run"]);
    assert_eq!((seen["counts"]["new"].as_u64(), seen["applied"].as_bool()), (Some(3_355), Some(false)));
    assert_eq!(area(&center, "00007"), Value::Null);
    let one = center.json(["area", "import", &list, "--province", "08", "--dry-run"]);
    assert_eq!(one["counts"]["new"], 99);
    center.json(["area", "import", &list]);
    assert_eq!(
        (area(&center, "00007")["title"].as_str(), area(&center, "00007")["parent"].as_str()),
        (Some("Xã 7"), Some("08"))
    );
    let again = center.json(["area", "import", &list]);
    assert_eq!((again["counts"]["new"].as_u64(), again["counts"]["same"].as_u64()), (Some(0), Some(3_355)));
    // One faulty line, and nothing of the rest is taken.
    let faulty = written(&center, "faulty.csv", "code,name,parent\n00007,Xã Bảy,08\n00008,,08\n");
    let told = refused(&center, &["area", "import", &faulty]);
    assert!(told.contains("nothing was changed"), "{told}");
    assert_eq!(area(&center, "00007")["title"], "Xã 7");
    center.cli(["area", "edit", "00007", "--title", "Xã Bảy"]);
    assert_eq!(area(&center, "00007")["title"], "Xã Bảy");
}

#[test]
fn a_board_follows_its_unit_into_another_without_being_enrolled_anew() {
    let mut center = Center::new();
    center.furnish();
    center.cli(["area", "add", "24999", "--title", "Phường Mới", "--parent", "66"]);
    center.approved("dengue", "nhac-hieu.wav");
    let signed = center.dir.path().join("signed.json");
    center.start();
    let mut pole = Pole::add(&center, "a", "Cụm loa A", "24133", Sound::Dac { ppm: 0.0 });
    pole.start();
    center.schedule_once("before", &["dengue"], 8_000, &["24133"]);
    assert_eq!(center.play("a", "before", 60)["outcome"], "played");
    let identity = std::fs::read(pole.identity().join("identity.json")).unwrap();

    // It is shown, refused without the code, and told of nothing that is not so.
    let seen = center.json(["area", "merge", "24133", "--into", "24999", "--dry-run"]);
    assert_eq!((seen["speakers"]["count"].as_u64(), &seen["in_the_way"]), (Some(1), &serde_json::json!([])));
    assert_eq!(seen["speakers"]["first"][0]["after"], serde_json::json!(["66", "24999", "24133"]));
    assert_eq!(seen["schedules"]["first"][0]["id"], "before");
    let told = refused(&center, &["area", "merge", "24133", "--into", "24999", "--confirm", "24133"]);
    assert!(told.contains("24999"), "{told}");
    let told = refused(&center, &["area", "edit", "24133", "--parent", "24999"]);
    assert!(told.contains("area merge"), "{told}");
    // Signed on a machine of its own, by request; brought in by itself it would part the board from the tree.
    let request = center.dir.path().join("request.json");
    let [request, signed] = [request, signed].map(|path| path.to_str().unwrap().to_owned());
    center.cli(["area", "merge", "24133", "--into", "24999", "--request-out", &request]);
    let key = center.data().join("authority.key");
    center.cli(["authority", "sign", &request, "--key", key.to_str().unwrap(), "--out", &signed, "--yes"]);
    let told = refused(&center, &["authority", "apply", &signed]);
    assert!(told.contains("area merge"), "{told}");
    center.cli(["area", "merge", "24133", "--into", "24999", "--signed", &signed, "--confirm", "24999"]);

    let old = area(&center, "24133");
    assert_eq!((old["replaced_by"].as_str(), old["parent"].as_str()), (Some("24999"), Some("24999")));
    assert!(old["valid_to"].is_string());
    pole.wait_log("stands in 66 / 24999 / 24133 now", 20);
    // What is aimed at the new unit sounds, by what was approved for the province; and what was approved for the old one alone, too.
    let audio = playlists().join("audio/nhac-hieu.wav");
    center.cli([
        "bulletin",
        "add",
        audio.to_str().unwrap(),
        "--id",
        "own",
        "--title",
        "Tin",
        "--language",
        "vie",
        "--area",
        "24133",
    ]);
    center.approve("own");
    center.schedule_once("after", &["dengue", "own"], 8_000, &["24999"]);
    let play = center.play("a", "after", 60);
    assert_eq!((play["outcome"].as_str(), play["reason"].as_str()), (Some("played"), None), "{play}");
    assert_eq!(std::fs::read(pole.identity().join("identity.json")).unwrap(), identity, "nothing was enrolled anew");
    // A command to the new unit reaches it.
    center.cli(["command", "volume", "24999", "--db", "-6"]);
    pole.wait_log("told to play -6 dB", 20);
    // History shows both, and the list goes on with what was said.
    let names: Vec<String> =
        center.plays().iter().map(|play| play["schedule"].as_str().unwrap_or_default().to_owned()).collect();
    assert!(names.iter().any(|name| name == "before") && names.iter().any(|name| name == "after"), "{names:?}");
    center.cli(["authority", "renew"]);
    let list = center.json(["authority", "status"])["list"].clone();
    assert_eq!(list["moved"][0]["areas"], serde_json::json!(["24133"]));
    // A board that comes later is told the place of now.
    let late = Pole::add(&center, "b", "Cụm loa B", "24133", Sound::Dac { ppm: 0.0 });
    let pinned = std::fs::read_to_string(late.identity().join("identity.json")).unwrap();
    let pinned: Value = serde_json::from_str(&pinned).unwrap();
    assert_eq!(pinned["identity"]["areas"], serde_json::json!(["66", "24999", "24133"]));
    wait_for("no refusal", 5, || center.speaker("a")["plan"]["refused"].is_null().then_some(()));
}
