//! A real Mosquitto, set up as docs/BROKERS.md says with the files that `loaxa broker` makes: it serves, and lets nobody do more than that.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rumqttc::{Client, Connection, Event, LastWill, MqttOptions, Packet, QoS, TlsConfiguration, Transport};
use rustls::ClientConfig;

use crate::harness::{Center, Pole, Process, Sound, adopt, repository, run, wait_for};

const CENTER_PASSWORD: &str = "cua-trung-tam";

/// The center with its broker, and two speakers that have passwords.
struct World {
    center: Center,
    poles: [Pole; 2],
    mosquitto: Process,
    outside: u16,
    inside: u16,
    tls: Arc<ClientConfig>,
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The configuration that the page shows, with our places in it.
fn documented(dir: &Path, outside: u16, inside: u16) -> String {
    let page = std::fs::read_to_string(repository().join("docs/BROKERS.md")).unwrap();
    let conf = page.split("```conf\n").nth(1).unwrap().split("```").next().unwrap();
    let conf: Vec<_> = conf.lines().map(str::trim_start).collect();
    // Where tests run as root, it could not read a temporary directory otherwise.
    let mut conf = conf.join("\n").replace("/etc/mosquitto/loaxa", dir.to_str().unwrap()) + "\nuser root\n";
    for (theirs, ours) in [("listener 8883\n", outside), ("listener 8884 127.0.0.1\n", inside)] {
        assert!(conf.contains(theirs), "{conf}");
        conf = conf.replace(theirs, &format!("listener {ours} 127.0.0.1\n"));
    }
    conf
}

/// Step 1 of the page, without what needs an account of Mosquitto's own.
fn make_certificates(dir: &Path) {
    let page = std::fs::read_to_string(repository().join("docs/BROKERS.md")).unwrap();
    let commands = page.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let ours =
        commands.lines().map(str::trim_start).filter(|line| line.starts_with("openssl") || line.starts_with("printf"));
    let script = ours.map(|line| line.replace("HOST", "broker.example") + "\n").collect::<String>();
    let output = run(Command::new("sh").args(["-ec", &script]).current_dir(dir));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Step 4 of the page.
fn write_files(center: &Center, dir: &Path) {
    for file in ["acl", "passwd"] {
        center.cli(["broker", file, "--out", dir.join(file).to_str().unwrap()]);
    }
}

fn world() -> World {
    let mut center = Center::new();
    let dir = center.dir.path().join("broker");
    std::fs::create_dir(&dir).unwrap();
    make_certificates(&dir);
    let told = center.cli_fails(["broker", "passwd"]);
    assert!(told.contains("mqtt.broker is not set") && told.contains("mqtts://center:"), "{told}");
    let (outside, inside) = (free_port(), free_port());
    let url = format!("mqtts://center:{CENTER_PASSWORD}@127.0.0.1:{inside}");
    let ca = dir.join("ca.pem");
    let toml = format!("[mqtt]\nbroker = \"{url}\"\nbroker_ca = {ca:?}\n");
    std::fs::write(center.data().join("loaxa.toml"), toml).unwrap();
    center.flags = vec!["--broker".into(), url];
    center.start();
    center.furnish();
    center.approved("water", "cat-nuoc.opus");
    let poles = ["a", "b"].map(|id| {
        let mut pole = Pole::add(&center, id, id, "24133", Sound::Dac { ppm: 0.0 });
        pole.environment.push(("LOAXA_CENTER__CA".into(), ca.display().to_string()));
        pole.environment.push(("LOAXA_CENTER__MQTT".into(), format!("mqtts://127.0.0.1:{outside}")));
        pole
    });
    write_files(&center, &dir);
    let conf = dir.join("mosquitto.conf");
    std::fs::write(&conf, documented(&dir, outside, inside)).unwrap();
    let log = std::fs::File::create(dir.join("log")).unwrap();
    let child = Command::new("mosquitto").arg("-v").arg("-c").arg(&conf).stdout(Stdio::null()).stderr(log).spawn();
    let mosquitto = adopt(child.unwrap());
    for port in [outside, inside] {
        wait_for("mosquitto", 10, || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    }
    let tls = loaxa::controller::tls::with_password(&std::fs::read(&ca).unwrap()).unwrap();
    World { center, poles, mosquitto, outside, inside, tls }
}

impl World {
    fn options(&self, port: u16, client_id: &str) -> MqttOptions {
        let mut options = MqttOptions::new(client_id, "127.0.0.1", port);
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(self.tls.clone())));
        options.set_max_packet_size(1 << 20, 1 << 20);
        options
    }

    fn signed_in(&self, port: u16, client_id: &str, user: &str, password: &str) -> Result<Guest, String> {
        let mut options = self.options(port, client_id);
        options.set_credentials(user, password);
        enter(options)
    }

    /// New files, and Mosquitto reads them.
    fn reload(&self) {
        write_files(&self.center, &self.center.dir.path().join("broker"));
        assert!(Command::new("kill").args(["-HUP", &self.mosquitto.id().to_string()]).status().unwrap().success());
    }
}

struct Guest {
    client: Client,
    connection: Connection,
}

fn enter(options: MqttOptions) -> Result<Guest, String> {
    let (client, mut connection) = Client::new(options, 200);
    match connection.recv_timeout(Duration::from_secs(15)) {
        Ok(Ok(Event::Incoming(Packet::ConnAck(_)))) => Ok(Guest { client, connection }),
        other => Err(format!("{other:?}")),
    }
}

impl Guest {
    /// Topics and payloads until one of them is the last.
    fn hear(&mut self, is_last: impl Fn(&str, &[u8]) -> bool) -> Vec<(String, Vec<u8>)> {
        let mut heard = vec![];
        loop {
            match self.connection.recv_timeout(Duration::from_secs(40)) {
                Ok(Ok(Event::Incoming(Packet::Publish(publish)))) => {
                    heard.push((publish.topic.clone(), publish.payload.to_vec()));
                    if is_last(&publish.topic, &publish.payload) {
                        return heard;
                    }
                }
                Ok(Ok(_)) => {}
                other => panic!("{other:?}; heard {:?}", heard.iter().map(|(topic, _)| topic).collect::<Vec<_>>()),
            }
        }
    }
}

fn password(config: &Path) -> String {
    let config: toml::Table = std::fs::read_to_string(config).unwrap().parse().unwrap();
    config["center"]["password"].as_str().unwrap().to_owned()
}

#[test]
fn a_mosquitto_set_up_as_documented_serves_and_lets_nobody_do_more() {
    let mut world = world();
    world.poles[0].start();
    world.center.schedule_once("one", &["water"], 8_000, &["66"]);
    world.center.wait_ready("a");
    let play = world.center.play("a", "one", 60);
    assert_eq!(play["outcome"], "played", "{play}\n{}", world.poles[0].log());

    // Speaker b's own credentials in hostile hands, under any client id.
    let word = password(&world.poles[1].config());
    let mut b = world.signed_in(world.outside, "a", "b", &word).unwrap();
    for filter in
        ["#", "loaxa/1/mau/#", "+/+/+/+/+/+", "$SYS/#", "loaxa/1/mau/speakers/a/plan", "loaxa/1/mau/speakers/+/plan"]
    {
        b.client.subscribe(filter, QoS::AtLeastOnce).unwrap();
    }
    // Whoever says that it is there is sent its plan, and every new one.
    let own = r#"{"birth":1,"online":true}"#;
    b.client.publish("loaxa/1/mau/speakers/b/state", QoS::AtLeastOnce, true, own).unwrap();
    b.hear(|topic, _| topic == "loaxa/1/mau/speakers/b/plan");
    // New content makes new plans for both, and chunks for a.
    world.center.approved("dengue", "sot-xuat-huyet.mp3");
    world.center.schedule_once("two", &["dengue"], 3_600_000, &["66"]);
    let mut heard = b.hear(|topic, _| topic.starts_with("loaxa/1/mau/media/"));
    world.center.wait_ready("a");
    world.center.schedule_once("three", &["dengue"], 7_200_000, &["66"]);
    heard.extend(b.hear(|topic, _| topic == "loaxa/1/mau/speakers/b/plan"));
    for (topic, _) in &heard {
        let own = topic == "loaxa/1/mau/speakers/b/plan";
        assert!(own || topic.starts_with("loaxa/1/mau/media/"), "b could read {topic}");
    }

    // It writes, and somebody who hears everything hears nothing of it but its own.
    let mut witness = world.signed_in(world.inside, "center-witness", "center", CENTER_PASSWORD).unwrap();
    witness.client.subscribe("loaxa/1/mau/#", QoS::AtLeastOnce).unwrap();
    witness.hear(|topic, _| topic == "loaxa/1/mau/speakers/a/state");
    let chunk = format!("loaxa/1/mau/media/{}/0", "ab".repeat(32));
    for topic in [
        "loaxa/1/mau/speakers/a/state",
        "loaxa/1/mau/speakers/a/report",
        "loaxa/1/mau/speakers/a/plan",
        "loaxa/1/mau/speakers/a/time",
        "loaxa/1/mau/speakers/b/plan",
        "loaxa/1/mau/speakers/b/anything",
        "loaxa/1/mau/areas/66/command",
        "loaxa/1/mau/x",
        &chunk,
    ] {
        b.client.publish(topic, QoS::AtLeastOnce, true, "forged").unwrap();
    }
    b.client.publish("loaxa/1/mau/speakers/b/state", QoS::AtLeastOnce, true, own).unwrap();
    let pump = std::thread::spawn(move || {
        while !matches!(b.connection.recv_timeout(Duration::from_millis(500)), Ok(Err(_)) | Err(_)) {}
        b
    });
    let heard = witness.hear(|topic, _| topic == "loaxa/1/mau/speakers/b/state");
    assert!(heard.iter().all(|(_, payload)| payload != b"forged"), "{heard:?}");
    let b = pump.join().unwrap();

    // Neither a foreign last will nor the wrong name or word gets in; a was never thrown off by a guest who called itself a.
    let mut with_will = world.options(world.outside, "b");
    with_will.set_credentials("b", word.as_str());
    with_will.set_last_will(LastWill::new("loaxa/1/mau/speakers/a/state", "forged", QoS::AtLeastOnce, true));
    // Mosquitto lets it in, but does not publish it when the connection breaks.
    let gone = || {
        let log = std::fs::read_to_string(world.center.dir.path().join("broker/log")).unwrap();
        log.lines()
            .filter(|line| line.contains("lient b") && (line.contains("closed") || line.contains("disconnect")))
            .count()
    };
    let before = gone();
    drop(enter(with_will));
    wait_for("the broker to notice", 20, || (gone() > before).then_some(()));
    let again = world.signed_in(world.outside, "b", "b", &word).unwrap();
    again.client.publish("loaxa/1/mau/speakers/b/state", QoS::AtLeastOnce, true, own).unwrap();
    let pump = std::thread::spawn(move || {
        let mut again = again;
        while matches!(again.connection.recv_timeout(Duration::from_millis(500)), Ok(Ok(_))) {}
    });
    let heard = witness.hear(|topic, _| topic == "loaxa/1/mau/speakers/b/state");
    assert!(heard.iter().all(|(_, payload)| payload != b"forged"), "a last will on another's topic: {heard:?}");
    pump.join().unwrap();
    assert!(enter(world.options(world.outside, "nobody")).is_err(), "without a name");
    for (user, with) in [("nobody", "x"), ("b", "x"), ("a", &*word), ("center", &*word), ("+", &*word), ("", "")] {
        for port in [world.outside, world.inside] {
            assert!(world.signed_in(port, user, user, with).is_err(), "{user:?} got in");
        }
    }
    assert_eq!(world.poles[0].log().matches("no connection to the broker").count(), 0, "{}", world.poles[0].log());
    assert_eq!(world.center.speaker("a")["link"]["state"], "online");
    drop(b);

    // A new password is worth something from the next file on, and the old one nothing; who is disabled is not in it.
    let config = world.center.dir.path().join("b.toml");
    let told =
        world.center.cli(["speaker", "password", "b", "--config-out", config.to_str().unwrap(), "--mqtt", "mqtts://h"]);
    assert!(told.contains("center.ca") && told.contains("loaxa broker passwd"), "{told}");
    let next = password(&config);
    assert!(world.signed_in(world.outside, "b", "b", &next).is_err());
    world.reload();
    wait_for("the new password to count", 20, || world.signed_in(world.outside, "b", "b", &next).ok().map(drop));
    assert!(world.signed_in(world.outside, "b", "b", &word).is_err());
    let mut live = world.signed_in(world.outside, "b", "b", &next).unwrap();
    world.center.cli(["speaker", "disable", "b"]);
    world.reload();
    wait_for("b's connection to end", 20, || match live.connection.recv_timeout(Duration::from_millis(100)) {
        Ok(Err(_)) => Some(()),
        _ => None,
    });
    wait_for("b to be refused", 20, || world.signed_in(world.outside, "b", "b", &next).is_err().then_some(()));
    let listed = world.center.cli(["broker", "passwd"]);
    assert!(listed.lines().all(|line| line.contains(":$7$101$")) && !listed.contains("\nb:"), "{listed}");
    assert_eq!(world.center.speaker("a")["link"]["state"], "online", "the others stay");
}
