//! A simulated fleet at a real center: it goes the whole way over good and bad links, and says what it saw.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use loaxa::center::client::Client;
use loaxa::simulate::counters::Timed;
use loaxa::simulate::fleet::{Flap, Fleet, Settings};
use loaxa::simulate::join::{Join, join};
use loaxa::simulate::linkmodel::LinkModel;
use serde_json::Value;

use crate::harness::{Center, adopt, binary, run, wait_for};

const BOARDS: usize = 20;
const LONG: Duration = Duration::from_secs(60);

/// `loaxa simulate` without a center at hand.
fn simulate(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(binary("loaxa"));
    for name in ["LOAXA_CENTER", "LOAXA_TOKEN", "LOAXA_CA", "LOAXA_DATA"] {
        command.env_remove(name);
    }
    let output = run(command.arg("simulate").args(arguments));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

async fn fleet(center: &Center, dir: &Path, boards: usize, link: LinkModel) -> Fleet {
    let ca = center.data().join("tls/ca.pem");
    let client = Client::connect(&center.http, &center.token(), Some(&ca)).unwrap();
    let mut joining = Join::new(dir.to_owned(), boards, "24133");
    joining.mqtt = Some(center.mqtt.clone());
    let members = join(Arc::new(client), joining, |_| ()).await.unwrap();
    Fleet::start(members, Settings { link, ..Settings::new(dir.to_owned()) }).unwrap()
}

/// Connects, gets a bulletin of some chunks, plays it and reports; the sound is real, so it takes its nine seconds.
async fn goes_the_whole_way(link: LinkModel, at_least_lost: u64) {
    let mut center = Center::new();
    center.start();
    center.furnish();
    center.approved("nuoc", "cat-nuoc.opus");
    let dir = tempfile::tempdir().unwrap();
    let all = BOARDS as u64;
    let fleet = fleet(&center, dir.path(), BOARDS, link).await;
    fleet.wait("all to connect", LONG, |now| now.ever_connected == all).await.unwrap();
    fleet.wait("plans", LONG, |now| now.with_plan == all).await.unwrap();
    let start_ms = center.schedule_once("cat-nuoc", &["nuoc"], 12_000, &["24133"]);
    fleet.wait("the content", LONG, |now| now.whole_boards == all).await.unwrap();
    fleet.wait("the records", LONG, |now| now.records_acknowledged == all).await.unwrap();
    let (now, counters) = (fleet.now(), fleet.counters().clone());
    assert!(now.chunk_bytes >= now.needed_bytes && now.needed_bytes > 0, "{now:?}");
    assert_eq!((now.records_made, now.store_failures), (all, 0));
    assert!(now.losses >= at_least_lost && counters.samples(Timed::Content).len() >= BOARDS, "{now:?}");
    assert!(now.lowest_plan > 0 && counters.plan_of(0) > 0);
    fleet.stop().await;
    let plays = center.plays();
    let mine = plays.iter().filter(|play| play["schedule"] == "cat-nuoc").collect::<Vec<_>>();
    assert_eq!(mine.len(), BOARDS);
    for play in mine {
        let outcome = play["outcome"].as_str().unwrap();
        assert!(["played", "late"].contains(&outcome), "started at {start_ms}: {play}");
        assert_eq!(play["evidence"], "content_ready", "no sound is claimed: {play}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_on_a_good_network_goes_the_whole_way() {
    goes_the_whole_way(LinkModel::LAN, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_on_a_bad_link_gets_there_too() {
    // The flaky link with its losses forty times as often and as short, so that a test sees many.
    let link = LinkModel { loss_every_s: 3.0, outage_s: (0.1, 0.7), ..LinkModel::FLAKY };
    goes_the_whole_way(link, 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn some_boards_flap_when_told_and_all_say_goodbye() {
    let mut center = Center::plain();
    center.start();
    center.furnish();
    let dir = tempfile::tempdir().unwrap();
    let fleet = fleet(&center, dir.path(), 10, LinkModel::LAN).await;
    fleet.wait("all to connect", LONG, |now| now.connected == 10).await.unwrap();
    fleet.flap(Some(Flap { fraction: 0.5, every_s: 0.5, outage_s: (0.05, 0.1) }));
    fleet.wait("losses", LONG, |now| now.losses >= 10).await.unwrap();
    fleet.flap(None);
    fleet.wait("all to be back", LONG, |now| now.connected == 10).await.unwrap();
    let error = fleet.wait("the moon", Duration::ZERO, |_| false).await.unwrap_err();
    assert!(error.contains("the moon") && error.contains("of 10 speakers 10 are connected"), "{error}");
    // A second fleet would be the same boards twice.
    let ca = center.data().join("tls/ca.pem");
    let client = Client::connect(&center.http, &center.token(), Some(&ca)).unwrap();
    let known = join(Arc::new(client), Join::new(dir.path().to_owned(), 10, "24133"), |_| ()).await.unwrap();
    assert!(Fleet::start(known, Settings::new(dir.path().to_owned())).is_err());
    let counters = fleet.stop().await;
    assert_eq!(counters.now().connected, 0);
}

#[test]
fn without_a_center_it_makes_its_own_and_reports() {
    let dir = tempfile::tempdir().unwrap();
    let plot = dir.path().join("curves.svg");
    let plot = plot.to_str().unwrap();
    let (code, out, error) =
        simulate(&["--speakers", "3", "--plain", "--bulletin-kb", "150", "--plot", plot, "--json"]);
    assert_eq!(code, Some(0), "{error}");
    assert!(error.contains("delivering plans and content"), "{error}");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&report["speakers"], &report["ended"], &report["whole_boards"]),
        (&3.into(), &"done".into(), &3.into())
    );
    assert_eq!(report["link"], "lan");
    for key in ["connect", "plan", "content"] {
        assert_eq!(report[key]["count"], 3, "{key}: {report}");
        assert!(report[key]["p50_ms"].as_f64().unwrap() <= report[key]["max_ms"].as_f64().unwrap());
    }
    let bytes = report["center"]["bulletin_bytes"].as_u64().unwrap();
    assert!((110_000..180_000).contains(&bytes), "{bytes}");
    assert_eq!(report["chunks"]["needed_bytes"], 3 * bytes);
    assert!(report["chunks"]["received_per_needed"].as_f64().unwrap() >= 1.0);
    for path in ["/reconnect/p99_ms", "/clock/error/p95_ms", "/records/acknowledged", "/center/rss_kb_per_speaker"] {
        assert!(report.pointer(path).is_some_and(Value::is_number), "{path}: {report}");
    }
    assert!(report.pointer("/center/cpu_ms_per_speaker").is_some() && report.pointer("/fleet/cpu_s").is_some());
    let svg = std::fs::read_to_string(plot).unwrap();
    assert!(svg.contains("all content whole"));
}

#[test]
fn a_scratch_center_ends_with_the_simulation_however_that_ends() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(binary("loaxa"));
    let child = command.args(["simulate", "--speakers", "1", "--plain", "--bulletin-kb", "20", "--play"]);
    let child = child.env("TMPDIR", dir.path()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut simulation = adopt(child);
    let running = wait_for("the scratch center", 60, || {
        let inside = std::fs::read_dir(dir.path()).unwrap().flatten().map(|entry| entry.path().join("data/run.json"));
        inside.filter_map(|path| serde_json::from_slice::<Value>(&std::fs::read(path).ok()?).ok()).next()
    });
    let pid = running["pid"].as_u64().unwrap();
    simulation.kill();
    // Nobody may be there to bury it: a dead process has no words left.
    let words = || std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    wait_for("its end", 30, || words().is_empty().then_some(()));
}

#[test]
fn at_a_given_center_speakers_stay_and_come_again_with_their_store() {
    let mut center = Center::new();
    center.start();
    let dir = tempfile::tempdir().unwrap();
    let (token, ca) = (center.token(), center.data().join("tls/ca.pem"));
    let given = ["--center", &center.http, "--token", &token, "--ca", ca.to_str().unwrap()];
    let also = ["--area", "66", "--speakers", "2", "--for", "3", "--json", "--store", dir.path().to_str().unwrap()];
    let all = |more: &[&str]| simulate(&[&given[..], &also[..], more].concat());
    let (code, _, error) = all(&[]);
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("sim-00001 to sim-00002") && error.contains("--yes"), "{error}");
    let (code, out, error) = all(&["--yes"]);
    assert_eq!(code, Some(0), "{error}");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&report["connected"], &report["center"]), (&2.into(), &Value::Null));
    assert_eq!(center.speaker("sim-00002")["link"]["state"], "offline", "it said goodbye");
    let (code, _, error) = all(&[]);
    assert_eq!(code, Some(0), "the same boards come again: {error}");
    let (code, _, error) = simulate(&[&given[..], &["--area", "66", "--speakers", "1", "--yes"]].concat());
    assert_eq!(code, Some(1), "another board cannot be that speaker");
    assert!(error.contains("sim-00001"), "{error}");
}

#[test]
fn what_it_is_told_wrong_it_says_and_does_nothing() {
    let center = ["--center", "https://127.0.0.1:1", "--token", "x"];
    for (arguments, words) in [
        (&["--speakers", "0"][..], "0 is not in 1..="),
        (&["--speakers", "many"], "many"),
        (&["--link", "5g"], "flaky"),
        (&["--ppm", "101"], "from 0 to 100"),
        (&["--bulletin-kb", "0"], "is not in 6..="),
        (&["--area", "66"], "--area needs --center"),
        (&["--for", "5"], "--for needs --center"),
        (&["--data", "/nowhere"], "--center URL"),
        (&center, "--area CODE"),
        (&[&center[..], &["--area", "66", "--play"]].concat(), "--play is for a simulation without --center"),
        (&[&center[..], &["--area", "66", "--prefix", "Ơ"]].concat(), "--prefix"),
    ] {
        let (code, out, error) = simulate(arguments);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}: {error}");
        assert!(error.contains(words), "{arguments:?}: {error}");
    }
    let (code, _, error) = simulate(&[&center[..], &["--area", "66", "--yes"]].concat());
    assert_eq!(code, Some(1));
    assert!(error.lines().last().unwrap().starts_with("loaxa: ") && error.contains("127.0.0.1:1"), "{error}");
}
