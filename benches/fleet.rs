//! Thousands of simulated boards at a real center: delivery, commands, records, and coming back after a restart.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use loaxa::center::client::Client;
use loaxa::domain::record::{Evidence, Outcome, PlaybackRecord};
use loaxa::protocol::message::{self, Report};
use loaxa::simulate::counters::Timed;
use loaxa::simulate::fleet::{Flap, Fleet, Settings};
use loaxa::simulate::join::{Join, Member, join};
use loaxa::simulate::linkmodel::LinkModel;
use loaxa::simulate::report::Percentiles;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use tempfile::TempDir;

use crate::harness::{Center, unix_ms};
use crate::raw::{BYTES, Fanout, until};
use crate::{cpu_s, rss_kb};

const PATIENCE: Duration = Duration::from_secs(300);

/// A center with a fleet on line.
struct World {
    center: Center,
    pid: u32,
    /// Of the center before anybody was there.
    alone_kb: u64,
    runtime: tokio::runtime::Runtime,
    members: Vec<Member>,
    fleet: Option<Fleet>,
    dir: TempDir,
    link: LinkModel,
}

impl World {
    /// Without TLS, like the bare broker that it is held against.
    fn new(speakers: usize, link: LinkModel, environment: &[(&str, &str)]) -> Self {
        let mut center = Center::plain();
        center.environment.extend(environment.iter().map(|(key, value)| ((*key).into(), (*value).into())));
        center.start();
        center.furnish();
        let pid = center.process.as_ref().unwrap().id();
        let alone_kb = rss_kb(pid);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let client = Arc::new(Client::connect(&center.http, &center.token(), None).unwrap());
        let mut joining = Join::new(dir.path().to_owned(), speakers, "24133");
        joining.mqtt = Some(center.mqtt.clone());
        let members = runtime.block_on(join(client, joining, |_| ())).unwrap();
        let mut world = Self { center, pid, alone_kb, runtime, members, fleet: None, dir, link };
        world.start_fleet();
        world
    }

    fn start_fleet(&mut self) {
        let settings = Settings { link: self.link, connecting: 512, ..Settings::new(self.dir.path().to_owned()) };
        let members = self.members.clone();
        self.fleet = Some(self.runtime.block_on(async { Fleet::start(members, settings) }).unwrap());
        let speakers = self.members.len() as u64;
        self.wait("all to connect and have a plan", |now| now.connected == speakers && now.with_plan == speakers);
        // The burst of clock probes after connecting is not what is measured.
        std::thread::sleep(Duration::from_secs(3));
    }

    fn fleet(&self) -> &Fleet {
        self.fleet.as_ref().unwrap()
    }

    fn wait(&self, what: &str, done: impl Fn(&loaxa::simulate::counters::Snapshot) -> bool) {
        self.runtime.block_on(self.fleet().wait(what, PATIENCE, done)).unwrap();
    }

    fn kb_per_speaker(&self) -> f64 {
        rss_kb(self.pid).saturating_sub(self.alone_kb) as f64 / self.members.len() as f64
    }

    /// Until what came before is done with: both processes together need less than a third of the machine.
    fn wait_quiet(&self) {
        let busy_s = || cpu_s(self.pid) + cpu_s(std::process::id());
        for _ in 0..60 {
            let before = busy_s();
            std::thread::sleep(Duration::from_secs(1));
            if busy_s() - before < 0.6 {
                return;
            }
        }
        println!("{:>8} it does not become quiet", "");
    }

    fn samples(&self, kind: Timed) -> Percentiles {
        Percentiles::of(self.fleet().counters().samples(kind).iter().map(|sample| sample.took_ms).collect())
    }

    fn end(mut self) {
        let fleet = self.fleet.take().unwrap();
        self.center.kill();
        self.runtime.block_on(fleet.stop());
        self.runtime.shutdown_background();
    }
}

/// The pace is not what is measured: as fast as the broker goes.
const UNPACED: [(&str, &str); 2] =
    [("LOAXA_MQTT__MEDIA_KBYTES_PER_S", "1000000"), ("LOAXA_MQTT__MEDIA_UPLINK_KBYTES_PER_S", "0")];

