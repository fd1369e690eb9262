//! The embedded MQTT broker (rmqtt), purely in memory, with a doorman.
//!
//! The broker is never the memory: everything is published again from the store at boot, so nothing is kept on disk here. It listens
//! on a loopback port for the center alone and for what comes through the TLS door (`front.rs`), and only without TLS on an outer one,
//! where speakers have passwords. A speaker may only write under its own topics and only read what is meant for it; everything not
//! allowed is refused.

use std::collections::{HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rmqtt::codec::v5::SubscribeAckReason;
use rmqtt::context::ServerContext;
use rmqtt::hook::{Handler, HookResult, Parameter, ReturnType, Type};
use rmqtt::net::{Builder, Listener};
use rmqtt::server::MqttServer;
use rmqtt::types::{AuthResult, Id, LastWill, ListenerId, PublishAclResult, SubscribeAclResult};
use sha2::{Digest, Sha256};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tracing::error;

use super::accept::PATIENCE;
use super::app::App;
use super::front;
use super::passwords;
use super::rate::Rates;
use crate::domain::ids::{SiteId, SpeakerId};
use crate::protocol::limits::{MESSAGE_BYTES, PACKET_BYTES};
use crate::protocol::topics::{self, Topic, Up};

/// The user name under which the center itself signs in.
pub const CENTER_USER: &str = "center";

/// The listener inside, the one outside where there is no TLS, and the center's own.
const INSIDE: ListenerId = 1;
const OUTSIDE: ListenerId = 2;
const CENTER: ListenerId = 3;
/// Filters of media that a speaker may have at once; an honest one takes four files, by one filter or by 32.
const MEDIA_FILTERS: usize = 160;

#[derive(Clone)]
struct Doorman {
    app: Arc<App>,
    center_password: String,
    /// The media filters that each client was granted in its session.
    filters: Arc<Mutex<Filters>>,
    rates: Arc<Rates>,
}

#[async_trait::async_trait]
impl Handler for Doorman {
    async fn hook(&self, parameter: &Parameter, before: Option<HookResult>) -> ReturnType {
        match parameter {
            Parameter::ClientAuthenticate(info) => {
                let user = info.username().map(|name| name.to_string()).unwrap_or_default();
                let password = info.password().map(|password| password.to_vec()).unwrap_or_default();
                // A last will is published without being asked about again, so it is judged here.
                let will_topic = info.last_will().map(|will| match will {
                    LastWill::V3(will) => will.topic.to_string(),
                    LastWill::V5(will) => will.topic.to_string(),
                });
                let site = &self.app.site.site;
                let entered =
                    self.may_enter(info.id(), &user, info.client_id(), &password).and_then(|()| match will_topic {
                        // What would be kept for later has no bound here, and an honest board subscribes anew each time.
                        _ if user != CENTER_USER && !info.clean_start() => {
                            Err("it asks for a session that outlives the connection".into())
                        }
                        Some(topic) if !may_write(site, &user, &topic) => {
                            Err(format!("its last will is on {topic:.200}"))
                        }
                        _ => Ok(()),
                    });
                let result = match entered {
                    Ok(()) => {
                        self.forget_filters(info.client_id());
                        AuthResult::Allow(false, None)
                    }
                    Err(why) => {
                        self.deny(&user, &why);
                        AuthResult::BadUsernameOrPassword
                    }
                };
                (false, Some(HookResult::AuthResult(result)))
            }
            Parameter::ClientSubscribeCheckAcl(session, subscribe) => {
                let user = session.username().map(|name| name.to_string()).unwrap_or_default();
                let filter = &subscribe.topic_filter;
                let result = if !may_read(&self.app.site.site, &user, filter) {
                    self.deny(&user, &format!("may not read {filter:.200}"));
                    SubscribeAclResult::new_failure(SubscribeAckReason::NotAuthorized)
                } else if user != CENTER_USER
                    && is_media(&self.app.site.site, filter)
                    && !self.filters.lock().is_ok_and(|mut filters| filters.grant(&session.id.client_id, filter))
                {
                    self.deny(&user, &format!("listens for more than {MEDIA_FILTERS} files"));
                    SubscribeAclResult::new_failure(SubscribeAckReason::QuotaExceeded)
                } else {
                    SubscribeAclResult::new_success(subscribe.opts.qos(), None)
                };
                (false, Some(HookResult::SubscribeAclResult(result)))
            }
            Parameter::ClientUnsubscribe(session, unsubscribe) => {
                if let Ok(mut filters) = self.filters.lock() {
                    filters.release(&session.id.client_id, &unsubscribe.topic_filter);
                }
                (true, before)
            }
            Parameter::ClientDisconnected(session, _) => {
                self.forget_filters(&session.id.client_id);
                (true, before)
            }
            Parameter::MessagePublishCheckAcl(session, publish) => {
                let user = session.username().map(|name| name.to_string()).unwrap_or_default();
                let result = if let Err(why) = self.may_say_more(&user, &publish.topic, publish.payload.len()) {
                    self.deny(&user, why);
                    PublishAclResult::rejected(false, None)
                } else if !may_write(&self.app.site.site, &user, &publish.topic) {
                    self.deny(&user, &format!("may not write {:.200}", publish.topic));
                    PublishAclResult::rejected(false, None)
                } else if user != CENTER_USER && publish.payload.len() > MESSAGE_BYTES {
                    self.deny(&user, &format!("wrote {} bytes on {:.200}", publish.payload.len(), publish.topic));
                    PublishAclResult::rejected(false, None)
                } else {
                    PublishAclResult::allow()
                };
                (false, Some(HookResult::PublishAclResult(result)))
            }
            _ => (true, before),
        }
    }
}

impl Doorman {
    /// A client's id must be its user name, so that nobody can throw another off by taking its id.
    fn may_enter(&self, id: &Id, user: &str, client_id: &str, password: &[u8]) -> Result<(), String> {
        let known = |good: bool, why: &str| if good { Ok(()) } else { Err(why.to_owned()) };
        let gate = &self.app.gate;
        if id.lid == CENTER {
            return known(
                user == CENTER_USER
                    && client_id.starts_with(CENTER_USER)
                    && same(&Sha256::digest(password), &Sha256::digest(&self.center_password)),
                "only the center comes in this way",
            );
        }
        if id.lid == INSIDE {
            return match id.remote_addr.and_then(|from| gate.who_is(&from)) {
                Some(speaker) => known(
                    speaker.as_str() == user && client_id == user,
                    &format!("its certificate is {speaker}'s, its client id {client_id:.80}"),
                ),
                None => known(false, "only who came through the door comes in this way"),
            };
        }
        let refused = Err("no such name and password".to_owned());
        let Ok(speaker) = user.parse::<SpeakerId>() else { return refused };
        if gate.is_disabled(&speaker) {
            return Err("it is disabled".into());
        }
        let Ok(kept) = self.app.speaker_passwords.read() else { return refused };
        let good = kept.get(&speaker).is_some_and(|kept| passwords::is_of(kept, password));
        if good { known(client_id == user, "its client id is not its name") } else { refused }
    }

    /// What it may not write counts too: it costs as much to look at.
    fn may_say_more(&self, user: &str, topic: &str, payload_bytes: usize) -> Result<(), &'static str> {
        let Ok(speaker) = user.parse::<SpeakerId>() else { return Ok(()) };
        if user == CENTER_USER {
            return Ok(());
        }
        let kind = match topics::parse(&self.app.site.site, topic) {
            Some(Topic::Up(_, kind)) => kind,
            _ => Up::State,
        };
        self.rates.spend(&speaker, kind, topic.len() + payload_bytes, Instant::now())
    }

    fn deny(&self, user: &str, why: &str) {
        self.app.gate.denials.note(&format!("{user:?} at the broker"), why);
    }

    fn forget_filters(&self, client_id: &str) {
        if let Ok(mut filters) = self.filters.lock() {
            filters.0.remove(client_id);
        }
    }
}

