//! Disks that are full, and files that are not what was written: both programs go on, say so, and lose nothing.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::delivery::{chunks_of, slow_delivery};
use crate::harness::{Center, Pole, Sound, decoded, playlists, run, wait_for};

const DAC: Sound = Sound::Dac { ppm: 0.0 };
const DISK: &str = "LOAXA_SMALL_DISK";

/// A disk of 8 MiB for this test, which runs once more for it in a mount namespace of its own, so that nothing is left behind; `None`
/// out there, and where the system permits no such thing.
fn small_disk(test: &str) -> Option<PathBuf> {
    if let Some(dir) = std::env::var_os(DISK) {
        return Some(dir.into());
    }
    let dir = tempfile::tempdir().unwrap();
    let in_namespace = |how: &str, script: &str| {
        let mut command = Command::new("unshare");
        command.args([how, "sh", "-c", script]).arg(std::env::current_exe().unwrap()).env(DISK, dir.path());
        command
    };
    let mount = format!("mount -t tmpfs -o size=8m tmpfs \"${DISK}\"");
    // As root without a user namespace: in one of those the sound has no real-time priority.
    let works = |how: &&&str| in_namespace(how, &mount).output().is_ok_and(|output| output.status.success());
    let Some(how) = ["-m", "-rm"].iter().find(works) else {
        eprintln!(
            "\n*** SKIPPED {test}: this system permits no mount namespace (unshare -rm), so no disk can be full ***\n"
        );
        return None;
    };
    let again = format!("{mount} && exec \"$0\" --exact disks::{test} --nocapture");
    let output = in_namespace(how, &again).output().unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
    None
}

/// Takes all the room that is left; the file, removed, gives it back.
fn fill(disk: &Path) -> PathBuf {
    let path = disk.join("filler");
    let mut file = std::fs::File::create(&path).unwrap();
    let block = vec![7; 4096];
    while file.write_all(&block).is_ok() {}
    path
}

fn plays_of(center: &Center, schedule: &str) -> Vec<serde_json::Value> {
    center.plays().into_iter().filter(|play| play["schedule"] == schedule).collect()
}

#[test]
fn a_board_whose_disk_is_full_plays_on_tells_it_and_recovers() {
    let Some(disk) = small_disk("a_board_whose_disk_is_full_plays_on_tells_it_and_recovers") else { return };
    let mut center = Center::plain();
    center.start();
    center.furnish();
    center.approved("dengue", "sot-xuat-huyet.mp3");
    center.approved("water", "cat-nuoc.opus");
    let mut pole = Pole::add(&center, "a", "A", "24133", DAC);
    let store = disk.join("store");
    pole.environment.push(("LOAXA_STORE__DIR".into(), store.display().to_string()));
    pole.start();
    center.schedule_once("one", &["dengue"], 12_000, &["66"]);
    center.wait_ready("a");

    let filler = fill(&disk);
    center.schedule_once("two", &["water"], 3_600_000, &["66"]);
    let problem = || center.speaker("a")["store_problem"].as_str().map(str::to_owned);
    let told = wait_for("the board to say so", 30, problem);
    assert_eq!(told, "No space left on device (os error 28)");
    assert!(center.cli(["speaker", "list"]).contains("a can keep nothing on its disk"));
    // What it has it plays, and tells of it.
    let play = center.play("a", "one", 60);
    // Where there is no real-time priority a busy machine may lose a moment of it, which is not the disk's doing.
    let sounded = |play: &serde_json::Value| play["evidence"] == "sounded" && play["heard_ms"].as_i64() > Some(8_000);
    assert!(sounded(&play), "{play}\n{}", pole.log());
    // A restart changes nothing about that.
    pole.kill();
    pole.start();
    wait_for("the board to be back and to say so again", 40, || {
        let row = center.speaker("a");
        (row["link"]["state"] == "online" && row["store_problem"].is_string()).then_some(())
    });

    std::fs::remove_file(filler).unwrap();
    pole.wait_log("the store can be written again", 40);
    center.wait_ready("a");
    wait_for("the center to hear it", 20, || problem().is_none().then_some(()));
    let number = center.speaker("a")["plan"]["accepted"].as_u64().unwrap();
    let kept = std::fs::read_to_string(store.join("state.json")).unwrap();
    assert!(kept.contains(&number.to_string()), "plan {number} is kept: {kept}");
    let media = std::fs::read_dir(store.join("media")).unwrap().flatten();
    let names: Vec<_> = media.map(|entry| entry.file_name().into_string().unwrap()).collect();
    assert!(names.len() == 2 && names.iter().all(|name| name.ends_with(".opus")), "{names:?}");
    let one = plays_of(&center, "one");
    assert!(one.len() == 1 && one[0] == play, "{one:?}");
    pole.stop();
    let source = decoded(&playlists().join("audio/sot-xuat-huyet.mp3"));
    let sounding = pole.heard().sounding();
    assert!(sounding < source.len() + 24_000, "it was heard once: {sounding} frames");
}