/// A bulletin of about 1 MB for everybody. Time and CPU count from when the last board has its plan.
pub fn deliver(speakers: usize) -> Fanout {
    let world = World::new(speakers, LinkModel::LAN, &UNPACED);
    let kb_per_client = world.kb_per_speaker();
    let bytes = add_bulletin(&world.center);
    let before = world.fleet().now();
    let edited = Instant::now();
    let (whole_cpu, at_edit) = (cpu_s(world.pid), Instant::now());
    world.center.schedule_once("later", &["big"], 86_400_000, &["66"]);
    let goal = before.plans + speakers as u64;
    world.wait("the plans", |now| now.plans >= goal);
    let (planned, cpu, own_cpu) = (edited.elapsed(), cpu_s(world.pid), cpu_s(std::process::id()));
    let files = before.whole_files + speakers as u64;
    world.wait("the last byte", |now| now.whole_files >= files);
    let cpu_s_own = cpu_s(std::process::id());
    let (seconds, cpu_s) = ((at_edit.elapsed() - planned).as_secs_f64(), [cpu_s(world.pid) - cpu, cpu - whole_cpu]);
    let now = world.fleet().now();
    println!(
        "{speakers:>8} {:34} {:12.2} {:12.2}   (counted apart)",
        "loaxa: edit -> last plan in",
        planned.as_secs_f64(),
        cpu_s[1]
    );
    let needed = now.needed_bytes - before.needed_bytes;
    let scale = BYTES as f64 / bytes as f64;
    let fanout = Fanout {
        seconds: seconds.max(0.001) * scale,
        cpu_s: cpu_s[0] * scale,
        own_cpu_s: (cpu_s_own - own_cpu) * scale,
        bytes_per_needed: (now.chunk_bytes - before.chunk_bytes) as f64 / needed.max(1) as f64,
        kb_per_client,
        kb_after: world.kb_per_speaker(),
    };
    world.end();
    fanout
}

/// The same, paced, while a tenth of the boards loses its connection every few seconds.
pub fn flapping(speakers: usize) {
    let world = World::new(speakers, LinkModel::LAN, &[("LOAXA_MQTT__MEDIA_KBYTES_PER_S", "100")]);
    add_bulletin(&world.center);
    world.fleet().flap(Some(Flap { fraction: 0.1, every_s: 4.0, outage_s: (0.5, 2.0) }));
    let before = world.fleet().now();
    world.center.schedule_once("later", &["big"], 86_400_000, &["66"]);
    let files = before.whole_files + speakers as u64;
    world.wait("the last byte", |now| now.whole_files >= files);
    let now = world.fleet().now();
    let ratio = (now.chunk_bytes - before.chunk_bytes) as f64 / (now.needed_bytes - before.needed_bytes).max(1) as f64;
    println!("{speakers:>8} {ratio:12.3}   (target: 1.10; {} connections lost meanwhile)", now.losses - before.losses);
    world.end();
}

