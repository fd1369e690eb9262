//! The center's connections to its broker: for words, for plans and for media, so that a clock probe never waits behind a chunk.

use std::sync::Arc;
use std::time::Duration;

use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS, TlsConfiguration, Transport};
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use super::app::{App, now_ms, now_ns};
use super::broker::CENTER_USER;
use super::tls;
use crate::domain::ids::SpeakerId;
use crate::protocol::limits::{MESSAGE_BYTES, PACKET_BYTES};
use crate::protocol::message::{self, ClockAnswer, ClockProbe, Want};
use crate::protocol::topics::{self, Down, Topic, Up};

/// How to reach the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerAddress {
    pub host: String,
    pub port: u16,
    pub tls: bool,
    pub user: String,
    pub password: String,
}

impl BrokerAddress {
    /// Reads `mqtt[s]://[user:password@]host[:port]`.
    pub fn parse(url: &str) -> Result<Self, String> {
        let (rest, tls) = match (url.strip_prefix("mqtts://"), url.strip_prefix("mqtt://")) {
            (Some(rest), _) => (rest, true),
            (None, Some(rest)) => (rest, false),
            (None, None) => return Err("it is not of the form mqtts://[user:password@]host:8883".into()),
        };
        let (credentials, place) =
            rest.trim_end_matches('/').rsplit_once('@').unwrap_or(("", rest.trim_end_matches('/')));
        let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| format!("{port:?} is not a port number"))?),
            None => (place, if tls { 8883 } else { 1883 }),
        };
        Ok(Self { host: host.into(), port, tls, user: user.into(), password: password.into() })
    }
}

/// A message that concerns the store.
#[derive(Debug)]
pub enum Heard {
    State { speaker: SpeakerId, payload: Vec<u8> },
    Report { speaker: SpeakerId, payload: Vec<u8> },
    Renew { speaker: SpeakerId, payload: Vec<u8> },
}

/// A want, and whose.
#[derive(Debug)]
pub struct Asked {
    pub speaker: SpeakerId,
    pub want: Want,
}

/// The ends that the rest of the center holds.
#[derive(Debug)]
pub struct Link {
    pub words: AsyncClient,
    pub plans: AsyncClient,
    pub media: AsyncClient,
    pub heard: mpsc::Receiver<Heard>,
    pub wants: mpsc::Receiver<Asked>,
    /// Rises with every connection: the broker may have forgotten everything that was retained.
    pub connections: watch::Receiver<u64>,
}

const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Messages waiting for the store. Those that find it full are dropped, and their speakers send again.
const HEARD_QUEUE: usize = 10_000;
/// Wants beyond this are dropped; their speakers ask again.
const WANT_QUEUE: usize = 10_000;

pub fn start(app: &Arc<App>, broker: &BrokerAddress) -> Result<Link, String> {
    let transport = transport(app, broker)?;
    let connect = |name: &str, queue: usize| {
        let mut options =
            MqttOptions::new(format!("{CENTER_USER}-{}-{name}", app.site.site), broker.host.clone(), broker.port);
        options.set_keep_alive(KEEP_ALIVE).set_clean_session(true).set_max_packet_size(PACKET_BYTES, PACKET_BYTES);
        options.set_inflight(500).set_transport(transport.clone());
        if !broker.user.is_empty() {
            options.set_credentials(broker.user.clone(), broker.password.clone());
        }
        AsyncClient::new(options, queue)
    };
    let (words, word_loop) = connect("words", 1000);
    // Few in the queue: what waits there cannot be overtaken by something more urgent.
    let (media, media_loop) = connect("media", 8);
    // Each may be large, so few of them wait in memory.
    let (plans, plan_loop) = connect("plans", 32);
    let (heard_sender, heard) = mpsc::channel(HEARD_QUEUE);
    app.pulse.hears_by(&heard_sender);
    let (want_sender, wants) = mpsc::channel(WANT_QUEUE);
    let (connection_sender, connections) = watch::channel(0);
    let listener = Listener {
        app: app.clone(),
        client: words.clone(),
        heard: heard_sender,
        wants: want_sender,
        connections: connection_sender,
    };
    tokio::spawn(listener.run(word_loop));
    tokio::spawn(only_send(media_loop));
    tokio::spawn(only_send(plan_loop));
    Ok(Link { words, plans, media, heard, wants, connections })
}

