//! Media on its way: once for all who want it, resumed after a break, whatever is killed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use loaxa::audio::wav::WavWriter;
use rumqttc::{Client, Event, MqttOptions, Packet, QoS};

use crate::harness::{Center, Pole, Process, Sound, wait_for};

/// A Mosquitto of our own, which can be killed apart from the center.
pub struct Mosquitto {
    pub port: u16,
    conf: PathBuf,
    process: Option<Process>,
}

impl Mosquitto {
    pub fn start(dir: &Path) -> Self {
        Self::start_with(dir, "")
    }

    /// With more lines about its listener.
    pub fn start_with(dir: &Path, more: &str) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let conf = dir.join("mosquitto.conf");
        std::fs::write(
            &conf,
            format!("listener {port} 127.0.0.1\nallow_anonymous true\nmessage_size_limit 1048576\n{more}"),
        )
        .unwrap();
        let mut this = Self { port, conf, process: None };
        this.restart();
        this
    }

    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    pub fn restart(&mut self) {
        let child =
            Command::new("mosquitto").arg("-c").arg(&self.conf).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.process = Some(crate::harness::adopt(child.expect("mosquitto starts; its Debian package is mosquitto")));
        wait_for("mosquitto", 10, || std::net::TcpStream::connect(("127.0.0.1", self.port)).ok());
    }

    pub fn kill(&mut self) {
        self.process.take().unwrap().kill();
    }
}

/// A client that hears everything and counts chunks.
pub struct Counter {
    chunks: Arc<AtomicUsize>,
    // Keeps the connection.
    _client: Client,
}

impl Counter {
    pub fn start(port: u16) -> Self {
        let mut options = MqttOptions::new("counter", "127.0.0.1", port);
        options.set_max_packet_size(1 << 20, 1 << 20);
        let (client, mut connection) = Client::new(options, 100);
        let chunks = Arc::new(AtomicUsize::new(0));
        let (counted, subscriber) = (chunks.clone(), client.clone());
        std::thread::spawn(move || {
            for event in connection.iter() {
                match event {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        subscriber.subscribe("loaxa/1/mau/media/#", QoS::AtMostOnce).unwrap()
                    }
                    Ok(Event::Incoming(Packet::Publish(_))) => {
                        counted.fetch_add(1, Ordering::SeqCst);
                    }
                    Ok(_) => {}
                    Err(_) => std::thread::sleep(std::time::Duration::from_millis(100)),
                }
            }
        });
        Self { chunks, _client: client }
    }

    pub fn count(&self) -> usize {
        self.chunks.load(Ordering::SeqCst)
    }
}

/// Two minutes of noise that rises and falls: 11 chunks or so.
pub fn long_wav(dir: &Path) -> PathBuf {
    let path = dir.join("long.wav");
    let mut wav = WavWriter::create(&path).unwrap();
    let mut state = 1u32;
    let samples: Vec<f32> = (0..48_000 * 120)
        .map(|n| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 8) as f32 / 8_388_608.0 - 1.0) * 0.2 * (n as f32 / 20_000.0).sin()
        })
        .collect();
    wav.write(&samples).unwrap();
    wav.flush().unwrap();
    path
}

/// A center on a broker of its own that sends slowly, with a long bulletin scheduled for later to two speakers.
pub fn slow_delivery(kbytes_per_s: u32) -> (Center, Mosquitto, Counter, Vec<Pole>) {
    let mut center = Center::new();
    let mosquitto = Mosquitto::start(center.dir.path());
    center.flags = vec!["--broker".into(), mosquitto.url()];
    center.environment.push(("LOAXA_MQTT__MEDIA_KBYTES_PER_S".into(), kbytes_per_s.to_string()));
    center.start();
    center.furnish();
    let long = long_wav(center.dir.path());
    center.cli([
        "bulletin",
        "add",
        long.to_str().unwrap(),
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
    let counter = Counter::start(mosquitto.port);
    let poles = ["a", "b"].map(|id| Pole::add(&center, id, id, "24133", Sound::Dac { ppm: 0.0 })).into();
    center.schedule_once("later", &["long"], 3_600_000, &["66"]);
    (center, mosquitto, counter, poles)
}

pub fn chunks_of(center: &Center) -> usize {
    let bytes = center.json(["bulletin", "show", "long"])["revisions"][0]["sound"]["bytes"].as_u64().unwrap();
    bytes.div_ceil(64 * 1024) as usize
}

#[test]
fn each_chunk_goes_out_once_for_all_who_want_it() {
    let (center, _mosquitto, counter, mut poles) = slow_delivery(400);
    poles.iter_mut().for_each(Pole::start);
    poles.iter().for_each(|pole| center.wait_ready(&pole.speaker));
    let (sent, needed) = (counter.count(), chunks_of(&center));
    assert!(needed > 8, "{needed} chunks");
    // Two speakers want the same at nearly the same time; a second round for a late asker may repeat a few.
    assert!(sent < 2 * needed, "{sent} chunks sent where {needed} were needed by two");
}

#[test]
fn a_broker_killed_in_the_middle_of_a_delivery_costs_only_what_was_under_way() {
    let (center, mut mosquitto, counter, mut poles) = slow_delivery(200);
    poles[0].start();
    wait_for("the first chunks", 30, || (counter.count() >= 3).then_some(()));
    mosquitto.kill();
    mosquitto.restart();
    center.wait_ready("a");
    let (sent, needed) = (counter.count(), chunks_of(&center));
    assert!(sent <= needed + 6, "{sent} chunks sent where {needed} were needed");
}

#[test]
fn a_controller_killed_while_media_arrives_goes_on_where_it_was() {
    let (center, _mosquitto, counter, mut poles) = slow_delivery(200);
    poles[0].start();
    for seen in [2, 5] {
        wait_for("some chunks", 30, || (counter.count() >= seen).then_some(()));
        poles[0].kill();
        poles[0].start();
    }
    center.wait_ready("a");
    let (sent, needed) = (counter.count(), chunks_of(&center));
    // What the center had under way at each kill goes out in vain; the rest is not fetched again.
    assert!(sent < 3 * needed, "{sent} chunks sent where {needed} were needed");
    let media: Vec<_> = std::fs::read_dir(poles[0].store().join("media")).unwrap().flatten().collect();
    assert_eq!(media.len(), 1, "one whole file and nothing left over");
    let hash = loaxa::controller::store::hash_file(&media[0].path()).unwrap();
    assert_eq!(media[0].file_name().to_str().unwrap(), format!("{hash}.opus"));
}