/// From the request to the last board's door, and to the first sample there: an emergency that every board has at hand.
///
/// All boards live on the cores of the center. A line that is long enough (150 ms, or a twentieth for each speaker) keeps most of them from their work (to check signatures, and
/// the whole file once more) until the others have heard. Gives the 99th percentile at the door, in ms.
pub fn command(speakers: usize) -> f64 {
    let delay_ms = (speakers as u32 / 20).max(150);
    let world = World::new(speakers, LinkModel { delay_ms, ..LinkModel::LAN }, &[]);
    let losses = world.fleet().now().losses;
    let center = &world.center;
    let key = center.dir.path().join("chief.key").to_str().unwrap().to_owned();
    center.cli(["approver", "add", "chief", "--area", "66", "--highest", "emergency", "--key-out", &key]);
    // Longer than the slowest board needs to hear of it.
    let audio = noise(center, 20);
    center.cli(["bulletin", "add", &audio, "--id", "flood", "--title", "x", "--language", "vie", "--area", "66"]);
    center.cli(["bulletin", "submit", "flood"]);
    center.cli(["bulletin", "approve", "flood", "--key", &key, "--highest", "emergency"]);
    world.wait("the sound at hand", |now| now.whole_boards == speakers as u64);
    center.cli(["bulletin", "ticket", "flood", "--key", &key, "--longest-min", "5"]);
    world.wait_quiet();
    let (url, token) = (format!("{}/api/v1/areas/66/command", center.http), center.token());
    let (cpu, own_cpu) = (cpu_s(world.pid), cpu_s(std::process::id()));
    world.runtime.block_on(async {
        let http = reqwest::Client::new();
        let wish = serde_json::json!({ "emergency": { "bulletin": "flood" } });
        world.fleet().counters().mark();
        let answer = http.post(&url).bearer_auth(&token).json(&wish).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    });
    let begun = Instant::now();
    while world.samples(Timed::Sound).count < speakers && begun.elapsed() < Duration::from_secs(18) {
        std::thread::sleep(Duration::from_millis(50));
    }
    let (cpu, own_cpu) = (cpu_s(world.pid) - cpu, cpu_s(std::process::id()) - own_cpu);
    let (heard, sound) = (world.samples(Timed::Command), world.samples(Timed::Sound));
    println!(
        "{speakers:>8} {:9.0} {:9.0} {:9.0} {:9} {:9.0} {:9.0} {:9} {cpu:9.2} {own_cpu:9.2}",
        heard.p50_ms, heard.p99_ms, heard.max_ms, heard.count, sound.p50_ms, sound.p99_ms, sound.count
    );
    let now = world.fleet().now();
    if (sound.count, now.connections) != (speakers, speakers as u64) {
        let trusted = world.fleet().counters().clock_errors_ns().len();
        println!(
            "{:>8} {} connections, {} lost; {trusted} boards know the time",
            "",
            now.connections,
            now.losses - losses
        );
    }
    world.end();
    heard.p99_ms
}

/// Everybody comes back after the center, and its broker with it, was killed and started again. Gives the seconds until all have.
pub fn come_back(speakers: usize) -> f64 {
    let mut world = World::new(speakers, LinkModel::LAN, &[]);
    let kb = world.kb_per_speaker();
    let plans = world.fleet().now().plans;
    world.center.kill();
    let speakers = speakers as u64;
    world.wait("all to notice", |now| now.connected == 0);
    world.center.start();
    world.pid = world.center.process.as_ref().unwrap().id();
    let begun = Instant::now();
    world.wait("all to come back", |now| now.connected == speakers);
    let connected = begun.elapsed();
    let online = || world.center.look(async |store| store.speaker_links().await).iter().filter(|(_, on)| *on).count();
    while (online() as u64) < speakers {
        assert!(begun.elapsed() < PATIENCE, "{} are known to be on line", online());
        std::thread::sleep(Duration::from_millis(100));
    }
    let known = begun.elapsed();
    println!(
        "{speakers:>8} {kb:14.1} {:14.1} {:14.1} {:14}",
        connected.as_secs_f64(),
        known.as_secs_f64(),
        world.fleet().now().plans - plans
    );
    world.end();
    connected.as_secs_f64()
}

/// Records as fast as they can be sent, until the last one is acknowledged: stored, in SQLite, durable.
pub fn records() {
    const SPEAKERS: usize = 200;
    const REPORTS: usize = 40;
    const IN_REPORT: usize = 50;
    let mut center = Center::plain();
    center.start();
    center.furnish();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let client = Arc::new(Client::connect(&center.http, &center.token(), None).unwrap());
    let mut joining = Join::new(dir.path().to_owned(), SPEAKERS, "24133");
    joining.mqtt = Some(center.mqtt.clone());
    let members = runtime.block_on(join(client, joining, |_| ())).unwrap();
    let pid = center.process.as_ref().unwrap().id();
    let (seconds, cpu) = runtime.block_on(async {
        let acknowledged = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let mut clients = vec![];
        for member in &members {
            clients.push(reporter(member, acknowledged.clone()).await);
        }
        let (begun, cpu) = (Instant::now(), cpu_s(pid));
        for n in 0..REPORTS {
            for (member, client) in members.iter().zip(&clients) {
                let records = (0..IN_REPORT).map(|m| record(member, n * IN_REPORT + m)).collect();
                let topic = format!("loaxa/1/mau/speakers/{}/report", member.anchor.speaker);
                client.publish(topic, QoS::AtLeastOnce, false, message::bytes(&Report { records })).await.unwrap();
            }
        }
        let all = SPEAKERS * REPORTS * IN_REPORT;
        until("the last acknowledgement", || acknowledged.load(std::sync::atomic::Ordering::Relaxed) >= all).await;
        (begun.elapsed().as_secs_f64(), cpu_s(pid) - cpu)
    });
    let stored = stored(&center.data());
    println!(
        "{:>8} records in {seconds:.1} s: {:.0} a second (target: 20000); {cpu:.1} s CPU; {stored} in the store",
        SPEAKERS * REPORTS * IN_REPORT,
        (SPEAKERS * REPORTS * IN_REPORT) as f64 / seconds
    );
    center.kill();
    runtime.shutdown_background();
}

