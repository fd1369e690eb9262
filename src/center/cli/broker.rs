//! Files for a broker that is not ours: who may do what there, and by which password. `docs/BROKERS.md` says how they are used.
//!
//! Read from the data directory, whether the server runs or not. What is not named in these files is refused.

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use serde_json::json;

use super::Place;
use crate::center::broker::CENTER_USER;
use crate::center::datadir::{DataDir, random_text, write_whole};
use crate::center::link::BrokerAddress;
use crate::center::passwords;
use crate::center::store::{SpeakerRow, Store, unusable};
use crate::domain::ids::{SiteId, SpeakerId};
use crate::protocol::topics;

#[derive(Subcommand)]
pub enum Broker {
    /// Print the access control list: each speaker its own topics, the center all of its site, nobody anything else
    Acl {
        #[arg(long, value_enum, default_value_t)]
        kind: Kind,
        /// Write it to a file instead, whole or not at all
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Print the password file: the center and every speaker that is not disabled (hashes only)
    Passwd {
        #[arg(long, value_enum, default_value_t)]
        kind: Kind,
        /// Write it to a file instead, whole or not at all
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub enum Kind {
    #[default]
    Mosquitto,
}

/// Speakers read at once.
const PAGE: i64 = 1000;

pub async fn broker(place: &Place, command: Broker) -> Result<(), String> {
    let data = DataDir::open(&place.data()?)?;
    let config = place.settings([])?.values;
    let center = center(&config.mqtt.broker)?;
    match command {
        Broker::Acl { kind: Kind::Mosquitto, out } => {
            let user = center.map_or_else(|| CENTER_USER.to_owned(), |center| center.user);
            give(place, out.as_deref(), &acl(&data.site()?.site, &user), "the access control list")
        }
        Broker::Passwd { kind: Kind::Mosquitto, out } => {
            let center = center.ok_or_else(|| unsaid(&data))?;
            let store = Store::look_at(data.root(), &config.store.database)
                .await
                .map_err(unusable(data.root(), &config.store.database))?;
            let speakers = speakers(&store).await;
            store.close().await;
            let (text, left_out) = passwd(&center, &speakers?)?;
            give(place, out.as_deref(), &text, "the password file")?;
            if !left_out.is_empty() {
                eprintln!(
                    "left out, since only the hash of an older form is kept (loaxa speaker password ID gives a new one): {}",
                    left_out.join(" ")
                );
            }
            Ok(())
        }
    }
}

/// Under which name and password the center signs in at the external broker, if one is configured.
fn center(url: &str) -> Result<Option<BrokerAddress>, String> {
    if url.is_empty() {
        return Ok(None);
    }
    let address = BrokerAddress::parse(url).map_err(|e| format!("mqtt.broker: {e}"))?;
    if address.user.is_empty() || address.password.is_empty() {
        return Err("mqtt.broker names no user and password for the center: mqtts://center:PASSWORD@host:port".into());
    }
    // Both files are made of lines.
    if address.user.contains([':', '+', '#', '/']) || address.user.chars().any(|c| c.is_whitespace() || c.is_control())
    {
        return Err(format!("mqtt.broker: {:?} cannot be a user name there; use {CENTER_USER}", address.user));
    }
    // Else a speaker of that name could be added, and would own the site's topics.
    if !address.user.starts_with(CENTER_USER) && address.user.parse::<SpeakerId>().is_ok() {
        return Err(format!("mqtt.broker: {:?} could be a speaker's name; use {CENTER_USER}", address.user));
    }
    Ok(Some(address))
}

fn unsaid(data: &DataDir) -> String {
    let password = random_text(18).unwrap_or_else(|_| "PASSWORD".into());
    format!(
        "mqtt.broker is not set, so the center's own password is not known; write to {}: [mqtt] and below it \
         broker = \"mqtts://{CENTER_USER}:{password}@HOST:8883\"",
        data.path(crate::center::datadir::CONFIG_FILE).display()
    )
}

async fn speakers(store: &Store) -> Result<Vec<SpeakerRow>, String> {
    let (mut all, mut after) = (vec![], String::new());
    loop {
        let page = store.speakers(&after, PAGE).await.map_err(|e| e.to_string())?;
        let Some(last) = page.last() else { return Ok(all) };
        after = last.id.to_string();
        all.extend(page);
    }
}

/// Mosquitto's access control list: with such a file, what no line allows is denied.
fn acl(site: &SiteId, center: &str) -> String {
    let rights = topics::rights_of_speakers(site, "%u");
    let mut lines = vec![
        format!("# Made by `loaxa broker acl` for the site {site}. What is not allowed here is denied."),
        String::new(),
        "# The center".into(),
        format!("user {center}"),
        format!("topic readwrite {}", topics::all(site)),
        String::new(),
        "# Speakers: the user name is the speaker's id".into(),
    ];
    lines.extend(rights.write.iter().map(|topic| format!("pattern write {topic}")));
    lines.extend(rights.read.iter().map(|topic| format!("pattern read {topic}")));
    lines.join("\n") + "\n"
}

/// Mosquitto's password file, and who could not be put into it. The disabled are not in it either.
fn passwd(center: &BrokerAddress, speakers: &[SpeakerRow]) -> Result<(String, Vec<String>), String> {
    let mut text = format!("{}:{}\n", center.user, passwords::hash(&center.password)?);
    let mut left_out = vec![];
    for speaker in speakers.iter().filter(|speaker| !speaker.disabled) {
        if passwords::is_portable(&speaker.password_hash) {
            text += &format!("{}:{}\n", speaker.id, speaker.password_hash);
        } else {
            left_out.push(speaker.id.to_string());
        }
    }
    Ok((text, left_out))
}

fn give(place: &Place, out: Option<&Path>, text: &str, what: &str) -> Result<(), String> {
    let Some(path) = out else {
        place.print(text);
        return Ok(());
    };
    write_whole(path, text.as_bytes()).map_err(|e| format!("{} cannot be written: {e}", path.display()))?;
    place.answer(&json!({ "file": path, "lines": text.lines().count() }), |_| {
        format!("{what} is in {}; have the broker read it again (Mosquitto: SIGHUP)", path.display())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_names_what_is_allowed_and_nothing_wide() {
        let text = acl(&"mau".parse().unwrap(), "center");
        assert!(text.contains("\nuser center\ntopic readwrite loaxa/1/mau/#\n"), "{text}");
        assert!(text.contains("\npattern write loaxa/1/mau/speakers/%u/state\n"), "{text}");
        assert!(text.contains("\npattern read loaxa/1/mau/speakers/%u/plan\n"), "{text}");
        assert!(text.contains("\npattern read loaxa/1/mau/media/+/+\n"), "{text}");
        assert!(text.contains("\npattern read loaxa/1/mau/areas/+/command\n"), "{text}");
        for line in text.lines().filter(|line| line.starts_with("pattern")) {
            assert!(!line.contains('#') && !line.contains("speakers/+"), "{line}");
            assert!(!line.starts_with("pattern write") || line.contains("/speakers/%u/"), "{line}");
        }
    }

    #[test]
    fn the_center_needs_a_name_that_no_speaker_can_have() {
        assert!(center("").unwrap().is_none());
        assert_eq!(center("mqtts://center-2:p@h").unwrap().unwrap().user, "center-2");
        for url in ["mqtts://h", "mqtts://center@h", "mqtts://loa:p@h", "mqtts://a b:p@h", "mqtts://+:p@h"] {
            assert!(center(url).is_err(), "{url}");
        }
    }
}
