//! Many controllers in one process: the real engine and the real link, with a disk in memory and no sound.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use loaxa::controller::config::Broker;
use loaxa::controller::engine::{Effect, Engine, Event, Limits, Now};
use loaxa::controller::link::{Link, LinkEvent};
use loaxa::controller::os;
use loaxa::controller::store::Contents;
use loaxa::domain::approval::key_text;
use loaxa::domain::ids::MediaHash;
use loaxa::protocol::chunks::Bitmap;
use loaxa::protocol::keys::media_hash;
use loaxa::protocol::trust::Anchor;
use serde_json::json;

use crate::harness::Center;
use crate::raw::{BYTES, Fanout, until};
use crate::{cpu_s, rss_kb};

/// What all the controllers have come to.
#[derive(Debug, Default)]
struct Fleet {
    connected: AtomicU64,
    plans: AtomicU64,
    whole: AtomicU64,
    chunk_bytes: AtomicU64,
}

/// Adds speakers over the API; gives their ids and broker passwords.
fn add_speakers(center: &Center, speakers: usize) -> Vec<(String, String)> {
    let (url, token) = (format!("{}/api/v1/speakers", center.http), center.token());
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let http = reqwest::Client::new();
        let mut added = vec![];
        for n in 0..speakers {
            let body = json!({ "id": format!("s{n:05}"), "title": format!("Cụm loa {n}"), "area": "66" });
            let answer = http.post(&url).bearer_auth(&token).json(&body).send().await.unwrap();
            let answer: serde_json::Value = answer.json().await.unwrap();
            added.push((format!("s{n:05}"), answer["password"].as_str().expect("a password").to_owned()));
        }
        added
    })
}

pub fn deliver(speakers: usize) -> Fanout {
    let mut center = Center::plain();
    // The pace is not what is measured.
    center.environment.push(("LOAXA_MQTT__MEDIA_KBYTES_PER_S".into(), "1000000".into()));
    center.start();
    center.furnish();
    let pid = center.process.as_ref().unwrap().id();
    let added = add_speakers(&center, speakers);
    let idle_kb = rss_kb(pid);
    let host_port = center.mqtt.trim_start_matches("mqtt://").to_owned();
    let (host, port) = host_port.rsplit_once(':').unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let fleet = Arc::new(Fleet::default());
    let site: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(center.data().join("site.json")).unwrap()).unwrap();
    let authority = key_text::parse(site["authority"].as_str().unwrap()).unwrap();
    for (id, password) in added {
        let anchor = Anchor {
            site: "mau".parse().unwrap(),
            speaker: id.parse().unwrap(),
            areas: vec!["66".parse().unwrap()],
            authority,
            hours: Default::default(),
            trust: 0,
        };
        let broker = Broker { host: host.to_owned(), port: port.parse().unwrap(), tls: false };
        runtime.spawn(controller(anchor, broker, password, fleet.clone()));
    }
    runtime.block_on(async {
        until("all to connect", || fleet.connected.load(Ordering::Relaxed) as usize == speakers).await;
        until("all plans", || fleet.plans.load(Ordering::Relaxed) as usize >= speakers).await;
        // The burst of clock probes after connecting is not delivery.
        tokio::time::sleep(Duration::from_secs(2)).await;
    });
    let kb_per_client = rss_kb(pid).saturating_sub(idle_kb) as f64 / speakers as f64;
    // A bulletin of as many bytes: its length follows from the broadcast form's rate.
    let bytes = add_bulletin(&center);
    let plans_before = fleet.plans.load(Ordering::Relaxed) as usize;
    let (cpu, begun) = (cpu_s(pid), Instant::now());
    center.schedule_once("later", &["big"], 86_400_000, &["66"]);
    let planned = runtime.block_on(async {
        until("the plans", || fleet.plans.load(Ordering::Relaxed) as usize >= plans_before + speakers).await;
        let planned = begun.elapsed();
        until("the last byte", || fleet.whole.load(Ordering::Relaxed) as usize >= speakers).await;
        planned
    });
    let total = begun.elapsed();
    println!(
        "{speakers:>8} {:34} {:12.2}   ({} bytes; counted apart)",
        "loaxa: edit -> last plan in",
        planned.as_secs_f64(),
        bytes
    );
    Fanout {
        seconds: (total - planned).as_secs_f64().max(0.001) * BYTES as f64 / bytes as f64,
        cpu_s: (cpu_s(pid) - cpu) * BYTES as f64 / bytes as f64,
        bytes_per_needed: fleet.chunk_bytes.load(Ordering::Relaxed) as f64 / (bytes as f64 * speakers as f64),
        kb_per_client,
    }
}