async fn reporter(member: &Member, acknowledged: Arc<std::sync::atomic::AtomicUsize>) -> AsyncClient {
    let speaker = member.anchor.speaker.to_string();
    let mut options = MqttOptions::new(&speaker, &member.broker.host, member.broker.port);
    options.set_credentials(&speaker, &member.password).set_max_packet_size(1 << 20, 1 << 20);
    let (client, mut events) = AsyncClient::new(options, 100);
    client.subscribe(format!("loaxa/1/mau/speakers/{speaker}/ack"), QoS::AtLeastOnce).await.unwrap();
    tokio::spawn(async move {
        while let Ok(event) = events.poll().await {
            if let Event::Incoming(Packet::Publish(publish)) = event {
                let ack: message::Ack = message::parse(&publish.payload).unwrap();
                acknowledged.fetch_add(ack.occurrences.len(), std::sync::atomic::Ordering::Relaxed);
            }
        }
    });
    client
}

fn record(member: &Member, n: usize) -> PlaybackRecord {
    let start_ms = unix_ms() - 86_400_000 + n as i64 * 1_000;
    PlaybackRecord {
        speaker: member.anchor.speaker.clone(),
        occurrence: loaxa::domain::ids::OccurrenceId::new(&"buoi-sang".parse().unwrap(), start_ms),
        plan_number: 7,
        start_ms,
        end_ms: start_ms + 900,
        outcome: Outcome::Played,
        reason: None,
        evidence: Evidence::Sounded,
        started_ms: Some(start_ms),
        start_error_us: Some(120),
        clock_error_us: Some(450),
        heard_ms: 900,
        level_dbfs: Some(-16.0),
        peak_dbfs: Some(-3.0),
        underruns: 0,
        off_line_us: Some(20),
        heard_back_db: None,
        heard_back_delay_ms: None,
    }
}

fn stored(data: &Path) -> i64 {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = loaxa::center::store::Store::look_at(data, "").await.unwrap();
        let rows = store.records(None, 0, i64::MAX).await.unwrap().len();
        store.close().await;
        rows as i64
    })
}

/// Adds and approves three minutes of noise, about 1 MB in the broadcast form; gives its size in bytes.
fn add_bulletin(center: &Center) -> u64 {
    let audio = noise(center, 170);
    center.cli(["bulletin", "add", &audio, "--id", "big", "--title", "Dài", "--language", "zxx", "--area", "66"]);
    center.approve("big");
    center.json(["bulletin", "show", "big"])["revisions"][0]["sound"]["bytes"].as_u64().unwrap()
}

/// A file of so many seconds of noise.
fn noise(center: &Center, seconds: usize) -> String {
    let path = center.dir.path().join("noise.wav");
    let mut wav = loaxa::audio::wav::WavWriter::create(&path).unwrap();
    let mut state = 1u32;
    let noise: Vec<f32> = (0..48_000 * seconds)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 8) as f32 / 8_388_608.0 - 1.0) * 0.2
        })
        .collect();
    wav.write(&noise).unwrap();
    wav.flush().unwrap();
    path.to_str().unwrap().to_owned()
}
