//! `loaxa serve`: puts the parts together and takes them down in good order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::info;

use super::app::{App, now_ms};
use super::broker::{self, CENTER_USER};
use super::config::Config;
use super::datadir::{DataDir, Running, random_text};
use super::link::{self, BrokerAddress};
use super::{api, audit, delivery, ingest, intake, people, planner};

/// Serves until SIGTERM or SIGINT. `announce` hears the bound addresses once everything answers, and the code that makes the first
/// admin while there is no account.
pub async fn serve(data: DataDir, config: Config, announce: impl FnOnce(&Running, Option<&str>)) -> Result<(), String> {
    let Some(_lock) = data.lock()? else {
        return Err(format!("another loaxa is already working on {}", data.root().display()));
    };
    let app = App::open(data, config).await?;
    app.data.clear_running();
    app.store.forget_links(now_ms()).await.map_err(|e| e.to_string())?;
    let (broker, broker_task) = start_broker(&app).await?;
    let http = TcpListener::bind(&app.config.http.address)
        .await
        .map_err(|e| format!("http.address {}: {e}", app.config.http.address))?;
    let http_address = http.local_addr().map_err(|e| e.to_string())?;
    let link = link::start(&app, &broker);
    let mut tasks = JoinSet::new();
    tasks.spawn(delivery::publish_plans(app.clone(), link.words.clone(), link.connections));
    tasks.spawn(delivery::run_carousel(app.clone(), link.media.clone(), link.wants));
    tasks.spawn(intake::run(app.clone(), link.words.clone(), link.heard));
    tasks.spawn(planner::run(app.clone()));
    tasks.spawn(ingest::run(app.clone()));
    tasks.spawn(audit::run(app.clone()));
    if let Some(task) = broker_task {
        tasks.spawn(async move {
            let _ = task.await;
        });
    }
    let (stop_sender, stop) = watch::channel(false);
    let router = api::router(app.clone(), stop.clone());
    let web = tokio::spawn(async move {
        let mut stop = stop;
        let stopped = async move {
            let _ = stop.wait_for(|stopped| *stopped).await;
        };
        let router = router.into_make_service_with_connect_info::<SocketAddr>();
        let _ = axum::serve(http, router).with_graceful_shutdown(stopped).await;
    });
    let running = Running {
        http: format!("http://{}", reachable(http_address)),
        mqtt: format!("mqtt://{}:{}", broker.host, broker.port),
        pid: std::process::id(),
    };
    app.data.set_running(&running)?;
    let setup = people::offer_setup(&app).await.map_err(|e| e.to_string())?;
    announce(&running, setup.as_deref());
    // None of these ends by itself; a center that has lost one must not look alive.
    let lost = tokio::select! {
        signal = wait_for_signal() => signal.err(),
        _ = tasks.join_next() => Some("a part of the center has failed; the log says which. Restart it".to_owned()),
    };
    info!("stopping");
    app.data.clear_running();
    let _ = stop_sender.send(true);
    // Open uploads get a moment; what is stored is stored.
    let _ = tokio::time::timeout(Duration::from_secs(5), web).await;
    tasks.abort_all();
    audit::close(&app).await;
    app.store.close().await;
    lost.map_or(Ok(()), Err)
}

async fn start_broker(app: &Arc<App>) -> Result<(BrokerAddress, Option<tokio::task::JoinHandle<()>>), String> {
    if !app.config.mqtt.broker.is_empty() {
        let broker = BrokerAddress::parse(&app.config.mqtt.broker).map_err(|e| format!("mqtt.broker: {e}"))?;
        return Ok((broker, None));
    }
    let password = random_text(24)?;
    let (bound, task) = broker::start(app.clone(), &app.config.mqtt.address, password.clone()).await?;
    let address = BrokerAddress {
        host: reachable(bound).ip().to_string(),
        port: bound.port(),
        user: CENTER_USER.into(),
        password,
    };
    Ok((address, Some(task)))
}

/// An address that this machine can connect to, where all of them were bound.
fn reachable(bound: SocketAddr) -> SocketAddr {
    match bound {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => SocketAddr::from(([127, 0, 0, 1], v4.port())),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], v6.port())),
        other => other,
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
