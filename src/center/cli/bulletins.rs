//! Bulletins, from the file to the approval.

use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use clap::Subcommand;
use futures_util::StreamExt as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use tokio_util::io::ReaderStream;

use super::authority::site_of;
use super::keys::open_key;
use super::{Place, escaped, table};
use crate::center::api::{BulletinView, RevisionView};
use crate::center::app::now_ms;
use crate::center::client::Client;
use crate::center::schedule_file::ScheduleFile;
use crate::domain::DAY_MS;
use crate::domain::approval::{Approval, Ticket};
use crate::domain::ids::{AreaCode, MediaHash, TicketId};
use crate::domain::priority::Priority;
use crate::protocol::envelope::Envelope;
use crate::protocol::keys::{key_id, media_hash};

#[derive(Subcommand)]
pub enum Bulletin {
    /// Add a bulletin from an audio file (MP3, M4A, Ogg Vorbis or Opus, FLAC, WAV)
    Add {
        file: PathBuf,
        #[arg(long)]
        title: String,
        /// ISO 639-3: vie, cjm, rog, ...; zxx where nothing is spoken
        #[arg(long)]
        language: String,
        #[arg(long)]
        area: AreaCode,
        /// Made up if not given
        #[arg(long)]
        id: Option<String>,
        /// File with the text of the bulletin
        #[arg(long, value_name = "FILE")]
        text: Option<PathBuf>,
        /// The bulletin of which this is another language version
        #[arg(long, value_name = "ID")]
        version_of: Option<String>,
    },
    /// Add the bulletins of a playlist file, those that are not there yet
    Import { file: PathBuf },
    /// New audio for a bulletin; it needs an approval of its own
    Revise { id: String, file: PathBuf },
    /// List bulletins
    List,
    /// Show one bulletin with its revisions
    Show { id: String },
    /// Fetch the sound as it would be broadcast, to listen to it
    Fetch {
        #[command(flatten)]
        which: Which,
        /// Where to write it (Ogg Opus)
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Remove a bulletin that was never approved
    Remove { id: String },
    /// Hand a draft to the approver
    Submit(Which),
    /// Approve: signed here with the approver's key
    Approve {
        #[command(flatten)]
        which: Which,
        /// The approver's sealed key
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// File with its passphrase (else LOAXA_PASSPHRASE, else asked for)
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
        /// Where it may sound; the bulletin's own area if not given
        #[arg(long, value_delimiter = ',')]
        area: Vec<AreaCode>,
        #[arg(long, default_value = "normal")]
        highest: Priority,
        /// For how long from now
        #[arg(long, default_value_t = 90)]
        valid_days: u32,
        /// You have listened to all of it
        #[arg(long)]
        listened: bool,
        /// Else: why you have not. It is kept with the approval
        #[arg(
            long,
            value_name = "REASON",
            conflicts_with = "listened",
            default_value = "approved with the command line, which plays nothing"
        )]
        unheard: String,
    },
    /// Sign a ticket: these bulletins may sound once as an emergency, now. They must be approved up to emergency
    Ticket {
        #[arg(required = true)]
        ids: Vec<String>,
        /// The approver's sealed key
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// File with its passphrase (else LOAXA_PASSPHRASE, else asked for)
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
        /// Where it may sound; the first bulletin's own area if not given
        #[arg(long, value_delimiter = ',')]
        area: Vec<AreaCode>,
        /// For how long from now it may begin and end
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=1440))]
        valid_min: u32,
        /// The most that may sound
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1440))]
        longest_min: u32,
    },
    /// Send back to the editor
    Return {
        #[command(flatten)]
        which: Which,
        #[arg(long)]
        reason: String,
    },
    /// Take the approved revision and all before it off the air for good; what sounds now stops
    Withdraw(Which),
}

#[derive(clap::Args)]
pub struct Which {
    id: String,
    /// The newest if not given (for withdraw: the newest approved one)
    #[arg(long)]
    revision: Option<u32>,
}

pub async fn bulletin(place: &Place, command: Bulletin) -> Result<(), String> {
    let client = place.client().await?;
    let result = perform(place, &client, command).await;
    // Also after a failure: what was done before it counts.
    let closed = client.close().await;
    result.and(closed)
}

