//! Lines that stall, break and swallow, and a center that is killed at its work: nothing is lost, doubled or sent all over again.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rumqttc::{Client, Event, MqttOptions, Packet, QoS};
use serde_json::Value;

use crate::delivery::{chunks_of, long_wav, slow_delivery};
use crate::harness::{Center, Pole, adopt, run, wait_for};

/// What happens to bytes on their way to the board.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Open,
    /// Held back, and given on when the way is open again.
    Stalled,
    /// So many more, then the connection ends; later ones find the way open.
    CutAfter(usize),
    /// New connections are accepted and nothing ever comes of them.
    BlackHole,
}

/// A line of ours between a board and its broker.
struct Line {
    port: u16,
    way: Arc<Mutex<Way>>,
    accepted: Arc<AtomicUsize>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Line {
    fn to(broker: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (way, accepted, open) = (Arc::new(Mutex::new(Way::Open)), Arc::default(), Arc::default());
        let line = Self { port, way, accepted, open };
        let (way, accepted, open) = (line.way.clone(), line.accepted.clone(), line.open.clone());
        std::thread::spawn(move || {
            for board in listener.incoming().flatten() {
                accepted.fetch_add(1, Ordering::SeqCst);
                open.lock().unwrap().push(board.try_clone().unwrap());
                if *way.lock().unwrap() == Way::BlackHole {
                    continue;
                }
                let Ok(broker) = TcpStream::connect(("127.0.0.1", broker)) else { continue };
                let (up_from, up_to) = (board.try_clone().unwrap(), broker.try_clone().unwrap());
                std::thread::spawn(move || carry(up_from, up_to, &Mutex::new(Way::Open)));
                let way = way.clone();
                std::thread::spawn(move || carry(broker, board, &way));
            }
        });
        line
    }

    fn set(&self, way: Way) {
        *self.way.lock().unwrap() = way;
    }

    fn is(&self, way: Way) -> bool {
        *self.way.lock().unwrap() == way
    }

    fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Ends every connection that there is.
    fn cut(&self) {
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, way: &Mutex<Way>) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        while *way.lock().unwrap() == Way::Stalled {
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut way = way.lock().unwrap();
        if let Way::CutAfter(left) = &mut *way {
            let last = read.min(*left);
            *left -= last;
            let sent = to.write_all(&buffer[..last]);
            if *left > 0 && sent.is_ok() {
                continue;
            }
            *way = Way::Open;
            break;
        }
        drop(way);
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

/// How often each chunk went through the broker.
#[derive(Clone, Default)]
struct Tally(Arc<Mutex<BTreeMap<usize, usize>>>);

impl Tally {
    fn start(port: u16) -> Self {
        let mut options = MqttOptions::new("tally", "127.0.0.1", port);
        options.set_max_packet_size(1 << 20, 1 << 20);
        let (client, mut connection) = Client::new(options, 100);
        client.subscribe("loaxa/1/mau/media/#", QoS::AtMostOnce).unwrap();
        let tally = Self::default();
        let counts = tally.0.clone();
        std::thread::spawn(move || {
            // Keeps the connection.
            let _client = client;
            for event in connection.iter() {
                if let Ok(Event::Incoming(Packet::Publish(publish))) = event {
                    let index = publish.topic.rsplit('/').next().unwrap().parse().unwrap();
                    *counts.lock().unwrap().entry(index).or_default() += 1;
                }
            }
        });
        tally
    }

    fn of(&self, index: usize) -> usize {
        self.0.lock().unwrap().get(&index).copied().unwrap_or(0)
    }

    /// One may have been under way twice: a want goes out again where nothing came for two seconds.
    fn assert_not_again(&self, had: &[usize]) {
        let again: Vec<_> = had.iter().filter(|index| self.of(**index) > 1).collect();
        assert!(again.len() <= 1, "sent again though they were there: {again:?} of {had:?}");
    }

    fn different(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

fn sound_file(center: &Center) -> Vec<u8> {
    let sound = center.json(["bulletin", "show", "long"])["revisions"][0]["sound"].clone();
    std::fs::read(center.data().join("media").join(format!("{}.opus", sound["media"].as_str().unwrap()))).unwrap()
}

/// The chunks of the one file that a board has, whole and right, on its disk.
fn chunks_on_disk(pole: &Pole, file: &[u8]) -> Vec<usize> {
    let part = std::fs::read_dir(pole.store().join("media")).into_iter().flatten().flatten().next();
    let bytes = part.map(|part| std::fs::read(part.path()).unwrap_or_default()).unwrap_or_default();
    let right = |(index, chunk): (usize, &[u8])| {
        let start = index * 64 * 1024;
        (bytes.get(start..start + chunk.len()) == Some(chunk)).then_some(index)
    };
    file.chunks(64 * 1024).enumerate().filter_map(right).collect()
}

fn wait_whole(pole: &Pole, file: &[u8], all: usize) {
    wait_for(&format!("the whole file\n{}", pole.log()), 90, || {
        (chunks_on_disk(pole, file).len() == all && pole.log().contains("is here (")).then_some(())
    });
}

#[test]
fn a_line_that_breaks_in_a_packet_stalls_and_swallows_only_delays_the_content() {
    let (center, mosquitto, _counter, mut poles) = slow_delivery(250);
    let (tally, line) = (Tally::start(mosquitto.port), Line::to(mosquitto.port));
    let (file, all) = (sound_file(&center), chunks_of(&center));
    let pole = &mut poles[0];
    pole.environment.push(("LOAXA_CENTER__MQTT".into(), format!("mqtt://127.0.0.1:{}", line.port)));
    pole.start();
    wait_for("two chunks", 40, || (chunks_on_disk(pole, &file).len() >= 2).then_some(()));

    // In the middle of a chunk's packet.
    line.set(Way::CutAfter(40_000));
    wait_for("the break", 40, || line.is(Way::Open).then_some(()));
    let had = chunks_on_disk(pole, &file);
    wait_for("the next connection", 40, || (line.accepted() == 2).then_some(()));
    wait_for("another chunk", 40, || (chunks_on_disk(pole, &file).len() > had.len()).then_some(()));

    // Nothing comes for a while, though the connection stands; then it goes on as if nothing was.
    line.set(Way::Stalled);
    let (held, sent) = (chunks_on_disk(pole, &file).len(), tally.different());
    wait_for("the center to send on", 40, || (tally.different() > sent || tally.different() == all).then_some(()));
    assert!(chunks_on_disk(pole, &file).len() <= held + 2, "what is held back does not arrive");
    line.set(Way::Open);

    // Connections that are taken and never answered.
    line.set(Way::BlackHole);
    line.cut();
    let before = line.accepted();
    wait_for("a second try, after one that came to nothing", 60, || (line.accepted() >= before + 2).then_some(()));
    line.set(Way::Open);
    line.cut();
    wait_whole(pole, &file, all);
    tally.assert_not_again(&had);
    assert_eq!(pole.log().matches("not what").count(), 0, "{}", pole.log());
    center.wait_ready("a");
}

#[test]
fn a_center_killed_in_the_middle_of_a_delivery_goes_on_with_what_is_missing() {
    let (mut center, mosquitto, _counter, mut poles) = slow_delivery(250);
    let tally = Tally::start(mosquitto.port);
    let (file, all) = (sound_file(&center), chunks_of(&center));
    poles[0].start();
    wait_for("three chunks", 40, || (chunks_on_disk(&poles[0], &file).len() >= 3).then_some(()));
    center.kill();
    let had = chunks_on_disk(&poles[0], &file);
    assert!(had.len() < all, "it was too quick to be killed in the middle");
    center.start();
    wait_whole(&poles[0], &file, all);
    center.wait_ready("a");
    tally.assert_not_again(&had);
}

#[test]
fn a_center_killed_in_an_upload_keeps_nothing_of_it_and_takes_it_again() {
    let mut center = Center::new();
    center.start();
    center.furnish();
    let wav = std::fs::read(long_wav(center.dir.path())).unwrap();
    let uploads = || std::fs::read_dir(center.data().join("uploads")).unwrap().flatten().collect::<Vec<_>>();
    // Half of it over a connection of our own, which then says nothing more.
    let url = format!("{}/api/v1/bulletins?id=long&title=x&language=zxx&area=66", center.http);
    let (client, token) = (center.http_client(), center.token());
    let half = wav[..wav.len() / 2].to_vec();
    let visitor = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let endless = futures_util::stream::unfold(Some(half), |half| async move {
                match half {
                    Some(half) => Some((Ok::<_, std::io::Error>(half), None)),
                    None => std::future::pending().await,
                }
            });
            client.post(url).bearer_auth(token).body(reqwest::Body::wrap_stream(endless)).send().await.is_err()
        })
    });
    wait_for("half an upload", 40, || {
        uploads().first().is_some_and(|file| file.metadata().is_ok_and(|meta| meta.len() > 1_000_000)).then_some(())
    });
    center.kill();
    assert!(visitor.join().unwrap(), "nobody was told that it was taken");
    center.start();
    assert_eq!(center.json(["bulletin", "list"]), Value::Array(vec![]));
    assert_eq!(std::fs::read_dir(center.data().join("uploads")).unwrap().count(), 0, "half an upload was left behind");
    let path = center.dir.path().join("long.wav");
    let add = ["bulletin", "add", path.to_str().unwrap(), "--id", "long", "--title", "x", "--language", "zxx"];
    center.cli(add.into_iter().chain(["--area", "66"]));
    assert_eq!(center.json(["bulletin", "show", "long"])["revisions"].as_array().unwrap().len(), 1);
}

/// The process that converts for this center, if there is one.
fn converter(center: &Center) -> Option<u32> {
    let data = center.data().display().to_string();
    std::fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let line = std::fs::read_to_string(entry.path().join("cmdline")).ok()?;
        (line.contains("convert-upload") && line.contains(&data)).then(|| entry.file_name().to_str()?.parse().ok())?
    })
}