/// Adds and approves three minutes of noise, about 1 MB in the broadcast form; gives its size in bytes.
fn add_bulletin(center: &Center) -> u64 {
    let path = center.dir.path().join("big.wav");
    let mut wav = loaxa::audio::wav::WavWriter::create(&path).unwrap();
    let mut state = 1u32;
    let noise: Vec<f32> = (0..48_000 * 170)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 8) as f32 / 8_388_608.0 - 1.0) * 0.2
        })
        .collect();
    wav.write(&noise).unwrap();
    wav.flush().unwrap();
    center.cli([
        "bulletin",
        "add",
        path.to_str().unwrap(),
        "--id",
        "big",
        "--title",
        "Dài",
        "--language",
        "zxx",
        "--area",
        "66",
    ]);
    center.approve("big");
    center.json(["bulletin", "show", "big"])["revisions"][0]["sound"]["bytes"].as_u64().unwrap()
}

/// One simulated board: real engine, real link, media in memory.
async fn controller(anchor: Anchor, broker: Broker, password: String, fleet: Arc<Fleet>) {
    let limits = Limits { max_clock_error_ns: i64::MAX, volume_db: 0.0, quota_bytes: 1 << 30, version: "bench".into() };
    let (mut engine, _) = Engine::new(anchor.clone(), limits, Contents::default(), now());
    let will = Arc::new(Mutex::new(engine.last_will()));
    let transport = Arc::new(Mutex::new(rumqttc::Transport::Tcp));
    let (link, mut events) = Link::start(&broker, transport, &anchor.speaker, &password, will);
    let mut media: BTreeMap<MediaHash, Vec<u8>> = BTreeMap::new();
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    loop {
        let event = tokio::select! {
            Some(event) = events.recv() => match event {
                LinkEvent::Connected => {
                    fleet.connected.fetch_add(1, Ordering::Relaxed);
                    Event::Connected
                }
                LinkEvent::Disconnected => Event::Disconnected,
                LinkEvent::Message { topic, payload } => Event::Message { topic, payload },
            },
            _ = tick.tick() => Event::Tick,
        };
        let mut queue = std::collections::VecDeque::from(engine.on(now(), event));
        while let Some(effect) = queue.pop_front() {
            if link.take(&effect) {
                continue;
            }
            let answer = match effect {
                Effect::SavePlan { .. } => {
                    fleet.plans.fetch_add(1, Ordering::Relaxed);
                    None
                }
                Effect::FindMedia(file) => {
                    let present = Bitmap::with_len(file.chunks.len());
                    Some(Event::MediaFound { media: file.hash, whole: false, present })
                }
                Effect::WriteChunk { media: hash, offset, chunk } => {
                    fleet.chunk_bytes.fetch_add(chunk.len() as u64, Ordering::Relaxed);
                    let file = media.entry(hash).or_default();
                    let end = offset as usize + chunk.len();
                    file.resize(file.len().max(end), 0);
                    file[offset as usize..end].copy_from_slice(&chunk);
                    None
                }
                Effect::FinishMedia(file) => {
                    let good = media.get(&file.hash).is_some_and(|bytes| media_hash(bytes) == file.hash);
                    fleet.whole.fetch_add(u64::from(good), Ordering::Relaxed);
                    Some(Event::MediaChecked { media: file.hash, good })
                }
                _ => None,
            };
            if let Some(event) = answer {
                queue.extend(engine.on(now(), event));
            }
        }
    }
}

fn now() -> Now {
    Now { mono_ns: os::mono_ns(), system: None }
}
