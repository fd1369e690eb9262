//! `loaxa serve`: puts the parts together and takes them down in good order.

use std::fs::File;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::app::{App, Bound, now_ms};
use super::broker::{self, Broker, CENTER_USER, reachable};
use super::config::Config;
use super::datadir::{DataDir, Running, random_text};
use super::founding::{self, Founded};
use super::link::{self, BrokerAddress};
use super::{api, audit, commands, delivery, http, ingest, intake, people, planner, readiness, reports, tls, trial};

/// What makes the first admin while there is no account: a code, and the page that takes it, as others than this machine reach it.
pub struct Setup {
    pub code: String,
    pub url: String,
}

impl Setup {
    /// For a page that is reached at `url`. What stands behind the hash goes to no server, and into no log of one.
    pub fn new(url: &str, code: String) -> Self {
        Self { url: format!("{}/#setup={code}", url.trim_end_matches('/')), code }
    }
}

/// What is told of a server's start.
pub enum Told<'a> {
    /// There is no center yet: the page waits for somebody to set it up.
    Vacant { http: &'a str, setup: &'a Setup },
    /// Everything answers; with what makes the first admin, while there is none.
    Running(&'a Running, Option<&'a Setup>),
}

/// Serves until SIGTERM or SIGINT; where there is no center yet, first the page on which one is made. `announce` hears the bound
/// addresses, and how what is missing is made.
pub async fn serve(root: &Path, config: Config, mut announce: impl FnMut(Told<'_>)) -> Result<(), String> {
    check_plain(&config)?;
    delivery::limits(&config.mqtt)?;
    tls::install_provider();
    if DataDir::is_center(root) {
        let data = DataDir::open(root)?;
        let lock = lock(&data)?;
        return run(Founded { data, lock, listener: None, code: None }, config, announce).await;
    }
    let waiting = |http: &str, setup: &Setup| announce(Told::Vacant { http, setup });
    let founded = tokio::select! {
        founded = founding::found(root, &config, waiting) => founded?,
        signal = wait_for_signal() => return signal,
    };
    run(founded, config, announce).await
}

/// One process at a time works on a directory.
pub fn lock(data: &DataDir) -> Result<File, String> {
    data.lock()?.ok_or_else(|| format!("another loaxa is already working on {}", data.root().display()))
}

async fn run(founded: Founded, config: Config, mut announce: impl FnMut(Told<'_>)) -> Result<(), String> {
    let Founded { data, lock: _lock, listener, code } = founded;
    let limits = delivery::limits(&config.mqtt)?;
    raise_file_limit();
    let app = App::open(data, config).await?;
    app.transport.ensure_server(&tls::server_names(&app.config.tls), now_ms())?;
    let https = if app.config.http.tls { Some(app.transport.http_config(&app.config.tls)?) } else { None };
    app.data.clear_running();
    app.store.forget_links(now_ms()).await.map_err(|e| e.to_string())?;
    app.last_words.load(&app.store).await.map_err(|e| e.to_string())?;
    app.failures.load(&app.store, now_ms()).await.map_err(|e| e.to_string())?;
    ingest::sweep(&app).await.map_err(|e| e.to_string())?;
    let (broker, embedded) = start_broker(&app).await?;
    let http = match listener {
        Some(listener) => TcpListener::from_std(listener).map_err(|e| e.to_string())?,
        None => bind_http(&app.config).await?,
    };
    let http_address = http.local_addr().map_err(|e| e.to_string())?;
    let outside = embedded.as_ref().map(|broker| broker.outside);
    let _ = app.bound.set(Bound { http: http_address, mqtt: outside });
    let link = link::start(&app, &broker)?;
    let _ = app.commands.client.set(link.words.clone());
    let mut tasks = JoinSet::new();
    tasks.spawn(commands::repeat(app.clone(), link.words.clone()));
    tasks.spawn(delivery::send_plans(app.clone(), link.plans.clone(), link.connections));
    tasks.spawn(delivery::run_carousel(app.clone(), limits, link.media.clone(), link.wants));
    tasks.spawn(intake::run(app.clone(), link.words.clone(), link.heard));
    tasks.spawn(planner::run(app.clone()));
    tasks.spawn(readiness::run(app.clone()));
    tasks.spawn(ingest::run(app.clone()));
    tasks.spawn(audit::run(app.clone()));
    tasks.spawn(reports::settle::run(app.clone()));
    for task in embedded.into_iter().flat_map(|broker| broker.tasks) {
        tasks.spawn(async move {
            let _ = task.await;
        });
    }
    // Before anybody is answered: a page that waits to go on asks at once.
    let setup = people::offer_setup(&app, code).await.map_err(|e| e.to_string())?;
    let setup = setup.map(|code| Setup::new(&app.http_url(), code));
    let (stop_sender, stop) = watch::channel(false);
    let router = api::router(app.clone(), stop.clone());
    let web = tokio::spawn(http::serve(http, https, router, app.gate.denials.clone(), stop));
    let scheme = |name: &str, tls: bool| format!("{name}{}", if tls { "s" } else { "" });
    let mqtt = match outside {
        Some(outside) => format!("{}://{}", scheme("mqtt", app.config.mqtt.tls), reachable(outside)),
        None => format!("{}://{}:{}", scheme("mqtt", broker.tls), broker.host, broker.port),
    };
    let http = format!("{}://{}", scheme("http", app.config.http.tls), reachable(http_address));
    let running = Running { http, mqtt, pid: std::process::id() };
    app.data.set_running(&running)?;
    trial::resume(&app);
    announce(Told::Running(&running, setup.as_ref()));
    // None of these ends by itself; a center that has lost one must not look alive.
    let lost = tokio::select! {
        signal = wait_for_signal() => signal.err(),
        _ = tasks.join_next() => Some("a part of the center has failed; the log says which. Restart it".to_owned()),
    };
    info!("stopping");
    app.data.clear_running();
    let _ = stop_sender.send(true);
    trial::stop_all(&app).await;
    // Open uploads get a moment; what is stored is stored.
    let _ = tokio::time::timeout(Duration::from_secs(5), web).await;
    // A part in the middle of its work ends at its next pause; before that it may still need the store and the clock.
    let _ = tokio::time::timeout(Duration::from_secs(5), tasks.shutdown()).await;
    audit::close(&app).await;
    app.store.close().await;
    lost.map_or(Ok(()), Err)
}

pub async fn bind_http(config: &Config) -> Result<TcpListener, String> {
    let address = &config.http.address;
    TcpListener::bind(address).await.map_err(|e| format!("http.address {address}: {e}"))
}

async fn start_broker(app: &Arc<App>) -> Result<(BrokerAddress, Option<Broker>), String> {
    if !app.config.mqtt.broker.is_empty() {
        let broker = BrokerAddress::parse(&app.config.mqtt.broker).map_err(|e| format!("mqtt.broker: {e}"))?;
        return Ok((broker, None));
    }
    let password = random_text(24)?;
    let broker = broker::start(app.clone(), password.clone()).await?;
    let address = BrokerAddress {
        host: broker.center.ip().to_string(),
        port: broker.center.port(),
        tls: false,
        user: CENTER_USER.into(),
        password,
    };
    Ok((address, Some(broker)))
}

/// Without TLS nothing leaves this machine, unless somebody has said that it may.
fn check_plain(config: &Config) -> Result<(), String> {
    let loopback = |host: &str| {
        host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    };
    let external = BrokerAddress::parse(&config.mqtt.broker).ok().filter(|broker| !broker.tls);
    let (http, mqtt) = (&config.http, &config.mqtt);
    let host = |address: &str| address.rsplit_once(':').map_or(address, |(host, _)| host).to_owned();
    let mut plain = vec![];
    if !http.tls {
        plain.push((
            "http.address",
            host(&http.address),
            "http.tls = true",
            http.plain_anywhere,
            "http.plain_anywhere",
        ));
    }
    if let Some(broker) = external {
        plain.push(("mqtt.broker", broker.host, "an mqtts:// address", mqtt.plain_anywhere, "mqtt.plain_anywhere"));
    } else if !mqtt.tls && mqtt.broker.is_empty() {
        plain.push((
            "mqtt.address",
            host(&mqtt.address),
            "mqtt.tls = true",
            mqtt.plain_anywhere,
            "mqtt.plain_anywhere",
        ));
    }
    for (key, host, instead, allowed, by) in plain.into_iter().filter(|(_, host, ..)| !loopback(host)) {
        if !allowed {
            return Err(format!(
                "{key}: {host} would be served without encryption; use {instead}, or {by} = true inside a network that protects it"
            ));
        }
        warn!("{key}: {host} is not encrypted ({by}): whoever is in that network can read passwords and reports");
    }
    Ok(())
}

/// Each connection through the TLS door takes three files; systems start programs with few.
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        warn!("the limit of open files stays at {:?}: {error}", limit.current);
    }
}

async fn wait_for_signal() -> Result<(), String> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| e.to_string())?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|e| e.to_string())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
