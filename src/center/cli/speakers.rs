//! Speakers: adding them, enrolling their boards, shutting them out, and what is said of them.

use std::path::{Path, PathBuf};

use axum::http::Method;
use clap::Subcommand;
use serde_json::{Value, json};

use super::Place;
use crate::center::api::{EnrolmentView, SpeakerCreated, Traits};
use crate::center::client::Client;
use crate::center::datadir::{DataDir, write_secret};
use crate::domain::ids::AreaCode;

#[derive(Subcommand)]
pub enum Speaker {
    /// Add a speaker, and print the code with which its board is enrolled
    Add {
        /// Short name: a-z, 0-9, '-'
        id: String,
        /// What people call it
        #[arg(long)]
        title: String,
        #[arg(long)]
        area: AreaCode,
        /// Instead of enrolment, for brokers with passwords: where to write the controller's configuration
        #[arg(long, value_name = "FILE")]
        config_out: Option<PathBuf>,
        /// Where that controller reaches the broker; this center's own broker if not given
        #[arg(long, value_name = "URL")]
        mqtt: Option<String>,
    },
    /// Print a one-time code with which a board becomes this speaker, also in place of an older board
    Enrol {
        id: String,
        /// How many days the code is good (7 if not given)
        #[arg(long)]
        days: Option<u32>,
    },
    /// Give a speaker a new password for a broker that wants one, and write its controller's configuration anew
    Password {
        id: String,
        /// Where to write the controller's configuration; printed if not given
        #[arg(long, value_name = "FILE")]
        config_out: Option<PathBuf>,
        /// Where that controller reaches the broker
        #[arg(long, value_name = "URL")]
        mqtt: Option<String>,
    },
    /// Shut a speaker out: its connection ends now, and it gets no plans
    Disable { id: String },
    /// Let a speaker in again
    Enable { id: String },
    /// List speakers with link, clock, content and last play
    List,
    /// Tell everything that is known of one speaker
    Show { id: String },
    /// Say what a speaker is called, who lives around it, where it stands, and with whom it plays in step; what is not given stays
    Set {
        id: String,
        #[arg(long)]
        title: Option<String>,
        /// ISO 639-3, in the order in which versions are played, such as vie,cjm; "" for each programme's own
        #[arg(long, value_delimiter = ',')]
        languages: Option<Vec<String>>,
        /// Latitude and longitude in degrees, such as 12.68,108.05
        #[arg(long, value_name = "LAT,LON", allow_hyphen_values = true)]
        place: Option<String>,
        /// Speakers with the same word play in step, however near they are; "" for none
        #[arg(long, value_name = "WORD")]
        step_with: Option<String>,
    },
}

pub async fn speaker(place: &Place, command: Speaker) -> Result<(), String> {
    let client = place.client().await?;
    match command {
        Speaker::Add { id, title, area, config_out, mqtt } => {
            let new = json!({ "id": id, "title": title, "area": area });
            add(place, &client, &new, config_out, mqtt).await?;
        }
        Speaker::Enrol { id, days } => {
            let made = enrol(&client, &id, days).await?;
            place.answer(&made, told)?;
        }
        Speaker::Password { id, config_out, mqtt } => {
            can_be_written(config_out.as_deref())?;
            let path = format!("/speakers/{id}/password");
            let made: SpeakerCreated = client.send(Method::POST, &path, &json!({})).await?;
            hand_over(place, made, config_out, mqtt, "has a new password")?;
        }
        Speaker::Disable { id } => {
            client.send::<Value>(Method::POST, &format!("/speakers/{id}/disable"), &json!({})).await?;
            place.answer(&json!({ "speaker": id, "disabled": true }), |_| {
                format!(
                    "speaker {id} is shut out: its connection has ended, and it plays on only what it has already got"
                )
            })?;
        }
        Speaker::Enable { id } => {
            client.send::<Value>(Method::POST, &format!("/speakers/{id}/enable"), &json!({})).await?;
            place.answer(&json!({ "speaker": id, "disabled": false }), |_| format!("speaker {id} is let in again"))?;
        }
        Speaker::List => {
            let mut list: Value = client.get("/speakers?limit=5000").await?;
            while let Some(cursor) = list["next_cursor"].as_str().map(str::to_owned) {
                let mut more: Value = client.get(&format!("/speakers?limit=5000&cursor={cursor}")).await?;
                list["next_cursor"] = more["next_cursor"].take();
                if let (Some(items), Some(others)) = (list["items"].as_array_mut(), more["items"].as_array_mut()) {
                    items.append(others);
                }
            }
            place.answer(&list, |list| super::reports::speaker_table(&list["items"]))?;
        }
        Speaker::Show { id } => {
            let one: Value = client.get(&format!("/speakers/{id}")).await?;
            place.answer(&one, |one| super::reports::speaker_table(&json!([one])))?;
        }
        Speaker::Set { id, title, languages, place: spot, step_with } => {
            let mut traits: Traits = client.get(&format!("/speakers/{id}/traits")).await?;
            traits.title = title.or(traits.title);
            if let Some(languages) = languages {
                traits.languages = languages.into_iter().filter(|language| !language.is_empty()).collect();
            }
            if let Some(spot) = spot {
                let degrees = |text: &str| text.trim().parse::<f64>().ok();
                let read = spot.split_once(',').and_then(|(lat, lon)| degrees(lat).zip(degrees(lon)));
                let (latitude, longitude) =
                    read.ok_or_else(|| format!("--place {spot:?}: write latitude,longitude, such as 12.68,108.05"))?;
                (traits.latitude, traits.longitude) = (Some(latitude), Some(longitude));
            }
            if let Some(word) = step_with {
                traits.step_with = Some(word).filter(|word| !word.is_empty());
            }
            client.send::<Value>(Method::PUT, &format!("/speakers/{id}/traits"), &json!(traits)).await?;
            place.answer(&traits, |_| format!("speaker {id} set"))?;
        }
    }
    client.close().await
}

