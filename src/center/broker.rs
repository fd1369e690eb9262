//! The embedded MQTT broker (rmqtt), purely in memory, with a doorman.
//!
//! The broker is never the memory: everything is published again from the store at boot, so nothing is kept on disk here. Each
//! speaker signs in with its own name and password, may only write under its own topics and only read what is meant for it;
//! everything not allowed is refused.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rmqtt::codec::v5::SubscribeAckReason;
use rmqtt::context::ServerContext;
use rmqtt::hook::{Handler, HookResult, Parameter, ReturnType, Type};
use rmqtt::net::Builder;
use rmqtt::server::MqttServer;
use rmqtt::types::{AuthResult, LastWill, PublishAclResult, SubscribeAclResult};
use sha2::{Digest, Sha256};
use tracing::{error, warn};

use super::app::App;
use crate::domain::ids::{SiteId, SpeakerId};
use crate::protocol::limits::PACKET_BYTES;
use crate::protocol::topics::{self, Topic};

/// The user name under which the center itself signs in.
pub const CENTER_USER: &str = "center";

struct Doorman {
    app: Arc<App>,
    center_password: String,
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
                let allowed = self.may_enter(&user, info.client_id(), &password)
                    && will_topic.is_none_or(|topic| may_write(site, &user, &topic));
                let result = if allowed { AuthResult::Allow(false, None) } else { AuthResult::BadUsernameOrPassword };
                (false, Some(HookResult::AuthResult(result)))
            }
            Parameter::ClientSubscribeCheckAcl(session, subscribe) => {
                let user = session.username().map(|name| name.to_string()).unwrap_or_default();
                let result = if may_read(&self.app.site.site, &user, &subscribe.topic_filter) {
                    SubscribeAclResult::new_success(subscribe.opts.qos(), None)
                } else {
                    warn!("{user:?} may not read {}", subscribe.topic_filter);
                    SubscribeAclResult::new_failure(SubscribeAckReason::NotAuthorized)
                };
                (false, Some(HookResult::SubscribeAclResult(result)))
            }
            Parameter::MessagePublishCheckAcl(session, publish) => {
                let user = session.username().map(|name| name.to_string()).unwrap_or_default();
                let result = if may_write(&self.app.site.site, &user, &publish.topic) {
                    PublishAclResult::allow()
                } else {
                    warn!("{user:?} may not write {}", publish.topic);
                    PublishAclResult::rejected(false, None)
                };
                (false, Some(HookResult::PublishAclResult(result)))
            }
            _ => (true, before),
        }
    }
}

impl Doorman {
    /// A client's id must begin with its user name, so that nobody can throw another off by taking its id.
    fn may_enter(&self, user: &str, client_id: &str, password: &[u8]) -> bool {
        if user == CENTER_USER {
            return client_id.starts_with(CENTER_USER)
                && same(&Sha256::digest(password), &Sha256::digest(&self.center_password));
        }
        let Ok(speaker) = user.parse::<SpeakerId>() else { return false };
        let Ok(passwords) = self.app.speaker_passwords.read() else { return false };
        let known = passwords.get(&speaker).is_some_and(|hash| *hash == hex::encode(Sha256::digest(password)));
        known && client_id == user
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
    if let Some(media) = filter.strip_suffix("/+") {
        return matches!(topics::parse(site, &format!("{media}/0")), Some(Topic::Chunk(..)));
    }
    matches!(topics::parse(site, filter), Some(Topic::Down(speaker, _)) if speaker.as_str() == user)
}

fn may_write(site: &SiteId, user: &str, topic: &str) -> bool {
    user == CENTER_USER || matches!(topics::parse(site, topic), Some(Topic::Up(speaker, _)) if speaker.as_str() == user)
}

/// Binds the listener and serves until the returned task is aborted. Gives the bound address.
pub async fn start(
    app: Arc<App>,
    address: &str,
    center_password: String,
) -> Result<(SocketAddr, tokio::task::JoinHandle<()>), String> {
    let wanted: SocketAddr =
        address.parse().map_err(|_| format!("mqtt.address {address:?} is not an address such as 127.0.0.1:1883"))?;
    if !wanted.ip().is_loopback() {
        warn!("MQTT on {wanted} is not encrypted in this version: keep it inside a trusted network or a tunnel");
    }
    let context = ServerContext::new()
        .mqtt_max_sessions(20_000)
        .busy_check_enable(false)
        .plugins_config_map_add("rmqtt-retainer", "storage.type = \"ram\"\nmax_payload_size = \"1MB\"\n")
        .build()
        .await;
    let failed = |e: rmqtt::Error| format!("the broker cannot be started: {e}");
    rmqtt_retainer::register(&context, true, false).await.map_err(failed)?;
    let register = context.extends.hook_mgr().register();
    for hook in [Type::ClientAuthenticate, Type::ClientSubscribeCheckAcl, Type::MessagePublishCheckAcl] {
        let doorman = Doorman { app: app.clone(), center_password: center_password.clone() };
        register.add_priority(hook, 100, Box::new(doorman)).await;
    }
    register.start().await;
    let listener = Builder::new()
        .name("loaxa")
        .laddr(wanted)
        // Without this a restart within the TIME_WAIT of old connections would silently not listen.
        .reuseaddr(Some(true))
        .nodelay(true)
        .allow_anonymous(false)
        .max_packet_size(PACKET_BYTES as u32)
        .max_connections(20_000)
        .max_mqueue_len(200)
        // Of retained messages too; zero would mean at once.
        .message_expiry_interval(Duration::from_secs(365 * 24 * 3600))
        .session_expiry_interval(Duration::from_secs(60))
        .bind()
        .map_err(|e| format!("the broker cannot listen on {wanted}: {e}"))?;
    let bound = listener.local_addr().map_err(|e| format!("the broker's address: {e}"))?;
    let listener = listener.tcp().map_err(|e| format!("the broker cannot listen on {wanted}: {e}"))?;
    let server = MqttServer::new(context).listener(listener).build();
    let task = tokio::spawn(async move {
        if let Err(error) = server.run().await {
            error!("the broker ended: {error}");
        }
    });
    // The listener's own word is not taken for it: somebody must answer.
    let probe = tokio::time::timeout(Duration::from_secs(5), tokio::net::TcpStream::connect(bound)).await;
    match probe {
        Ok(Ok(_)) => Ok((bound, task)),
        _ => Err(format!("the broker does not answer on {bound}")),
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
}