#[derive(Debug, Default)]
struct Filters(HashMap<String, HashSet<String>>);

impl Filters {
    fn grant(&mut self, client_id: &str, filter: &str) -> bool {
        let granted = self.0.entry(client_id.to_owned()).or_default();
        if !granted.contains(filter) && granted.len() >= MEDIA_FILTERS {
            return false;
        }
        granted.insert(filter.to_owned());
        true
    }

    /// Whoever gives back what it never had gains nothing.
    fn release(&mut self, client_id: &str, filter: &str) {
        if let Some(granted) = self.0.get_mut(client_id) {
            granted.remove(filter);
        }
    }
}

/// Compares digests; digests of secrets reveal nothing by when they begin to differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a == b
}

fn may_read(site: &SiteId, user: &str, filter: &str) -> bool {
    if user == CENTER_USER {
        return true;
    }
    // Chunks of a file: one level may be open. Anything else must be named exactly.
    if filter.ends_with("/+") {
        return is_media(site, filter);
    }
    match topics::parse(site, filter) {
        Some(Topic::Down(speaker, _)) => speaker.as_str() == user,
        // Meant for many: no secret. Which areas and files concern it, the board knows.
        Some(Topic::Command(_) | Topic::Chunk(..)) => true,
        _ => false,
    }
}

