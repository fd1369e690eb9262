//! Official lists of units, mergers, and changes of single units. What the authority signs for a merger is shown before, and begun from the
//! list that was signed last, not from what the server says.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;

use axum::body::Body;
use axum::http::Method;
use clap::Args;
use serde_json::{Value, json};

use super::Place;
use super::authority::{list_before_merger, site_of, stamp};
use super::signing::{SIGNED, Signed, Signing, keep_beside};
use crate::center::api::{AreaChange, AreaView, ImportView, MergerOrder};
use crate::center::areas::import::What;
use crate::center::areas::merger::{Many, MergerView, Move, Wish};
use crate::center::client::Client;
use crate::domain::ids::{AreaCode, SpeakerId};
use crate::domain::trust::TrustList;
use crate::protocol::envelope::{Envelope, Statement as _};

/// Names and lines that are told one by one.
const SHOWN: usize = 20;

#[derive(Args)]
pub struct Edit {
    code: AreaCode,
    #[arg(long)]
    title: Option<String>,
    /// The unit above
    #[arg(long)]
    parent: Option<AreaCode>,
    /// The first day of the unit, as YYYY-MM-DD
    #[arg(long)]
    valid_from: Option<String>,
    /// End the unit on that day; units with speakers are merged instead
    #[arg(long, conflicts_with = "revive")]
    valid_to: Option<String>,
    /// It is a unit again
    #[arg(long)]
    revive: bool,
}

#[derive(Args)]
pub struct ImportFile {
    /// CSV with a line of headers, such as province_code,province,commune_code,commune (or mã tỉnh, tên tỉnh, mã xã, tên xã)
    file: PathBuf,
    /// Take the units of this province alone
    #[arg(long)]
    province: Option<AreaCode>,
    /// Only tell what would be
    #[arg(long)]
    dry_run: bool,
}

#[derive(Args)]
pub struct Merge {
    /// The old units
    #[arg(value_delimiter = ',')]
    from: Vec<AreaCode>,
    /// The unit that they become part of
    #[arg(long)]
    into: AreaCode,
    /// Single speakers of a unit that is divided
    #[arg(long, value_delimiter = ',')]
    speaker: Vec<SpeakerId>,
    /// From when on, as YYYY-MM-DD; today if not given
    #[arg(long)]
    date: Option<String>,
    /// The units stay what they are, and only stand below another one
    #[arg(long)]
    keep: bool,
    /// Leave the roles of accounts where they are
    #[arg(long)]
    leave_accounts: bool,
    /// Go on though some boards run a program too old to follow; they take no new plan until they are updated
    #[arg(long)]
    even_old_boards: bool,
    /// Only tell what would be
    #[arg(long)]
    dry_run: bool,
    /// The new unit's code once more: a merger cannot be undone by a button (else asked for)
    #[arg(long, value_name = "CODE")]
    confirm: Option<String>,
    /// What the authority signed elsewhere for it, after --request-out
    #[arg(long, value_name = "FILE", conflicts_with = "request_out")]
    signed: Option<PathBuf>,
    #[command(flatten)]
    signing: Signing,
}

pub async fn edit(place: &Place, client: &Client, edit: Edit) -> Result<(), String> {
    let code = &edit.code;
    let now: AreaView = client.get(&format!("/areas/{code}")).await?;
    let change = AreaChange {
        title: edit.title.unwrap_or(now.title),
        parent: edit.parent.map(|parent| parent.to_string()).or(now.parent),
        valid_from: edit.valid_from.or(now.valid_from),
        valid_to: if edit.revive { None } else { edit.valid_to.or(now.valid_to) },
    };
    client.send::<Value>(Method::PUT, &format!("/areas/{code}"), &json!(change)).await?;
    place.answer(&change, |change| format!("area {code} is {} now", change.title))
}

pub async fn import(place: &Place, client: &Client, import: ImportFile) -> Result<(), String> {
    let file = import.file.display();
    let bytes = std::fs::read(&import.file).map_err(|e| format!("{file} cannot be read: {e}"))?;
    let province = import.province.map_or(String::new(), |code| format!("&province={code}"));
    let path = format!("/areas/import?dry_run={}{province}", import.dry_run);
    let view: ImportView = client.upload(&path, Body::from(bytes)).await?;
    place.answer(&view, |view| import_words(view, import.dry_run))?;
    match view.good {
        true => Ok(()),
        false => Err(format!(
            "nothing was changed: {} lines of {file} are in the way",
            view.counts.faulty + view.counts.conflicts
        )),
    }
}

fn import_words(view: &ImportView, dry_run: bool) -> String {
    let counts = &view.counts;
    let mut lines = vec![format!(
        "{} new, {} the same, {} renamed, {} moved, {} in conflict, {} faulty",
        counts.new, counts.same, counts.renamed, counts.moved, counts.conflicts, counts.faulty
    )];
    if counts.left_out > 0 {
        lines.push(format!("{} units of other provinces were left out", counts.left_out));
    }
    if counts.zeros > 0 {
        lines.push(format!("zeros were put back before {} codes", counts.zeros));
    }
    let told = view.lines.iter().filter(|line| line.what != What::New);
    lines.extend(told.clone().take(SHOWN).map(|line| format!("line {}: {}", line.line, line.words())));
    if told.clone().count() > SHOWN {
        lines.push(format!("... and {} more; --json tells all", told.count() - SHOWN));
    }
    lines.push(match (view.good, dry_run) {
        (true, true) => "nothing is in the way; without --dry-run it is done".into(),
        (true, false) => "done".into(),
        (false, _) => "nothing was changed".to_owned(),
    });
    lines.join("\n")
}