#[test]
fn a_center_killed_in_a_conversion_does_it_again_and_once() {
    let mut center = Center::new();
    center.start();
    center.furnish();
    let wav = long_wav(center.dir.path());
    let mut command = center.command();
    command.args(["bulletin", "add", wav.to_str().unwrap(), "--id", "long", "--title", "x", "--language", "zxx"]);
    let adding = adopt(command.args(["--area", "66"]).spawn().unwrap());
    let first = wait_for("the conversion", 60, || converter(&center));
    center.kill();
    drop(adding);
    wait_for("the conversion to end with the center", 60, || {
        (!Path::new(&format!("/proc/{first}")).exists() || converter(&center) != Some(first)).then_some(())
    });
    center.start();
    let revision = wait_for("the second conversion", 90, || {
        let revision = center.json(["bulletin", "show", "long"])["revisions"][0].clone();
        revision["sound"].is_object().then_some(revision)
    });
    assert_eq!(revision["sound"]["duration_ms"], 120_000, "{revision}");
    wait_for("nothing to be left of the upload", 20, || {
        (std::fs::read_dir(center.data().join("uploads")).unwrap().count() == 0).then_some(())
    });
    let media = std::fs::read_dir(center.data().join("media")).unwrap().count();
    assert_eq!((media, center.json(["bulletin", "show", "long"])["revisions"].as_array().unwrap().len()), (1, 1));
}