/// All chunks of a file, or one of them.
fn is_media(site: &SiteId, filter: &str) -> bool {
    let one = filter.strip_suffix("/+").map_or_else(|| filter.to_owned(), |media| format!("{media}/0"));
    matches!(topics::parse(site, &one), Some(Topic::Chunk(..)))
}

fn may_write(site: &SiteId, user: &str, topic: &str) -> bool {
    user == CENTER_USER || matches!(topics::parse(site, topic), Some(Topic::Up(speaker, _)) if speaker.as_str() == user)
}

/// A broker that runs.
pub struct Broker {
    /// Where the center itself connects.
    pub center: SocketAddr,
    /// Where speakers do.
    pub outside: SocketAddr,
    pub tasks: Vec<tokio::task::JoinHandle<()>>,
}

/// Binds the listeners and serves until the returned tasks are aborted.
pub async fn start(app: Arc<App>, center_password: String) -> Result<Broker, String> {
    let mqtt = &app.config.mqtt;
    let wanted: SocketAddr = mqtt
        .address
        .parse()
        .map_err(|_| format!("mqtt.address {:?} is not an address such as 127.0.0.1:8883", mqtt.address))?;
    let context = ServerContext::new()
        .mqtt_max_sessions(20_000)
        .busy_check_enable(false)
        .plugins_config_map_add("rmqtt-retainer", "storage.type = \"ram\"\nmax_payload_size = \"1MB\"\n")
        .build()
        .await;
    let failed = |e: rmqtt::Error| format!("the broker cannot be started: {e}");
    rmqtt_retainer::register(&context, true, false).await.map_err(failed)?;
    let register = context.extends.hook_mgr().register();
    let doorman = Doorman { app: app.clone(), center_password, filters: Arc::default(), rates: Arc::default() };
    for hook in [
        Type::ClientAuthenticate,
        Type::ClientSubscribeCheckAcl,
        Type::ClientUnsubscribe,
        Type::ClientDisconnected,
        Type::MessagePublishCheckAcl,
    ] {
        register.add_priority(hook, 100, Box::new(doorman.clone())).await;
    }
    register.start().await;
    let loopback = (Ipv4Addr::LOCALHOST, 0).into();
    let (inner, inside) = listen(loopback, OF_A_SPEAKER)?;
    let (own, center) = listen(loopback, OF_THE_CENTER)?;
    let mut server = MqttServer::new(context.clone()).listener_by_id(inner, INSIDE).listener_by_id(own, CENTER);
    let (outside, door) = if mqtt.tls {
        let door = TcpListener::bind(wanted).await.map_err(|e| format!("mqtt.address {wanted}: {e}"))?;
        (door.local_addr().map_err(|e| e.to_string())?, Some(door))
    } else {
        let (outer, outside) = listen(wanted, OF_A_SPEAKER)?;
        server = server.listener_by_id(outer, OUTSIDE);
        (outside, None)
    };
    let server = server.build();
    let mut tasks = vec![tokio::spawn(async move {
        if let Err(error) = server.run().await {
            error!("the broker ended: {error}");
        }
    })];
    if let Some(door) = door {
        let app = app.clone();
        tasks.push(tokio::spawn(async move {
            if let Err(error) = front::run(app, door, inside).await {
                error!("the broker's door: {error}");
            }
        }));
    }
    tasks.push(tokio::spawn(kick(context, app.gate.kicks())));
    // The broker's own word is not taken for its listeners: somebody must answer. The TLS door is ours, and bound.
    let listeners = if mqtt.tls { vec![inside, center] } else { vec![inside, center, outside] };
    for bound in listeners {
        let probe = tokio::time::timeout(Duration::from_secs(5), TcpStream::connect(reachable(bound))).await;
        if !matches!(probe, Ok(Ok(_))) {
            return Err(format!("the broker does not answer on {bound}"));
        }
    }
    Ok(Broker { center, outside, tasks })
}