async fn perform(place: &Place, client: &Client, command: Bulletin) -> Result<(), String> {
    match command {
        Bulletin::Add { file, title, language, area, id, text, version_of } => {
            let words = text.map(|path| read_text(&path)).transpose()?.unwrap_or_default();
            let new = NewBulletin {
                id: id.as_deref(),
                title: &title,
                language: &language,
                area: area.as_str(),
                words: &words,
                version_of: version_of.as_deref(),
            };
            let added = add(client, &file, &new).await?;
            place.answer(&added, describe)
        }
        Bulletin::Import { file } => import(place, client, &file).await,
        Bulletin::Revise { id, file } => {
            let path = format!("/bulletins/{id}/revisions?file_name={}", escaped(&name_of(&file)));
            let added = upload(client, &file, &path).await?;
            place.answer(&added, describe)
        }
        Bulletin::List => list(place, client).await,
        Bulletin::Show { id } => {
            let shown: BulletinView = client.get(&format!("/bulletins/{id}")).await?;
            place.answer(&shown, describe)
        }
        Bulletin::Fetch { which, out } => {
            let shown: BulletinView = client.get(&format!("/bulletins/{}", which.id)).await?;
            let (hash, bytes) = fetch(client, pick(&shown, which.revision)?).await?;
            let written =
                std::fs::File::create_new(&out).and_then(|mut file| std::io::Write::write_all(&mut file, &bytes));
            written.map_err(|e| format!("{} cannot be written: {e}", out.display()))?;
            place.answer(&json!({ "media": hash, "file": out }), |_| {
                format!("{} ({} bytes)", out.display(), bytes.len())
            })
        }
        Bulletin::Remove { id } => {
            client.send::<Value>(Method::DELETE, &format!("/bulletins/{id}"), &Value::Null).await?;
            place.answer(&json!({ "removed": id }), |_| format!("bulletin {id} removed"))
        }
        Bulletin::Submit(which) => step(place, client, &which, "submit", json!({})).await,
        Bulletin::Return { which, reason } => step(place, client, &which, "return", json!({ "reason": reason })).await,
        Bulletin::Withdraw(which) => {
            // What is approved is meant, not a draft that came after it; those before it go with it.
            let shown: BulletinView = client.get(&format!("/bulletins/{}", which.id)).await?;
            let approved = shown.revisions.iter().rev().find(|revision| revision.state == "approved");
            let revision = which.revision.or(approved.map(|revision| revision.revision));
            step(place, client, &Which { id: which.id, revision }, "withdraw", json!({})).await
        }
        Bulletin::Approve { which, key, passphrase_file, area, highest, valid_days, listened, unheard } => {
            let shown: BulletinView = client.get(&format!("/bulletins/{}", which.id)).await?;
            let revision = pick(&shown, which.revision)?;
            let key =
                open_key(&key, passphrase_file.as_deref(), "LOAXA_PASSPHRASE", "Passphrase of the approver's key")?;
            let center: Value = client.get("/center").await?;
            let areas = if area.is_empty() { vec![shown.area.parse().map_err(|e| format!("{e}"))?] } else { area };
            let approval = Approval {
                site: center["site"].as_str().unwrap_or_default().parse().map_err(|e| format!("{e}"))?,
                bulletin: shown.id.parse().map_err(|e| format!("{e}"))?,
                revision: revision.revision,
                title: shown.title.clone(),
                media: fetch(client, revision).await?.0,
                areas,
                highest,
                // An hour back, so that an approver's fast clock does not forbid the next minutes.
                valid_from_ms: now_ms() - 3_600_000,
                valid_until_ms: now_ms() + i64::from(valid_days) * DAY_MS,
                made_ms: now_ms(),
                approver: key_id(&key.public()),
            };
            let envelope = Envelope::sign(&approval, &key).map_err(|e| e.to_string())?;
            let which = Which { id: which.id, revision: Some(revision.revision) };
            let unheard = if listened { String::new() } else { unheard };
            let body = json!({ "approval": envelope, "listened": listened, "unheard": unheard });
            step(place, client, &which, "approve", body).await?;
            if highest == Priority::Emergency {
                eprintln!("to sound it as an emergency, sign a ticket when the time comes: loaxa bulletin ticket");
            }
            Ok(())
        }
        Bulletin::Ticket { ids, key, passphrase_file, area, valid_min, longest_min } => {
            let key =
                open_key(&key, passphrase_file.as_deref(), "LOAXA_PASSPHRASE", "Passphrase of the approver's key")?;
            let (mut media, mut titles, mut areas) = (vec![], vec![], area);
            for id in &ids {
                let shown: BulletinView = client.get(&format!("/bulletins/{id}")).await?;
                let revision = shown.revisions.iter().rev().find(|revision| revision.state == "approved");
                let revision = revision.ok_or_else(|| format!("bulletin {id} is not approved"))?;
                media.push(fetch(client, revision).await?.0);
                if areas.is_empty() {
                    areas.push(shown.area.parse().map_err(|e| format!("{e}"))?);
                }
                titles.push(shown.title);
            }
            let minutes = |count: u32| i64::from(count) * 60_000;
            let ticket = Ticket {
                site: site_of(place, client).await?,
                ticket: new_ticket_id()?,
                title: titles.join(" + "),
                media,
                areas,
                valid_from_ms: now_ms() - 60_000,
                valid_until_ms: now_ms() + minutes(valid_min),
                longest_ms: minutes(longest_min),
                made_ms: now_ms(),
                approver: key_id(&key.public()),
            };
            let envelope = Envelope::sign(&ticket, &key).map_err(|e| e.to_string())?;
            client.send::<Value>(Method::POST, "/tickets", &json!(envelope)).await?;
            place.answer(&ticket, |ticket| {
                format!(
                    "{} may sound once as an emergency within {valid_min} minutes; \
                     now play it: loaxa schedule now PROGRAMME --priority emergency --targets ...",
                    ticket.title
                )
            })
        }
    }
}