#[test]
fn a_center_killed_in_an_approval_has_it_whole_or_not_at_all() {
    let mut center = Center::new();
    center.start();
    center.furnish();
    let path = crate::harness::playlists().join("audio/cat-nuoc.opus");
    let path = path.to_str().unwrap();
    center.cli(["bulletin", "add", path, "--id", "water", "--title", "Nước", "--language", "vie", "--area", "66"]);
    center.cli(["bulletin", "submit", "water"]);
    let key = center.approver_key();
    let approve = ["bulletin", "approve", "water", "--key", key.to_str().unwrap(), "--highest", "priority"];
    let approvals =
        |center: &Center| center.look(async |store| store.approvals_of(&"water".parse().unwrap()).await).len();
    let mut command = center.command();
    let approving = std::thread::spawn({
        command.args(approve);
        move || run(&mut command).status.success()
    });
    // The moment at which it is in the database: the answer may or may not get out.
    wait_for("the approval in the database", 60, || (approvals(&center) == 1).then_some(()));
    center.kill();
    let told = approving.join().unwrap();
    center.start();
    let state = |center: &Center| center.json(["bulletin", "show", "water"])["revisions"][0]["state"].clone();
    if state(&center) != "approved" {
        assert!(!told, "it was told to be approved, and is not: {}", center.json(["bulletin", "show", "water"]));
        center.cli(approve);
    }
    assert_eq!((state(&center), approvals(&center)), ("approved".into(), 1), "once, and for good");
    center.cli(["verify"]);
}

#[test]
fn a_damaged_file_at_the_center_is_not_sent_and_goes_out_once_it_is_put_back() {
    let (center, _mosquitto, counter, mut poles) = slow_delivery(4_000);
    let sound = center.json(["bulletin", "show", "long"])["revisions"][0]["sound"].clone();
    let path = center.data().join("media").join(format!("{}.opus", sound["media"].as_str().unwrap()));
    let good = std::fs::read(&path).unwrap();
    let mut garbled = good.clone();
    garbled[good.len() / 2] ^= 1;
    for bad in [garbled, good[..good.len() - 1000].to_vec(), vec![]] {
        std::fs::write(&path, bad).unwrap();
        let told = center.log().matches("cannot be sent").count();
        if poles[0].process.is_none() {
            poles[0].start();
        }
        wait_for("the center to find it", 60, || (center.log().matches("cannot be sent").count() > told).then_some(()));
    }
    assert_eq!(counter.count(), 0, "something was sent of a damaged file");
    std::fs::write(&path, &good).unwrap();
    wait_whole(&poles[0], &good, chunks_of(&center));
}