pub async fn merge(place: &Place, client: &Client, merge: Merge) -> Result<(), String> {
    let wish = Wish {
        moves: vec![Move {
            into: merge.into.to_string(),
            from: merge.from.iter().map(AreaCode::to_string).collect(),
            speakers: merge.speaker.iter().map(SpeakerId::to_string).collect(),
            keep: merge.keep,
        }],
        date: merge.date.clone(),
        accounts: !merge.leave_accounts,
        even_old_boards: merge.even_old_boards,
    };
    let mut order = MergerOrder { wish, dry_run: true, signed: None, confirm: String::new() };
    let view: MergerView = client.send(Method::POST, "/areas/merger", &json!(order)).await?;
    if merge.dry_run {
        return place.answer(&view, merger_words);
    }
    if let Some(first) = view.in_the_way.first() {
        return Err(first.words());
    }
    if !place.json {
        println!("{}", merger_words(&view));
    }
    // Before anything is signed: a list that was signed and is not brought in stands in the way of the next.
    if merge.signing.request_out.is_none() {
        order.confirm = match merge.confirm {
            Some(code) => code,
            None => asked_for(&view.confirm)?,
        };
        if order.confirm != view.confirm {
            return Err(format!(
                "a merger cannot be undone by a button; to have it done, say --confirm {}",
                view.confirm
            ));
        }
    }
    if let Some(wanted) = &view.statement {
        order.signed = match &merge.signed {
            Some(path) => Some(signed_elsewhere(path)?),
            None => {
                let list = list(place, client, &merge.signing, wanted).await?;
                // Written out to be signed elsewhere: it comes back with --signed.
                let Some(envelope) = merge.signing.sign(place, &list)? else {
                    eprintln!("then bring it back with: loaxa area merge ... --signed signed.json");
                    return Ok(());
                };
                keep_beside(&merge.signing.key_path(place)?, &envelope);
                Some(envelope)
            }
        };
    }
    order.dry_run = false;
    let done: MergerView = client.send(Method::POST, "/areas/merger", &json!(order)).await?;
    place.answer(&done, |done| {
        format!(
            "done: {} units, {} speakers; boards follow with their next plan, which is being made",
            done.units.len(),
            done.speakers.count
        )
    })
}

/// What is signed begins with what was signed last; of what the server says only the moves are taken, and shown.
async fn list(place: &Place, client: &Client, signing: &Signing, wanted: &TrustList) -> Result<TrustList, String> {
    let mut list = list_before_merger(place, client, signing).await?;
    let added = wanted.moved.strip_prefix(list.moved.as_slice());
    let added = added.ok_or(
        "the center does not have the mergers that were signed here before; restore it from a newer copy first",
    )?;
    list.site = site_of(place, client).await?;
    stamp(&mut list)?;
    let version = list.version;
    list.moved.extend(added.iter().cloned().map(|mut moved| {
        moved.since = version;
        moved
    }));
    Ok(list)
}

fn signed_elsewhere(path: &PathBuf) -> Result<Envelope, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{} cannot be read: {e}", path.display()))?;
    let read: Signed = serde_json::from_str(&text).map_err(|_| format!("{} is not a signed file", path.display()))?;
    let list = |envelope: &Envelope| envelope.payload_type == TrustList::PAYLOAD_TYPE;
    let found = read.signed.into_iter().find(list).filter(|_| read.format == SIGNED);
    found.ok_or_else(|| format!("{} holds no signed trust list", path.display()))
}

fn asked_for(code: &str) -> Result<String, String> {
    if !std::io::stdin().is_terminal() {
        return Err(format!("a merger cannot be undone by a button; to have it done, say --confirm {code}"));
    }
    eprint!("A merger cannot be undone by a button. To have it done, type {code}: ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(|e| e.to_string())?;
    Ok(answer.trim().to_owned())
}

fn merger_words(view: &MergerView) -> String {
    let mut lines: Vec<String> = view.in_the_way.iter().map(|one| format!("in the way: {}", one.words())).collect();
    for unit in &view.units {
        let how = if unit.kept { "will stand below" } else { "becomes part of" };
        let mut line = format!("{} ({}) {how} {} ({})", unit.code, unit.title, unit.into, unit.into_title);
        line.push_str(&format!(": {} speakers, {} bulletins", unit.speakers, unit.bulletins));
        if !unit.hours.is_empty() {
            line.push_str(&format!("; its own lawful hours {} go on binding them", unit.hours.join(" ")));
        }
        lines.push(line);
    }
    lines.push(format!("from {}: {} speakers go along", view.date, view.speakers.count));
    let mut many = |what: &str, many: &Many| {
        if many.count > 0 {
            let names: Vec<&str> = many.first.iter().take(SHOWN).map(|one| one.id.as_str()).collect();
            let more = if many.count as usize > names.len() { ", ..." } else { "" };
            lines.push(format!("{} {what}: {}{more}", many.count, names.join(", ")));
        }
    };
    many("accounts get their roles in the new unit", &view.accounts);
    many("schedules go on sounding where they sound", &view.schedules);
    many(
        "approvers' certificates go on counting in the old units; sign new ones for the whole new one",
        &view.approvers,
    );
    if view.statement.is_some() {
        lines.push("the authority has to sign it, so that the boards follow without being enrolled anew".into());
    }
    lines.join("\n")
}
