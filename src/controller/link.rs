//! The connection to the broker: carries messages both ways, stores nothing, and is never waited for.
//!
//! Runs as a task of its own beside the event loop. Reconnects back off with jitter, so that a thousand speakers that lost the
//! same broker do not come back in the same second.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rumqttc::{
    AsyncClient, Event as MqttEvent, EventLoop, LastWill, MqttOptions, Packet, QoS, SubscribeReasonCode, Transport,
};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tracing::{info, warn};

use super::config::Broker;
use super::engine::Effect;
use crate::domain::ids::SpeakerId;
use crate::protocol::limits::PACKET_BYTES;

/// What the link tells the event loop.
#[derive(Debug)]
pub enum LinkEvent {
    Connected,
    Disconnected,
    Message { topic: String, payload: Vec<u8> },
}

const KEEP_ALIVE: Duration = Duration::from_secs(30);
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Requests that may wait for the socket. When it is full, messages are dropped here: state is sent again by heartbeat, records
/// until acknowledged, wants until satisfied.
const QUEUE: usize = 200;
/// Events that may wait for the event loop before the socket is no longer read.
const EVENTS: usize = 64;

/// The next last will, set by the engine before each connection.
pub type NextWill = Arc<Mutex<(String, Vec<u8>)>>;
/// How the next connection is made; a renewed certificate changes it.
pub type NextTransport = Arc<Mutex<Transport>>;

/// Dropping it ends the connection as a torn cable does: without a goodbye.
#[derive(Debug)]
pub struct Link {
    client: AsyncClient,
    task: AbortHandle,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Link {
    /// Starts the task. Events arrive on the receiver; while nobody takes them, the socket is not read.
    pub fn start(
        broker: &Broker,
        transport: NextTransport,
        speaker: &SpeakerId,
        password: &str,
        will: NextWill,
    ) -> (Self, mpsc::Receiver<LinkEvent>) {
        Self::start_with(broker, transport, speaker, password, will, EVENTS)
    }

    /// The same with room for fewer events, so that a slow reader slows its broker down sooner.
    pub fn start_with(
        broker: &Broker,
        transport: NextTransport,
        speaker: &SpeakerId,
        password: &str,
        will: NextWill,
        events: usize,
    ) -> (Self, mpsc::Receiver<LinkEvent>) {
        let mut options = MqttOptions::new(speaker.as_str(), broker.host.as_str(), broker.port);
        options.set_keep_alive(KEEP_ALIVE).set_clean_session(true).set_max_packet_size(PACKET_BYTES, PACKET_BYTES);
        options.set_credentials(speaker.as_str(), password);
        let (client, event_loop) = AsyncClient::new(options, QUEUE);
        let (sender, receiver) = mpsc::channel(events);
        let task = tokio::spawn(run(event_loop, sender, will, transport)).abort_handle();
        (Self { client, task }, receiver)
    }

    /// Does those effects that concern the network, and says whether this was one.
    pub fn take(&self, effect: &Effect) -> bool {
        let sent = match effect {
            Effect::Publish { topic, payload, retain, at_least_once } => {
                let qos = if *at_least_once { QoS::AtLeastOnce } else { QoS::AtMostOnce };
                self.client.try_publish(topic.as_str(), qos, *retain, payload.clone())
            }
            Effect::Subscribe(filter) => self.client.try_subscribe(filter.as_str(), QoS::AtLeastOnce),
            Effect::Unsubscribe(filter) => self.client.try_unsubscribe(filter.as_str()),
            _ => return false,
        };
        if sent.is_err() {
            warn!("the link is too slow; a message was dropped and will be sent again");
        }
        true
    }

    /// Says goodbye, so that the broker does not publish the last will.
    pub fn disconnect(&self) {
        let _ = self.client.try_disconnect();
    }
}

async fn run(mut event_loop: EventLoop, events: mpsc::Sender<LinkEvent>, will: NextWill, transport: NextTransport) {
    let mut wait = FIRST_WAIT;
    let mut connected = false;
    loop {
        if !connected && let Ok(will) = will.lock() {
            let will = LastWill::new(will.0.as_str(), will.1.clone(), QoS::AtLeastOnce, true);
            event_loop.mqtt_options.set_last_will(will);
        }
        if !connected && let Ok(transport) = transport.lock() {
            event_loop.mqtt_options.set_transport(transport.clone());
        }
        let event = match event_loop.poll().await {
            Ok(MqttEvent::Incoming(Packet::ConnAck(_))) => {
                info!("connected to the broker");
                (connected, wait) = (true, FIRST_WAIT);
                Some(LinkEvent::Connected)
            }
            Ok(MqttEvent::Incoming(Packet::Publish(publish))) => {
                Some(LinkEvent::Message { topic: publish.topic, payload: publish.payload.into() })
            }
            Ok(MqttEvent::Incoming(Packet::SubAck(ack))) => {
                if ack.return_codes.contains(&SubscribeReasonCode::Failure) {
                    warn!("the broker refuses a subscription: what is sent there does not come; look at its ACL");
                }
                None
            }
            Ok(_) => None,
            Err(error) => {
                if connected && events.send(LinkEvent::Disconnected).await.is_err() {
                    return;
                }
                if connected || wait == FIRST_WAIT {
                    info!("no connection to the broker ({error}); playing on from what is here, and trying again");
                }
                connected = false;
                // What was queued for the old connection is stale; the engine sends anew after connecting.
                event_loop.clean();
                event_loop.pending.clear();
                tokio::time::sleep(jittered(wait)).await;
                wait = (wait * 2).min(LONGEST_WAIT);
                None
            }
        };
        if let Some(event) = event
            && events.send(event).await.is_err()
        {
            return;
        }
    }
}

/// Between half of `wait` and all of it.
fn jittered(wait: Duration) -> Duration {
    let mut random = [0; 2];
    let _ = getrandom::fill(&mut random);
    wait.mul_f64(0.5 + f64::from(u16::from_le_bytes(random)) / 131_072.0)
}