/// Random, and a valid id: hex.
fn new_ticket_id() -> Result<TicketId, String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|_| "the system has no randomness".to_owned())?;
    hex::encode(random).parse().map_err(|e| format!("{e}"))
}

struct NewBulletin<'a> {
    id: Option<&'a str>,
    title: &'a str,
    language: &'a str,
    area: &'a str,
    words: &'a str,
    version_of: Option<&'a str>,
}

async fn add(client: &Client, file: &Path, new: &NewBulletin<'_>) -> Result<BulletinView, String> {
    let mut path = format!(
        "/bulletins?title={}&language={}&area={}&file_name={}",
        escaped(new.title),
        escaped(new.language),
        escaped(new.area),
        escaped(&name_of(file))
    );
    if let Some(id) = new.id {
        path = format!("{path}&id={}", escaped(id));
    }
    if let Some(of) = new.version_of {
        path = format!("{path}&version_of={}", escaped(of));
    }
    let mut added = upload(client, file, &path).await?;
    if !new.words.is_empty() {
        client
            .send::<Value>(Method::PUT, &format!("/bulletins/{}/text", added.id), &json!({ "text": new.words }))
            .await?;
        added.text = new.words.to_owned();
    }
    Ok(added)
}

fn name_of(file: &Path) -> String {
    file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn read_text(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("{} cannot be read: {e}", path.display()))
}