async fn add(
    place: &Place,
    client: &Client,
    new: &Value,
    config_out: Option<PathBuf>,
    mqtt: Option<String>,
) -> Result<(), String> {
    can_be_written(config_out.as_deref())?;
    let created: SpeakerCreated = client.send(Method::POST, "/speakers", new).await?;
    if config_out.is_none() && created.enrols {
        let made = enrol(client, &created.speaker, None).await?;
        let both = json!({ "speaker": created, "enrolment": made });
        return place.answer(&both, |_| format!("speaker {} added\n{}", created.speaker, told(&made)));
    }
    hand_over(place, created, config_out, mqtt, "added")
}

/// The password is told once: the file must be writable before it is made.
fn can_be_written(path: Option<&Path>) -> Result<(), String> {
    let Some(path) = path else { return Ok(()) };
    if path.exists() {
        return Err(format!("{} is there already; nothing was changed", path.display()));
    }
    write_secret(path, "").map_err(|e| format!("{} cannot be written: {e}", path.display()))?;
    std::fs::remove_file(path).map_err(|e| e.to_string())
}

/// Writes or prints a board's configuration with its password.
fn hand_over(
    place: &Place,
    created: SpeakerCreated,
    config_out: Option<PathBuf>,
    mqtt: Option<String>,
    done: &str,
) -> Result<(), String> {
    let running = place.data.as_ref().and_then(|dir| DataDir::open(dir).ok()?.running());
    let mqtt = mqtt.or(running.map(|running| running.mqtt)).unwrap_or_else(|| "mqtt://127.0.0.1:1883".into());
    let config = controller_config(&created, &mqtt);
    if let Some(path) = &config_out {
        write_secret(path, &config).map_err(|e| format!("{} cannot be written: {e}", path.display()))?;
    }
    place.answer(&created, |created| match &config_out {
        None => config.clone(),
        Some(path) => {
            let mut lines = vec![format!("speaker {} {done}; its controller's configuration is {}", created.speaker, path.display())];
            if created.enrols {
                lines.push("this center's own broker takes no passwords: enrol the board, unless it is to use another broker".into());
            }
            if mqtt.starts_with("mqtts://") {
                lines.push("put the broker's certificate authority on the board as well, and name it in center.ca there".into());
            }
            if created.is_external {
                lines.push("an external broker learns of it by its next password file: loaxa broker passwd".into());
            }
            if mqtt.contains("//127.") || mqtt.contains("//localhost") || mqtt.contains("//[::1]") {
                lines.push(format!(
                    "{mqtt} reaches the broker from this machine only: for a board elsewhere change center.mqtt there, or add \
                     the speaker with --mqtt URL"
                ));
            }
            lines.join("\n")
        }
    })
}

async fn enrol(client: &Client, id: &str, days: Option<u32>) -> Result<EnrolmentView, String> {
    client.send(Method::POST, &format!("/speakers/{id}/enrolment"), &json!({ "days": days })).await
}

/// What the person at the pole needs, to be read out or scanned.
fn told(made: &EnrolmentView) -> String {
    let ends =
        chrono::DateTime::from_timestamp_millis(made.ends_ms).map(|time| time.format("%Y-%m-%d %H:%M UTC").to_string());
    let mut lines = vec![
        format!("code    {}", made.code),
        format!("center  {}", made.url),
        format!("office  {} (the board prints the same as its authority)", made.authority_fingerprint),
        format!("good for one board until {}; on that board:", ends.unwrap_or_default()),
        format!("  loaxa-controller enroll --center {} --code {}", made.url, made.code),
    ];
    if made.url.contains("//127.") || made.url.contains("//localhost") || made.url.contains("//[::1]") {
        lines.push("  (this address reaches the center from this machine only; set http.address and tls.names for boards elsewhere)".into());
    }
    if let Ok(code) = qrcode::QrCode::new(made.link.as_bytes()) {
        lines.push(code.render::<qrcode::render::unicode::Dense1x2>().build());
    }
    lines.join("\n")
}

/// The part of a controller's configuration that only the center knows; the rest has defaults.
fn controller_config(created: &SpeakerCreated, mqtt: &str) -> String {
    let identity = json!({
        "identity": { "site": created.site, "speaker": created.speaker, "areas": created.areas, "authority": created.authority, "hours": created.hours, "trust": created.trust },
        "center": { "mqtt": mqtt, "password": created.password },
    });
    let table = toml::to_string(&identity).unwrap_or_default();
    format!("# Made by `loaxa speaker add`. firmware-config/controller.toml explains every key.\n{table}")
}
