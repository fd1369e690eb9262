//! `loaxa-controller run`: the loop that feeds the engine with events and does what it says.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rumqttc::{TlsConfiguration, Transport};
use tokio::sync::mpsc;
use tracing::{debug, error, info};

use super::clock::Bound;
use super::config::{Broker, Config, TrustSystem};
use super::engine::{Effect, Engine, Event, Limits, Now};
use super::identity::{self, Credentials};
use super::lan::Lan;
use super::link::{Link, LinkEvent, NextTransport};
use super::neighbours::Neighbours;
use super::os;
use super::player::mixer::Player;
use super::player::output::Target;
use super::player::{Command, PlayerEvent, Summary};
use super::renewal::Renewal;
use super::status::{OutputStatus, Status, StatusFile};
use super::store::Store;
use super::tls;
use super::unsaved::{Performed, Unsaved};
use super::vitals;
use super::watchdog::Watch;
use crate::audio::RATE_HZ;
use crate::domain::plan::NeighbourKey;
use crate::protocol::message::Health;
use crate::protocol::topics::{self, Down, Up};

/// How often the engine is woken with nothing to tell it.
const TICK: Duration = Duration::from_millis(100);
/// As in the unit that is shipped; where there is no watchdog, for the status alone.
const USUAL_WATCHDOG: Duration = Duration::from_secs(30);
/// How often neighbours are looked for anew while none are heard.
const NEIGHBOURS_AGAIN_NS: i64 = 60_000_000_000;
/// How far a clock that is trusted without anything keeping it may be off.
const UNKEPT_CLOCK_ERROR_NS: i64 = 100_000_000;

/// Runs until SIGTERM or SIGINT. Errors are about the configuration and the machine; the network cannot cause one.
pub fn run(config: &Config) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(run_until_signal(config))
}

async fn run_until_signal(config: &Config) -> Result<(), String> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| e.to_string())?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|e| e.to_string())?;
    let watchdog = sd_notify::watchdog_enabled();
    let patience = watchdog.unwrap_or(USUAL_WATCHDOG) / 3;
    let mut shell = Shell::start(config, patience)?;
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    let mut fed = tokio::time::Instant::now();
    loop {
        let event = tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            Some(event) = shell.player_events.recv() => Event::Player(event),
            Some(event) = shell.link_events.recv() => match event {
                LinkEvent::Connected => Event::Connected,
                LinkEvent::Disconnected => Event::Disconnected,
                LinkEvent::Message { topic, payload } => Event::Message { topic, payload },
            },
            Some(health) = shell.health.recv() => Event::Health(health),
            _ = tick.tick() => Event::Tick,
        };
        shell.on(event);
        // Only a loop that turned, store and all, comes here; whether there is sound is asked besides.
        if fed.elapsed() > patience && shell.watch.is_alive(os::mono_ns()) && watchdog.is_some() {
            fed = tokio::time::Instant::now();
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
        }
    }
    info!("stopping");
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    shell.stop().await;
    Ok(())
}

struct Shell {
    engine: Engine,
    store: Store,
    link: Link,
    link_events: mpsc::Receiver<LinkEvent>,
    player: Player,
    player_events: mpsc::Receiver<PlayerEvent>,
    will: Arc<Mutex<(String, Vec<u8>)>>,
    trust_system: TrustSystem,
    transport: NextTransport,
    renewal: Option<RenewalLine>,
    unsaved: Unsaved,
    neighbours: NeighbourLine,
    status: StatusFile,
    store_dir: std::path::PathBuf,
    boot_id: String,
    /// What the player said last of its output.
    output: Option<OutputStatus>,
    watch: Watch,
    health: mpsc::Receiver<Box<Health>>,
}

/// The exchange with the neighbours, once there is a key for it.
struct NeighbourLine {
    /// Where they are; `None` where they do not count.
    interface: Option<std::net::Ipv4Addr>,
    key: Option<NeighbourKey>,
    lan: Option<Lan>,
    next_mono_ns: i64,
    again_mono_ns: i64,
}

/// Renewal, and the topics that carry it.
struct RenewalLine {
    renewal: Renewal,
    up: String,
    down: String,
}