#[test]
fn old_media_stays_until_its_room_is_wanted() {
    let Some(disk) = small_disk("old_media_stays_until_its_room_is_wanted") else { return };
    let mut center = Center::plain();
    center.start();
    center.furnish();
    center.approved("dengue", "sot-xuat-huyet.mp3");
    center.approved("water", "cat-nuoc.opus");
    let mut pole = Pole::add(&center, "a", "A", "24133", DAC);
    let store = disk.join("store");
    pole.environment.push(("LOAXA_STORE__DIR".into(), store.display().to_string()));
    pole.start();
    center.schedule_once("one", &["dengue"], 3_600_000, &["66"]);
    center.wait_ready("a");
    let hash =
        center.json(["bulletin", "show", "dengue"])["revisions"][0]["sound"]["media"].as_str().unwrap().to_owned();
    let dengue = store.join("media").join(format!("{hash}.opus"));
    center.cli(["schedule", "remove", "one"]);
    center.wait_ready("a");
    assert!(dengue.is_file(), "it may be wanted again");
    std::fs::rename(fill(&disk), store.join("media").join(format!("{}.opus", "0".repeat(64)))).unwrap();
    center.schedule_once("two", &["water"], 3_600_000, &["66"]);
    wait_for("what is needed now", 40, || {
        let content = &center.speaker("a")["content"];
        (content["ready"] == 1 && content["wanted"] == 1).then_some(())
    });
    assert!(!dengue.exists() && center.speaker("a")["store_problem"].is_null());
    assert!(!pole.log().contains("cannot be written"), "{}", pole.log());
    pole.stop();
}

#[test]
fn a_start_on_a_full_disk_loses_nothing_that_is_needed() {
    let Some(disk) = small_disk("a_start_on_a_full_disk_loses_nothing_that_is_needed") else { return };
    let mut center = Center::plain();
    center.start();
    center.furnish();
    center.approved("water", "cat-nuoc.opus");
    let mut pole = Pole::add(&center, "a", "A", "24133", DAC);
    let store = disk.join("store");
    pole.environment.push(("LOAXA_STORE__DIR".into(), store.display().to_string()));
    pole.start();
    center.schedule_once("one", &["water"], 30_000, &["66"]);
    center.wait_ready("a");
    wait_for("the clock to be kept", 30, || store.join("clock.json").is_file().then_some(()));
    pole.kill();
    // Nobody is there to send it again.
    center.kill();
    fill(&disk);
    pole.start();
    pole.wait_log("one@", 60);
    pole.wait_log("Played", 60);
    let media: Vec<_> = std::fs::read_dir(store.join("media")).unwrap().flatten().collect();
    assert_eq!(media.len(), 1, "{media:?}");
    pole.stop();
    assert!(pole.heard().find(&decoded(&playlists().join("audio/cat-nuoc.opus"))).unwrap().1 > 0.9);
}

#[test]
fn a_board_whose_card_became_read_only_starts_and_plays_on() {
    let Some(disk) = small_disk("a_board_whose_card_became_read_only_starts_and_plays_on") else { return };
    let mut center = Center::plain();
    center.start();
    center.furnish();
    center.approved("water", "cat-nuoc.opus");
    let mut pole = Pole::add(&center, "a", "A", "24133", DAC);
    pole.environment.push(("LOAXA_STORE__DIR".into(), disk.join("store").display().to_string()));
    pole.start();
    center.schedule_once("one", &["water"], 10_000, &["66"]);
    center.wait_ready("a");
    pole.kill();
    let remount = |how: &str| run(Command::new("mount").args(["-o", how]).arg(&disk)).status.success();
    assert!(remount("remount,ro"));
    pole.start();
    let problem = || center.speaker("a")["store_problem"].as_str().map(str::to_owned);
    let told = wait_for("the board to say so", 30, problem);
    assert!(told.contains("Read-only file system"), "{told}");
    assert_eq!(center.play("a", "one", 60)["evidence"], "sounded", "{}", pole.log());
    assert!(remount("remount,rw"));
    pole.wait_log("the store can be written again", 40);
    wait_for("the center to hear it", 20, || problem().is_none().then_some(()));
}

