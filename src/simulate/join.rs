//! How boards come to a center: speakers are added over the API, and each board is enrolled as a real one is, by its code.
//!
//! What a board learnt stays in its directory, so a fleet that comes again with the same store is the same boards.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::http::Method;
use rumqttc::Transport;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::center::api::{EnrolmentView, SpeakerCreated};
use crate::center::client::Client;
use crate::controller::config::{Broker, Config, Identity};
use crate::controller::{enroll, identity, run};
use crate::protocol::trust::Anchor;

/// Speakers that are added and enrolled at once.
const AT_ONCE: usize = 8;

/// What one board connects with.
#[derive(Clone)]
pub struct Member {
    pub anchor: Anchor,
    pub broker: Broker,
    /// Empty for a board with a certificate.
    pub password: String,
    pub transport: Transport,
    pub dir: PathBuf,
}

/// Which speakers are added, and where.
#[derive(Debug, Clone)]
pub struct Join {
    /// The fleet's store; the boards lie in it by their names.
    pub dir: PathBuf,
    pub speakers: usize,
    /// They are spread evenly over these areas.
    pub areas: Vec<String>,
    /// Their ids begin with it.
    pub prefix: String,
    /// Where boards enrol; as the center says if not given.
    pub url: Option<String>,
    /// The broker, and its certificate authority, for boards with passwords.
    pub mqtt: Option<String>,
    pub mqtt_ca: Option<PathBuf>,
}

impl Join {
    pub fn new(dir: PathBuf, speakers: usize, area: &str) -> Self {
        let (areas, prefix) = (vec![area.to_owned()], "sim-".to_owned());
        Self { dir, speakers, areas, prefix, url: None, mqtt: None, mqtt_ca: None }
    }

    pub fn id(&self, index: usize) -> String {
        format!("{}{:05}", self.prefix, index + 1)
    }

    fn board_dir(&self, index: usize) -> PathBuf {
        self.dir.join("boards").join(self.id(index))
    }

    /// How many of its boards are not in the store yet.
    pub fn new_boards(&self) -> usize {
        (0..self.speakers).filter(|index| !is_known(&self.board_dir(*index))).count()
    }
}

/// Brings all boards to the center, telling `done` of each. Those that the store knows already are taken as they are.
pub async fn join(client: Arc<Client>, joining: Join, done: impl Fn(usize)) -> Result<Vec<Member>, String> {
    let joining = Arc::new(joining);
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    for index in 0..joining.speakers {
        let (client, joining, places) = (client.clone(), joining.clone(), places.clone());
        tasks.spawn(async move {
            let _place = places.acquire_owned().await.map_err(|e| e.to_string())?;
            one(&client, &joining, index).await.map(|member| (index, member))
        });
    }
    let mut members = vec![];
    while let Some(joined) = tasks.join_next().await {
        members.push(joined.map_err(|e| e.to_string())??);
        done(members.len());
    }
    members.sort_by_key(|(index, _)| *index);
    Ok(members.into_iter().map(|(_, member)| member).collect())
}

async fn one(client: &Client, joining: &Join, index: usize) -> Result<Member, String> {
    let (id, dir) = (joining.id(index), joining.board_dir(index));
    if !is_known(&dir) {
        let area = &joining.areas[index * joining.areas.len() / joining.speakers.max(1)];
        let new = json!({ "id": id, "title": format!("Simulated speaker {id}"), "area": area });
        let created: SpeakerCreated = client
            .send(Method::POST, "/speakers", &new)
            .await
            .map_err(|e| format!("speaker {id} cannot be added: {e}"))?;
        if created.enrols {
            enrol(client, joining, &id, &dir).await?;
        } else {
            keep_password(joining, &created, &dir)?;
        }
    }
    let (dir, mqtt_ca) = (dir.clone(), joining.mqtt_ca.clone());
    blocking(move || member(&dir, mqtt_ca.as_deref())).await
}

async fn enrol(client: &Client, joining: &Join, id: &str, dir: &Path) -> Result<(), String> {
    let path = format!("/speakers/{id}/enrolment");
    let made: EnrolmentView = client.send(Method::POST, &path, &json!({ "days": null })).await?;
    let url = joining.url.clone().unwrap_or(made.url);
    let config = config_in(dir);
    // The controller's own enrolment waits for its answer.
    blocking(move || enroll::enroll(&config, &url, &made.code, false).map(|_| ()))
        .await
        .map_err(|e| format!("speaker {id} cannot be enrolled: {e}"))
}

/// For a center whose speakers have passwords: the configuration that `loaxa speaker add` would write.
fn keep_password(joining: &Join, created: &SpeakerCreated, dir: &Path) -> Result<(), String> {
    let mut config = config_in(dir);
    config.identity = Identity {
        site: created.site.clone(),
        speaker: created.speaker.clone(),
        areas: created.areas.clone(),
        authority: created.authority.clone(),
        hours: created.hours.clone(),
        trust: created.trust,
    };
    config.center.password.clone_from(&created.password);
    config.center.mqtt = joining.mqtt.clone().unwrap_or_default();
    let text = toml::to_string(&config).map_err(|e| e.to_string())?;
    identity::make_dir(dir)?;
    identity::write(&dir.join(BOARD_FILE), text.as_bytes())?;
    if joining.mqtt.is_none() {
        return Err(format!(
            "speakers of this center have passwords: say where its broker is, with --mqtt URL ({} was added)",
            created.speaker
        ));
    }
    Ok(())
}

/// The configuration of a board with a password.
const BOARD_FILE: &str = "board.toml";

fn is_known(dir: &Path) -> bool {
    dir.join(BOARD_FILE).is_file() || dir.join("identity/identity.json").is_file()
}

fn config_in(dir: &Path) -> Config {
    let mut config = Config::default();
    config.store.dir = dir.to_owned();
    config
}

/// What a board's directory says.
fn member(dir: &Path, mqtt_ca: Option<&Path>) -> Result<Member, String> {
    let file = dir.join(BOARD_FILE);
    let mut config = match std::fs::read_to_string(&file) {
        Ok(text) => toml::from_str(&text).map_err(|e| format!("{}: {e}", file.display()))?,
        Err(_) => config_in(dir),
    };
    config.store.dir = dir.to_owned();
    if let Some(path) = mqtt_ca {
        config.center.ca = path.display().to_string();
    }
    identity::complete(&mut config)?;
    let (anchor, broker) = (config.anchor()?, config.broker()?);
    // Certificates are good for years; a fleet does not live to see them renewed.
    let (transport, _) = run::transport(&config, &broker)?;
    Ok(Member { anchor, broker, password: config.center.password, transport, dir: dir.to_owned() })
}

async fn blocking<T: Send + 'static>(what: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(what).await.map_err(|e| e.to_string())?
}