/// Messages that wait for one client, and those that are under way to it unconfirmed.
type Room = (usize, NonZeroU16);
/// A slow speaker loses what does not fit, and asks again.
const OF_A_SPEAKER: Room = (200, NonZeroU16::new(16).unwrap());
/// To the center everybody speaks at once: after a play that all of them have sounded, or when the mains come back.
const OF_THE_CENTER: Room = (50_000, NonZeroU16::new(2_000).unwrap());

fn listen(wanted: SocketAddr, (waiting, unconfirmed): Room) -> Result<(Listener, SocketAddr), String> {
    let listener = Builder::new()
        .name("loaxa")
        .laddr(wanted)
        // Without this a restart within the TIME_WAIT of old connections would silently not listen.
        .reuseaddr(Some(true))
        .nodelay(true)
        .allow_anonymous(false)
        .max_packet_size(PACKET_BYTES as u32)
        .max_connections(20_000)
        .max_clientid_len(64)
        .handshake_timeout(PATIENCE)
        .max_mqueue_len(waiting)
        .max_inflight(unconfirmed)
        // Of retained messages too; zero would mean at once.
        .message_expiry_interval(Duration::from_secs(365 * 24 * 3600))
        .session_expiry_interval(Duration::from_secs(60))
        .max_session_expiry_interval(Duration::from_secs(60))
        .bind()
        .map_err(|e| format!("the broker cannot listen on {wanted}: {e}"))?;
    let bound = listener.local_addr().map_err(|e| format!("the broker's address: {e}"))?;
    let listener = listener.tcp().map_err(|e| format!("the broker cannot listen on {wanted}: {e}"))?;
    Ok((listener, bound))
}

/// Ends the sessions of speakers that have to go.
async fn kick(context: ServerContext, mut speakers: mpsc::Receiver<SpeakerId>) {
    while let Some(speaker) = speakers.recv().await {
        let id = Id::new(context.node.id(), OUTSIDE, None, None, speaker.as_str().into(), None);
        let entry = context.extends.shared().await.entry(id);
        if let Ok(mut entry) = entry.try_lock().await
            && let Err(error) = entry.kick(true, true, true).await
        {
            error!("the session of {speaker} cannot be ended: {error}");
        }
    }
}

/// An address that this machine can connect to, where all of them were bound.
pub fn reachable(bound: SocketAddr) -> SocketAddr {
    match bound {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => SocketAddr::from(([127, 0, 0, 1], v4.port())),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], v6.port())),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speaker_reads_and_writes_its_own_and_nothing_else() {
        let site: SiteId = "mau".parse().unwrap();
        let hash = "ab".repeat(32);
        for filter in
            ["loaxa/1/mau/speakers/a/plan", "loaxa/1/mau/speakers/a/time", &format!("loaxa/1/mau/media/{hash}/+")]
        {
            assert!(may_read(&site, "a", filter), "{filter}");
        }
        for filter in [
            "#",
            "loaxa/#",
            "loaxa/1/mau/speakers/+/plan",
            "loaxa/1/mau/speakers/b/plan",
            "loaxa/1/mau/speakers/a/+",
            "+/1/mau/media/x/+",
            "loaxa/1/mau/media/+/+",
        ] {
            assert!(!may_read(&site, "a", filter), "{filter}");
        }
        assert!(may_write(&site, "a", "loaxa/1/mau/speakers/a/report"));
        for topic in
            ["loaxa/1/mau/speakers/a/plan", "loaxa/1/mau/speakers/b/report", "loaxa/1/mau/speakers/+/report", "x"]
        {
            assert!(!may_write(&site, "a", topic), "{topic}");
        }
    }

    #[test]
    fn giving_back_filters_that_were_never_granted_makes_no_room() {
        let mut filters = Filters::default();
        let name = |n: usize| format!("loaxa/1/mau/media/{n:064x}/+");
        for n in 0..MEDIA_FILTERS {
            assert!(filters.grant("a", &name(n)) && filters.grant("a", &name(n)), "{n}");
        }
        assert!(!filters.grant("a", &name(1_000)));
        (2_000..2_100).for_each(|n| filters.release("a", &name(n)));
        assert!(!filters.grant("a", &name(1_000)));
        // What it has it may ask for again, and what it gives back makes room for one.
        assert!(filters.grant("a", &name(0)));
        filters.release("a", &name(0));
        filters.release("a", &name(0));
        assert!(filters.grant("a", &name(1_000)) && !filters.grant("a", &name(0)));
        assert!(filters.grant("b", &name(0)));
    }
}