#[test]
fn a_center_whose_disk_is_full_refuses_in_plain_words_and_loses_no_record() {
    let Some(disk) = small_disk("a_center_whose_disk_is_full_refuses_in_plain_words_and_loses_no_record") else {
        return;
    };
    let mut center = Center::new();
    let data = center.data();
    let moved = format!("cp -a '{0}/.' '{1}' && rm -r '{0}' && ln -s '{1}' '{0}'", data.display(), disk.display());
    assert!(run(Command::new("sh").args(["-c", &moved])).status.success());
    center.start();
    center.furnish();
    center.approved("dengue", "sot-xuat-huyet.mp3");
    let mut pole = Pole::add(&center, "a", "A", "24133", DAC);
    pole.start();
    center.schedule_once("one", &["dengue"], 15_000, &["66"]);
    center.wait_ready("a");
    // Room that the write-ahead log has already is room too.
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        use sqlx::Connection as _;
        sqlx::any::install_default_drivers();
        let url = format!("sqlite://{}", data.join("center.db").display());
        let mut database = sqlx::AnyConnection::connect(&url).await.unwrap();
        sqlx::query("pragma wal_checkpoint(truncate)").execute(&mut database).await.unwrap();
    });
    let filler = fill(&disk);
    let file = playlists().join("audio/tiem-chung.flac");
    let add = [
        "bulletin",
        "add",
        file.to_str().unwrap(),
        "--id",
        "late",
        "--title",
        "x",
        "--language",
        "vie",
        "--area",
        "66",
    ];
    let told = center.cli_fails(add);
    assert!(told.contains("disk is full") && told.contains("nothing was taken"), "{told}");
    assert!(center.json(["bulletin", "list"])["items"].as_array().is_none_or(|list| list.len() == 1));

    // It sounds all the same. What the center cannot store it does not acknowledge; SQLite may find room again in its own log.
    pole.wait_log("Played", 60);
    let outbox = || {
        let plays = std::fs::read_dir(pole.store().join("plays")).unwrap().flatten();
        plays.map(|play| std::fs::read_to_string(play.path()).unwrap_or_default()).collect::<String>()
    };
    wait_for("the center to try to store something", 90, || {
        let log = center.log();
        (log.contains("cannot be stored") || log.contains("trying once more")).then_some(())
    });
    if outbox().contains("\"acknowledged\":true") {
        assert_eq!(plays_of(&center, "one")[0]["outcome"], "played", "acknowledged, and not stored");
    }

    std::fs::remove_file(filler).unwrap();
    let play = center.play("a", "one", 60);
    assert_eq!(play["outcome"], "played", "{play}");
    wait_for("the acknowledgement", 30, || outbox().contains("\"acknowledged\":true").then_some(()));
    assert_eq!(plays_of(&center, "one").len(), 1);
    center.cli(add);
    center.cli(["verify"]);
}

#[test]
fn a_conversion_without_room_is_not_the_recordings_fault() {
    let Some(disk) = small_disk("a_conversion_without_room_is_not_the_recordings_fault") else { return };
    let upload = disk.join("upload");
    std::fs::copy(playlists().join("audio/tiem-chung.flac"), &upload).unwrap();
    let filler = fill(&disk);
    let convert = || {
        let mut command = Command::new(crate::harness::binary("loaxa"));
        run(command.args(["convert-upload", "--longest-minutes", "10", "--"]).args([&upload, &disk.join("out")]))
    };
    let told = String::from_utf8(convert().stdout).unwrap();
    let last = told.lines().last().unwrap_or_default();
    assert!(last.contains("failed") && last.contains("No space left"), "{told}");
    std::fs::remove_file(filler).unwrap();
    let told = String::from_utf8(convert().stdout).unwrap();
    assert!(told.lines().last().unwrap_or_default().contains("done"), "{told}");
}

