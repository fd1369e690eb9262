//! Many boards at a time: all of them when the power comes back, and a third of them that come and go while content goes out.

use std::sync::Arc;
use std::time::Duration;

use loaxa::center::client::Client;
use loaxa::simulate::counters::Timed;
use loaxa::simulate::fleet::{Flap, Fleet, Settings};
use loaxa::simulate::join::{Join, Member, join};

use crate::delivery::long_wav;
use crate::harness::Center;

const LONG: Duration = Duration::from_secs(120);

async fn members(center: &Center, dir: &std::path::Path, boards: usize) -> Vec<Member> {
    let client = Client::connect(&center.http, &center.token(), None).unwrap();
    let mut joining = Join::new(dir.to_owned(), boards, "24133");
    joining.mqtt = Some(center.mqtt.clone());
    join(Arc::new(client), joining, |_| ()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_boards_get_their_power_back_at_once() {
    const BOARDS: usize = 1000;
    let all = BOARDS as u64;
    let mut center = Center::plain();
    center.start();
    center.furnish();
    center.approved("nuoc", "cat-nuoc.opus");
    center.schedule_once("cat-nuoc", &["nuoc"], 86_400_000, &["24133"]);
    let dir = tempfile::tempdir().unwrap();
    let members = members(&center, dir.path(), BOARDS).await;
    let settings = Settings { own_media: true, connecting: BOARDS, ..Settings::new(dir.path().to_owned()) };
    let fleet = Fleet::start(members.clone(), settings.clone()).unwrap();
    fleet.wait("all to have everything", LONG, |now| now.whole_boards == all).await.unwrap();
    // Torn off in the middle of what they were doing, and all back in the same moment.
    drop(fleet);
    let fleet = Fleet::start(members, settings).unwrap();
    fleet.wait("all to connect", LONG, |now| now.connected == all).await.unwrap();
    let before = fleet.now();
    assert_eq!((before.plans, before.with_plan), (0, all), "nobody is sent what they have: {before:?}");
    // It is still there for what is new, also for those whose subscriptions the broker lost while it was clearing away their old ones.
    center.schedule_once("them", &["nuoc"], 90_000_000, &["24133"]);
    fleet.wait("the new plan", LONG, |now| now.lowest_plan > before.highest_plan).await.unwrap();
    let now = fleet.now();
    assert_eq!((now.plans, now.chunk_bytes, now.losses), (all, 0, 0), "what was new, and nothing else: {now:?}");
    assert!(fleet.counters().samples(Timed::Connect).len() >= BOARDS);
    let links = tokio::task::block_in_place(|| center.look(async |store| store.speaker_links().await));
    assert_eq!(links.iter().filter(|(_, on)| *on).count(), BOARDS, "all are known to be on line");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_third_that_comes_and_goes_costs_the_others_nothing() {
    const BOARDS: usize = 60;
    let all = BOARDS as u64;
    let mut center = Center::plain();
    center.environment.push(("LOAXA_MQTT__MEDIA_KBYTES_PER_S".into(), "100".into()));
    center.start();
    center.furnish();
    center.approved("nuoc", "cat-nuoc.opus");
    let dir = tempfile::tempdir().unwrap();
    let fleet = Fleet::start(members(&center, dir.path(), BOARDS).await, Settings::new(dir.path().to_owned())).unwrap();
    fleet.wait("all to connect", LONG, |now| now.connected == all && now.with_plan == all).await.unwrap();
    fleet.flap(Some(Flap { fraction: 0.3, every_s: 1.0, outage_s: (0.1, 0.5) }));
    fleet.wait("the first losses", LONG, |now| now.losses >= 10).await.unwrap();
    let wav = long_wav(center.dir.path());
    center.cli([
        "bulletin",
        "add",
        wav.to_str().unwrap(),
        "--id",
        "long",
        "--title",
        "Dài",
        "--language",
        "zxx",
        "--area",
        "66",
    ]);
    center.approve("long");
    center.schedule_once("later", &["long"], 86_400_000, &["24133"]);
    let start_ms = center.schedule_once("soon", &["nuoc"], 12_000, &["24133"]);
    fleet.wait("all content", LONG, |now| now.whole_files >= 2 * all).await.unwrap();
    fleet.wait("the records", LONG, |now| now.records_acknowledged >= all).await.unwrap();
    let now = fleet.now();
    assert!(now.losses >= 30, "they flapped all the while: {now:?}");
    assert!(now.chunk_bytes * 100 <= now.needed_bytes * 115, "{} of {} bytes", now.chunk_bytes, now.needed_bytes);
    fleet.flap(None);
    fleet.wait("all to be back", LONG, |now| now.connected == all).await.unwrap();
    let plays = center.plays();
    let soon: Vec<_> = plays.iter().filter(|play| play["schedule"] == "soon").collect();
    assert_eq!(soon.len(), BOARDS, "each play once");
    for play in soon {
        let outcome = play["outcome"].as_str().unwrap();
        assert!(["played", "late"].contains(&outcome), "started at {start_ms}: {play}");
    }
    fleet.stop().await;
}
