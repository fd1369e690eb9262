//! Keys of people: made, opened and used here, never sent.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use axum::http::Method;
use clap::Subcommand;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::authority::site_of;
use super::signing::Signing;
use super::{Place, table};
use crate::center::app::now_ms;
use crate::center::datadir::write_secret;
use crate::domain::DAY_MS;
use crate::domain::approval::{Certificate, Role};
use crate::domain::ids::AreaCode;
use crate::domain::priority::Priority;
use crate::protocol::keys::{SealedKey, SigningKey, key_id};

#[derive(Subcommand)]
pub enum Approver {
    /// Make an approver's key under a passphrase, and have the authority certify it
    Add {
        /// The person, and what they answer for
        name: String,
        /// Where they may approve
        #[arg(long, required = true, value_delimiter = ',')]
        area: Vec<AreaCode>,
        /// Up to which priority: filler, normal, priority or emergency
        #[arg(long, default_value = "normal")]
        highest: Priority,
        #[arg(long, default_value_t = 365)]
        valid_days: u32,
        /// Where to write the sealed key
        #[arg(long, value_name = "FILE")]
        key_out: PathBuf,
        /// File with the passphrase of the new key (else LOAXA_PASSPHRASE, else asked for)
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
        #[command(flatten)]
        signing: Signing,
    },
    /// List approvers and their certificates
    List,
}

pub async fn approver(place: &Place, command: Approver) -> Result<(), String> {
    let client = place.client().await?;
    match command {
        Approver::Add { name, area, highest, valid_days, key_out, passphrase_file, signing } => {
            if key_out.exists() {
                return Err(format!("{} is there already; nothing was changed", key_out.display()));
            }
            let site = site_of(place, &client).await?;
            let passphrase = match given_passphrase(passphrase_file.as_deref(), "LOAXA_PASSPHRASE")? {
                Some(passphrase) => passphrase,
                None => new_passphrase(&format!("Passphrase for {name}'s key"))?,
            };
            let key = SigningKey::generate().map_err(|e| e.to_string())?;
            let sealed = SealedKey::seal(&key, &name, &passphrase).map_err(|e| e.to_string())?;
            let certificate = Certificate {
                site,
                role: Role::Approver,
                title: name.clone(),
                key: key.public(),
                areas: area,
                highest,
                valid_from_ms: now_ms() - DAY_MS,
                valid_until_ms: now_ms() + i64::from(valid_days) * DAY_MS,
            };
            let envelope = signing.sign(place, &certificate)?;
            let text = serde_json::to_string_pretty(&sealed).map_err(|e| e.to_string())?;
            write_secret(&key_out, &text).map_err(|e| format!("{} cannot be written: {e}", key_out.display()))?;
            let Some(envelope) = envelope else {
                eprintln!("the sealed key is {}; it may approve once the certificate is applied", key_out.display());
                return client.close().await;
            };
            let sent = client.send::<Value>(Method::POST, "/certificates", &json!(envelope)).await;
            if let Err(error) = sent {
                let _ = std::fs::remove_file(&key_out);
                return Err(error);
            }
            let made = json!({ "key": key_id(&key.public()), "key_file": key_out });
            place.answer(&made, |_| format!("{name} may approve; the sealed key is {}", key_out.display()))?;
        }
        Approver::List => {
            let list: Value = client.get("/certificates").await?;
            place.answer(&list, |list| {
                let mut table = table(&["key", "role", "name", "areas", "up to", "valid until", ""]);
                for row in list.as_array().into_iter().flatten() {
                    let certificate = &row["certificate"];
                    let until =
                        chrono::DateTime::from_timestamp_millis(certificate["valid_until_ms"].as_i64().unwrap_or(0));
                    let areas: Vec<_> =
                        certificate["areas"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                    table.add_row([
                        text(&row["key"]),
                        text(&certificate["role"]),
                        text(&certificate["title"]),
                        areas.join(" "),
                        text(&certificate["highest"]),
                        until.map(|until| until.format("%Y-%m-%d").to_string()).unwrap_or_default(),
                        if row["revoked"] == true { "revoked".into() } else { String::new() },
                    ]);
                }
                table.to_string()
            })?;
        }
    }
    client.close().await
}

/// Opens a sealed key with the passphrase that was given, or asks for it.
pub fn open_key(
    path: &Path,
    passphrase_file: Option<&Path>,
    variable: &str,
    prompt: &str,
) -> Result<SigningKey, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("the key {} cannot be read: {e}", path.display()))?;
    let sealed: SealedKey =
        serde_json::from_str(&text).map_err(|_| format!("{} is not a sealed key file", path.display()))?;
    let passphrase = match given_passphrase(passphrase_file, variable)? {
        Some(passphrase) => passphrase,
        None => ask(prompt)?,
    };
    sealed.open(&passphrase).map_err(|e| format!("{}: {e}", path.display()))
}

/// A passphrase from a file (its first line) or an environment variable.
pub fn given_passphrase(file: Option<&Path>, variable: &str) -> Result<Option<Zeroizing<String>>, String> {
    if let Some(path) = file {
        let text = std::fs::read_to_string(path).map_err(|e| format!("{} cannot be read: {e}", path.display()))?;
        return Ok(Some(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned())));
    }
    Ok(std::env::var(variable).ok().map(Zeroizing::new))
}

fn ask(prompt: &str) -> Result<Zeroizing<String>, String> {
    if !std::io::stdin().is_terminal() {
        return Err(format!("{prompt}: give it in a file or in the environment (see --help)"));
    }
    rpassword::prompt_password(format!("{prompt}: ")).map(Zeroizing::new).map_err(|e| e.to_string())
}

/// Asks twice.
pub fn new_passphrase(prompt: &str) -> Result<Zeroizing<String>, String> {
    let first = ask(prompt)?;
    if *first == *ask("Once more")? { Ok(first) } else { Err("the two passphrases are not the same".into()) }
}