impl Shell {
    fn start(config: &Config, patience: Duration) -> Result<Self, String> {
        let anchor = config.anchor()?;
        let broker = config.broker()?;
        let target = Target::parse(&config.audio.out, &config.audio.device).map_err(|e| format!("audio.out: {e}"))?;
        let amplifier = config.amplifier.wiring()?;
        let boot_id = os::boot_id();
        let dir = &config.store.dir;
        let failed = |e: std::io::Error| format!("the store {} cannot be used: {e}", dir.display());
        let (store, contents) = Store::open(dir, &boot_id).map_err(failed)?;
        let counters = contents.counters.clone();
        let limits = Limits {
            max_clock_error_ns: i64::from(config.clock.max_error_ms) * 1_000_000,
            volume: config.audio.profile()?,
            quota_bytes: config.store.quota_mb.saturating_mul(1024 * 1024),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let (site, speaker, media_dir) = (anchor.site.clone(), anchor.speaker.clone(), dir.join("media"));
        let (engine, effects) = Engine::new(anchor, limits, contents, read_now(config.clock.trust_system));
        let (sender, player_events) = mpsc::channel(64);
        let files = Box::new(move |hash: &crate::domain::ids::MediaHash| media_path(&media_dir, hash));
        let capture = Some(config.audio.capture.clone()).filter(|device| !device.is_empty());
        let player = Player::start(target, amplifier, capture, files, move |event| {
            // The loop is never away for long; an event that cannot be delivered would leave a play without its account.
            let _ = sender.blocking_send(event);
        })
        .map_err(|e| format!("the player cannot be started: {e}"))?;
        let watch = Watch::new(player.pulse(), patience, os::mono_ns());
        let will = Arc::new(Mutex::new(engine.last_will()));
        let (transport, renewal) = transport(config, &broker)?;
        let transport = Arc::new(Mutex::new(transport));
        let renewal = renewal.map(|renewal| RenewalLine {
            renewal,
            up: topics::up(&site, &speaker, Up::Renew),
            down: topics::down(&site, &speaker, Down::Certificate),
        });
        let (link, link_events) =
            Link::start(&broker, transport.clone(), &speaker, &config.center.password, will.clone());
        let trust_system = config.clock.trust_system;
        let mut shell = Self {
            engine,
            store,
            link,
            link_events,
            player,
            player_events,
            will,
            trust_system,
            transport,
            renewal,
            unsaved: Unsaved::default(),
            neighbours: NeighbourLine {
                interface: config.clock.neighbours.then_some(config.clock.neighbour_interface),
                key: None,
                lan: None,
                next_mono_ns: 0,
                again_mono_ns: 0,
            },
            status: StatusFile::new(config),
            store_dir: dir.clone(),
            boot_id,
            output: None,
            watch,
            health: vitals::watch("/".into(), dir.clone()),
        };
        info!("speaker {speaker} is ready");
        // A full disk does not keep it from starting; a center takes a birth number that it knows already.
        shell.perform(vec![Effect::SaveCounters(counters)]);
        shell.perform(effects);
        Ok(shell)
    }

    fn on(&mut self, event: Event) {
        if self.is_certificate(&event) {
            return;
        }
        if matches!(event, Event::Tick) && self.unsaved.retry(&self.store, os::mono_ns()) {
            self.on(Event::StoreWorks);
        }
        if matches!(event, Event::Tick) {
            self.meet_neighbours();
        }
        let disconnected = matches!(event, Event::Disconnected);
        if let Event::Player(PlayerEvent::Output { working, detail, .. }) = &event {
            self.output = Some(OutputStatus { working: *working, detail: detail.clone(), stalled: false });
            self.watch.note_output(*working, os::mono_ns());
        }
        let effects = self.engine.on(read_now(self.trust_system), event);
        if disconnected && let Ok(mut will) = self.will.lock() {
            *will = self.engine.last_will();
        }
        self.perform(effects);
        self.renew();
        self.tell_status();
    }

    /// For doctor, which asks no running program.
    fn tell_status(&mut self) {
        let now = read_now(self.trust_system);
        if !self.status.is_due(now.mono_ns) {
            return;
        }
        if let Some(output) = &mut self.output {
            output.stalled = self.watch.is_stalled(now.mono_ns);
        }
        self.status.keep(Status {
            at_mono_ns: now.mono_ns,
            boot_id: self.boot_id.clone(),
            store: self.store_dir.clone(),
            connected: self.engine.is_connected(),
            center_offset_ns: self.engine.center_offset_ns(now),
            output: self.output.clone(),
            detail: self.engine.detail(now),
        });
    }

    /// Once a second: begins the exchange when a plan has brought a key, tells the others what is known here, and hears who leads.
    fn meet_neighbours(&mut self) {
        let now = read_now(self.trust_system);
        let Some(interface) = self.neighbours.interface.filter(|_| now.mono_ns >= self.neighbours.next_mono_ns) else {
            return;
        };
        let line = &mut self.neighbours;
        line.next_mono_ns = now.mono_ns + 1_000_000_000;
        let changed = line.key.as_ref() != self.engine.neighbour_key();
        // A board is up before its network is, and a network that has gone and come back may have forgotten it.
        let lonely = line.lan.as_ref().is_none_or(Lan::is_alone) && now.mono_ns >= line.again_mono_ns;
        if changed || lonely {
            line.again_mono_ns = now.mono_ns + NEIGHBOURS_AGAIN_NS;
            line.lan = None;
            line.key = self.engine.neighbour_key().cloned();
            let Some(key) = line.key.clone() else { return };
            let neighbours = Neighbours::new(self.engine.speaker().clone(), os::boot_number(), key);
            line.lan = Lan::start(neighbours, interface)
                .inspect_err(|error| debug!("neighbours on the local network cannot be reached: {error}"))
                .ok();
        }
        let Some(lan) = &line.lan else { return };
        let reference = lan.exchange(self.engine.known(now));
        let effects = self.engine.on(now, Event::Neighbour(reference));
        self.perform(effects);
    }

    /// Takes the next certificate, if this is it.
    fn is_certificate(&mut self, event: &Event) -> bool {
        let Some(line) = &mut self.renewal else { return false };
        let Event::Message { topic, payload } = event else { return false };
        if *topic != line.down {
            return false;
        }
        if let (Some(config), Ok(mut transport)) = (line.renewal.answered(payload), self.transport.lock()) {
            *transport = Transport::tls_with_config(TlsConfiguration::Rustls(config));
        }
        true
    }

    fn renew(&mut self) {
        let Some(line) = &mut self.renewal else { return };
        let now = read_now(self.trust_system);
        let center_ms = self.engine.center_ms(now).filter(|_| self.engine.is_connected());
        if let Some(payload) = line.renewal.step(center_ms, now.mono_ns) {
            let topic = line.up.clone();
            self.link.take(&Effect::Publish { topic, payload, retain: false, at_least_once: true });
        }
    }

    /// Does what the engine said; what comes of it goes back in as events.
    fn perform(&mut self, effects: Vec<Effect>) {
        let mut queue = std::collections::VecDeque::from(effects);
        while let Some(effect) = queue.pop_front() {
            if self.link.take(&effect) {
                continue;
            }
            if let Some(event) = self.perform_here(effect) {
                queue.extend(self.engine.on(read_now(self.trust_system), event));
            }
        }
    }

    fn perform_here(&mut self, effect: Effect) -> Option<Event> {
        let effect = match self.unsaved.perform(&self.store, effect, os::mono_ns()) {
            Performed::Done => return None,
            Performed::Answer(event) => return Some(event),
            Performed::NotMine(effect) => effect,
        };
        match effect {
            Effect::Play(session) => {
                let occurrence = session.occurrence.clone();
                if self.player.send(Command::Play(session)) {
                    return None;
                }
                error!("the player does not take orders; {occurrence} is lost");
                let summary = Summary { output_failed: true, ..Summary::default() };
                return Some(Event::Player(PlayerEvent::Finished { occurrence, summary }));
            }
            Effect::Trim { occurrence, ms } => {
                let frames = ms.max(0) as u64 * u64::from(RATE_HZ) / 1000;
                self.player.send(Command::Trim { occurrence, frames });
            }
            Effect::Steer { occurrence, line } => {
                self.player.send(Command::Steer { occurrence, line });
            }
            Effect::Stop(occurrence) => {
                self.player.send(Command::Stop(occurrence));
            }
            // The link's and the store's, done above.
            _ => {}
        }
        None
    }

    /// Leaves in good order: the center hears that this was meant.
    async fn stop(mut self) {
        let (topic, payload) = self.engine.goodbye();
        self.link.take(&Effect::Publish { topic, payload, retain: true, at_least_once: true });
        self.link.disconnect();
        self.status.remove();
        // The link's task ends when the broker has taken both; there may be no broker at all.
        let _ = tokio::time::timeout(Duration::from_millis(500), async {
            while let Some(event) = self.link_events.recv().await {
                if matches!(event, LinkEvent::Disconnected) {
                    break;
                }
            }
        })
        .await;
    }
}

/// How connections are made, and for an enrolled board what keeps its certificate fresh.
pub fn transport(config: &Config, broker: &Broker) -> Result<(Transport, Option<Renewal>), String> {
    let by_tls = |config| Transport::tls_with_config(TlsConfiguration::Rustls(config));
    let read = |path: &Path| std::fs::read(path).map_err(|e| format!("{} cannot be read: {e}", path.display()));
    let dir = identity::dir(config);
    if !broker.tls {
        return Ok((Transport::Tcp, None));
    }
    if !config.center.password.is_empty() {
        let path = Path::new(&config.center.ca);
        if config.center.ca.is_empty() {
            return Err(
                "center.ca is empty: name the file with the certificate authority of the broker at center.mqtt".into(),
            );
        }
        let config = tls::with_password(&read(path)?).map_err(|e| format!("center.ca {}: {e}", path.display()))?;
        return Ok((by_tls(config), None));
    }
    let credentials = Credentials::load(&dir)?;
    let ca_pem = read(&dir.join("ca.pem"))?;
    let tls = tls::enrolled(&ca_pem, &credentials)?;
    let renewal = Renewal::new(dir, ca_pem, &credentials, config.center.renew_percent);
    Ok((by_tls(tls), Some(renewal)))
}

fn media_path(dir: &Path, hash: &crate::domain::ids::MediaHash) -> std::path::PathBuf {
    dir.join(format!("{hash}.opus"))
}

fn read_now(trust: TrustSystem) -> Now {
    let mono_ns = os::mono_ns();
    let error_ns = match trust {
        TrustSystem::Never => None,
        TrustSystem::WhenSynchronised => os::system_clock_error_ns(),
        TrustSystem::Always => Some(os::system_clock_error_ns().unwrap_or(UNKEPT_CLOCK_ERROR_NS)),
    };
    let bound = |error_ns| Bound::around(os::system_unix_ns().saturating_sub(mono_ns), error_ns, mono_ns);
    Now { mono_ns, system: error_ns.map(bound) }
}