/// Sends a file, waits until it is converted, and shows how far both are. A refused file is an error in plain words.
async fn upload(client: &Client, file: &Path, path: &str) -> Result<BulletinView, String> {
    let unreadable = |e: std::io::Error| format!("{} cannot be read: {e}", file.display());
    let opened = tokio::fs::File::open(file).await.map_err(unreadable)?;
    let meta = opened.metadata().await.map_err(unreadable)?;
    if !meta.is_file() {
        return Err(format!("{} is not a file", file.display()));
    }
    let bar = ProgressBar::with_draw_target(Some(meta.len()), ProgressDrawTarget::stderr());
    bar.set_style(style("sending    {bar:40} {percent}%"));
    let counted = bar.clone();
    let stream =
        ReaderStream::new(opened).inspect(move |part| counted.inc(part.as_ref().map_or(0, |part| part.len() as u64)));
    let added: BulletinView = client.upload(path, Body::from_stream(stream)).await?;
    let revision = added.revisions.last().map_or(0, |revision| revision.revision);
    bar.set_style(style("converting {bar:40} {percent}%"));
    bar.set_length(100);
    loop {
        let shown: BulletinView = client.get(&format!("/bulletins/{}", added.id)).await?;
        let found = shown.revisions.iter().find(|row| row.revision == revision).ok_or("the new revision is gone")?;
        bar.set_position(u64::from(found.progress.unwrap_or(0)));
        match found.intake.as_str() {
            "ready" => {
                bar.finish_and_clear();
                return Ok(shown);
            }
            "refused" => {
                bar.finish_and_clear();
                let problem = found.problem.clone().unwrap_or_default();
                if shown.revisions.len() == 1 {
                    // Nothing is left of it, so that a better file can come under the same id.
                    client.send::<Value>(Method::DELETE, &format!("/bulletins/{}", shown.id), &Value::Null).await?;
                }
                return Err(format!("{}: {problem}", file.display()));
            }
            _ => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

async fn import(place: &Place, client: &Client, path: &Path) -> Result<(), String> {
    let file = ScheduleFile::read(path)?;
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut added = vec![];
    // Originals before their versions.
    let mut bulletins: Vec<_> = file.bulletin.iter().collect();
    bulletins.sort_by_key(|(_, new)| new.version_of.is_some());
    for (id, new) in bulletins {
        if client.get::<Value>(&format!("/bulletins/{id}")).await.is_ok() {
            continue;
        }
        let words = new.text.as_ref().map(|text| read_text(&dir.join(text))).transpose()?.unwrap_or_default();
        let bulletin = NewBulletin {
            id: Some(id),
            title: &new.title,
            language: &new.language,
            area: &new.area,
            words: &words,
            version_of: new.version_of.as_deref(),
        };
        let shown = add(client, &dir.join(&new.file), &bulletin).await.map_err(|e| format!("[bulletin.{id}]: {e}"))?;
        added.push(shown);
    }
    place.answer(&added, |added| match added.len() {
        0 => "nothing to add: all bulletins of this file are there already".into(),
        _ => added.iter().map(describe).collect::<Vec<_>>().join("\n"),
    })
}

async fn list(place: &Place, client: &Client) -> Result<(), String> {
    let mut all: Vec<BulletinView> = vec![];
    let mut cursor = String::new();
    loop {
        let page: Value = client.get(&format!("/bulletins?cursor={}", escaped(&cursor))).await?;
        let items: Vec<BulletinView> = serde_json::from_value(page["items"].clone()).map_err(|e| e.to_string())?;
        all.extend(items);
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    place.answer(&all, |all| {
        if all.is_empty() {
            return "no bulletins yet; add one: loaxa bulletin add FILE --title TITLE --language vie --area CODE"
                .into();
        }
        let mut table = table(&["id", "title", "language", "area", "revision", "state", "seconds", "LUFS"]);
        for bulletin in all {
            let last = bulletin.revisions.last();
            let sound = last.and_then(|last| last.sound.as_ref());
            table.add_row([
                bulletin.id.clone(),
                bulletin.title.clone(),
                bulletin.language.clone(),
                bulletin.area.clone(),
                last.map_or(String::new(), |last| last.revision.to_string()),
                last.map_or(String::new(), state_of),
                sound.map_or(String::new(), |sound| format!("{:.1}", sound.duration_ms as f64 / 1000.0)),
                sound.map_or(String::new(), |sound| format!("{:.1}", sound.loudness_lufs)),
            ]);
        }
        table.to_string()
    })
}

fn state_of(revision: &RevisionView) -> String {
    match revision.intake.as_str() {
        "ready" => revision.state.clone(),
        intake => intake.to_owned(),
    }
}

fn describe(bulletin: &BulletinView) -> String {
    let mut lines =
        vec![format!("{} — {} ({}, area {})", bulletin.id, bulletin.title, bulletin.language, bulletin.area)];
    for revision in &bulletin.revisions {
        let mut line = format!("  revision {}: {}", revision.revision, state_of(revision));
        if let Some(sound) = &revision.sound {
            let seconds = sound.duration_ms as f64 / 1000.0;
            line += &format!(
                ", {seconds:.1} s, {:.1} LUFS, gain {:+.1} dB, {} bytes",
                sound.loudness_lufs, sound.gain_db, sound.bytes
            );
        }
        for word in [&revision.reason, &revision.problem].into_iter().flatten() {
            line += &format!(" — {word}");
        }
        lines.push(line);
        for approval in &revision.approvals {
            let until = chrono::DateTime::from_timestamp_millis(approval.valid_until_ms);
            let until = until.map(|until| until.format("%Y-%m-%d").to_string()).unwrap_or_default();
            lines.push(format!("    approved by {} up to {}, until {until}", approval.title, approval.highest));
        }
        if revision.state == "submitted"
            && revision.approvals.len() < revision.approvals_needed
            && revision.approvals_needed > 1
        {
            lines.push(format!("    {} of {} approvals", revision.approvals.len(), revision.approvals_needed));
        }
        lines.extend(revision.flaws.iter().map(|flaw| format!("    warning: {flaw}")));
    }
    lines.join("\n")
}

fn pick(bulletin: &BulletinView, revision: Option<u32>) -> Result<&RevisionView, String> {
    let found = match revision {
        None => bulletin.revisions.last(),
        Some(number) => bulletin.revisions.iter().find(|row| row.revision == number),
    };
    found.ok_or_else(|| format!("bulletin {} has no such revision", bulletin.id))
}

/// Fetches what is to be approved and hashes it here: the approver signs what was heard, not what a server says.
async fn fetch(client: &Client, revision: &RevisionView) -> Result<(MediaHash, Vec<u8>), String> {
    let sound = revision.sound.as_ref().ok_or("this revision has no sound that could be approved")?;
    let bytes = client.bytes(&format!("/media/{}", sound.media)).await?;
    let hash = media_hash(&bytes);
    if hash.to_string() == sound.media {
        Ok((hash, bytes))
    } else {
        Err("the center sent other audio than it said; nothing was signed".into())
    }
}

async fn step(place: &Place, client: &Client, which: &Which, step: &str, body: Value) -> Result<(), String> {
    let shown: BulletinView = client.get(&format!("/bulletins/{}", which.id)).await?;
    let revision = pick(&shown, which.revision)?.revision;
    let path = format!("/bulletins/{}/revisions/{revision}/{step}", which.id);
    let after: BulletinView = client.send(Method::POST, &path, &body).await?;
    place.answer(&after, describe)
}