fn transport(app: &App, broker: &BrokerAddress) -> Result<Transport, String> {
    if !broker.tls {
        return Ok(Transport::Tcp);
    }
    let file = &app.config.mqtt.broker_ca;
    let pem = match file.as_str() {
        "" => app.transport.pem().as_bytes().to_vec(),
        file => std::fs::read(file).map_err(|e| format!("mqtt.broker_ca: {file} cannot be read: {e}"))?,
    };
    let config = tls::client_config(&pem).map_err(|e| format!("mqtt.broker_ca: {file}: {e}"))?;
    Ok(Transport::tls_with_config(TlsConfiguration::Rustls(config)))
}

struct Listener {
    app: Arc<App>,
    client: AsyncClient,
    heard: mpsc::Sender<Heard>,
    wants: mpsc::Sender<Asked>,
    connections: watch::Sender<u64>,
}

impl Listener {
    async fn run(self, mut event_loop: EventLoop) {
        let mut connected = true;
        loop {
            match event_loop.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    info!("connected to the broker");
                    connected = true;
                    self.app.pulse.broker_is(true, now_ms());
                    for kind in Up::ALL {
                        let filter = topics::up_from_all(&self.app.site.site, kind);
                        if self.client.try_subscribe(filter, QoS::AtLeastOnce).is_err() {
                            warn!("the broker is slow; reconnecting");
                            event_loop.clean();
                        }
                    }
                    self.connections.send_modify(|connections| *connections += 1);
                }
                Ok(Event::Incoming(Packet::Publish(publish))) => {
                    let arrived_ns = now_ns();
                    self.hear(&publish.topic, publish.payload.to_vec(), arrived_ns);
                }
                Ok(_) => {}
                Err(error) => {
                    if connected {
                        warn!("no connection to the broker ({error}); trying again");
                    }
                    connected = false;
                    self.app.pulse.broker_is(false, now_ms());
                    event_loop.pending.clear();
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }
        }
    }

    /// Never waits: the store's side waits for this loop to publish its acknowledgements. What is dropped is sent again.
    fn pass_on(&self, heard: Heard) {
        if self.heard.try_send(heard).is_err() {
            self.app.pulse.dropped_one();
            warn!("the store is behind; a message was dropped and will come again");
        }
    }

    fn hear(&self, topic: &str, payload: Vec<u8>, arrived_unix_ns: i64) {
        let Some(Topic::Up(speaker, kind)) = topics::parse(&self.app.site.site, topic) else { return };
        if payload.len() > MESSAGE_BYTES {
            warn!("{speaker} sent {} bytes on {topic}; dropped", payload.len());
            return;
        }
        match kind {
            Up::Clock => {
                let Ok(probe) = message::parse::<ClockProbe>(&payload) else { return };
                let topic = topics::down(&self.app.site.site, &speaker, Down::Time);
                let answer = ClockAnswer {
                    sequence: probe.sequence,
                    sent_mono_ns: probe.sent_mono_ns,
                    arrived_unix_ns,
                    answered_unix_ns: now_ns(),
                };
                // A lost answer costs nothing; the next probe comes soon.
                let signed = answer.sign(&self.app.site.site, &speaker, &self.app.trust().dispatcher);
                let _ = self.client.try_publish(topic, QoS::AtMostOnce, false, message::bytes(&signed));
            }
            Up::Want => match message::parse::<Want>(&payload) {
                Ok(want) => {
                    let _ = self.wants.try_send(Asked { speaker, want });
                }
                Err(error) => warn!("{speaker} sent a want that cannot be read: {error}"),
            },
            Up::State => {
                self.pass_on(Heard::State { speaker, payload });
            }
            Up::Report => {
                self.pass_on(Heard::Report { speaker, payload });
            }
            Up::Renew => {
                self.pass_on(Heard::Renew { speaker, payload });
            }
        }
    }
}

/// Keeps a connection up that only sends.
async fn only_send(mut event_loop: EventLoop) {
    loop {
        if event_loop.poll().await.is_err() {
            // What was waiting is asked for again by those who lack it.
            event_loop.clean();
            event_loop.pending.clear();
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broker_addresses_with_and_without_credentials() {
        let read = |url| BrokerAddress::parse(url).map(|b| (b.host, b.port, b.user, b.password));
        assert_eq!(read("mqtt://h").unwrap(), ("h".into(), 1883, String::new(), String::new()));
        assert_eq!(read("mqtt://u:p@h:2000/").unwrap(), ("h".into(), 2000, "u".into(), "p".into()));
        assert!(BrokerAddress::parse("mqtts://h").is_ok_and(|b| b.tls && b.port == 8883));
        assert!(read("http://h").is_err() && read("mqtt://h:x").is_err());
    }
}