/// What can become of a file.
fn damages(good: &[u8]) -> [(&'static str, Vec<u8>); 3] {
    let mut garbled = good.to_vec();
    let middle = garbled.len() / 2;
    garbled[middle..(middle + 20).min(good.len())].fill(0xff);
    [("cut in half", good[..good.len() / 2].to_vec()), ("emptied", vec![]), ("garbled", garbled)]
}

#[test]
fn a_board_with_a_damaged_store_says_so_fetches_again_and_plays_nothing_wrong() {
    let mut center = Center::plain();
    center.start();
    center.furnish();
    center.approved("dengue", "sot-xuat-huyet.mp3");
    center.approved("water", "cat-nuoc.opus");
    let mut pole = Pole::add(&center, "a", "A", "24133", DAC);
    pole.start();
    center.schedule_once("one", &["water"], 8_000, &["66"]);
    center.schedule_once("later", &["dengue"], 3_600_000, &["66"]);
    center.wait_ready("a");
    assert_eq!(center.play("a", "one", 60)["outcome"], "played");
    wait_for("the clock to be kept", 30, || pole.store().join("clock.json").is_file().then_some(()));
    let only = |dir: &str| {
        let mut files = std::fs::read_dir(pole.store().join(dir)).unwrap().flatten().map(|entry| entry.path());
        let file = files.find(|path| path.extension().is_some_and(|end| end == "json" || end == "opus")).unwrap();
        file.strip_prefix(pole.store()).unwrap().to_owned()
    };
    let (play, media) = (only("plays"), only("media"));
    let good_media = std::fs::read(pole.store().join(&media)).unwrap();
    let files = [
        (Path::new("plan.json"), "the stored plan is not used"),
        (Path::new("state.json"), "set aside"),
        (Path::new("clock.json"), "set aside"),
        (&play, "set aside"),
    ];
    for (file, words) in files {
        for what in 0..3 {
            pole.kill();
            let path = pole.store().join(file);
            let good = std::fs::read(&path).unwrap();
            let (how, bad) = damages(&good)[what].clone();
            std::fs::write(&path, bad).unwrap();
            let told = pole.log().matches(words).count();
            pole.start();
            wait_for(&format!("{} {how} to be told\n{}", file.display(), pole.log()), 20, || {
                (pole.log().matches(words).count() > told).then_some(())
            });
            center.wait_ready("a");
            if file == play {
                // The center has the record; the board's own account of it was worth keeping and is gone.
                std::fs::write(&path, &good).unwrap();
            } else {
                wait_for(&format!("{} to be there again", file.display()), 30, || path.is_file().then_some(()));
            }
        }
    }
    // A media file of the wrong length is found at the start; one of the right length is hashed before it plays (hostile.rs).
    for (how, bad) in &damages(&good_media)[..2] {
        pole.kill();
        std::fs::write(pole.store().join(&media), bad).unwrap();
        pole.start();
        wait_for(&format!("the file, {how}, to be fetched again"), 40, || {
            (std::fs::read(pole.store().join(&media)).ok()? == good_media).then_some(())
        });
        center.wait_ready("a");
    }
    let one = plays_of(&center, "one");
    assert_eq!((one.len(), &one[0]["outcome"]), (1, &"played".into()), "{one:?}");
    pole.stop();
    let source = decoded(&playlists().join("audio/cat-nuoc.opus"));
    let sounding = pole.heard().sounding();
    assert!(sounding < source.len() + 24_000, "it was heard once: {sounding} frames");
}

#[test]
fn a_half_arrived_file_that_was_damaged_is_completed_from_what_is_good() {
    let (center, _mosquitto, counter, mut poles) = slow_delivery(250);
    let sound = center.json(["bulletin", "show", "long"])["revisions"][0]["sound"].clone();
    let hash = sound["media"].as_str().unwrap();
    let good = std::fs::read(center.data().join("media").join(format!("{hash}.opus"))).unwrap();
    let part = poles[0].store().join("media").join(format!("{hash}.part"));
    poles[0].start();
    wait_for("four chunks", 40, || part.metadata().is_ok_and(|meta| meta.len() >= 4 * 65_536).then_some(()));
    poles[0].kill();
    let mut bytes = std::fs::read(&part).unwrap();
    bytes[70_000] ^= 1;
    bytes.truncate(3 * 65_536 + 100);
    // And longer than it should be: what is beyond the end is nobody's.
    bytes.resize(good.len() + 5_000, 0x55);
    std::fs::write(&part, &bytes).unwrap();
    poles[0].start();
    center.wait_ready("a");
    let whole = part.with_extension("opus");
    assert_eq!(std::fs::read(whole).unwrap(), good);
    assert!(counter.count() < 4 * chunks_of(&center), "{} chunks sent", counter.count());
}

#[test]
fn a_center_with_a_damaged_database_says_so_in_one_line() {
    let center = Center::new();
    center.furnish();
    let path = center.data().join("center.db");
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(center.data().join(format!("center.db{end}")));
    }
    let good = std::fs::read(&path).unwrap();
    for (how, bad) in [("no database", b"not a database at all".repeat(500)), ("cut", good[..good.len() / 3].to_vec())]
    {
        std::fs::write(&path, bad).unwrap();
        for command in [&["serve"][..], &["speaker", "list"], &["verify"]] {
            let told = center.cli_fails(command);
            assert!(told.contains("center.db") && told.contains("copy"), "{how}, {command:?}: {told}");
        }
    }
    std::fs::write(&path, good).unwrap();
    center.cli(["speaker", "list"]);
}
