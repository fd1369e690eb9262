//! Looks whether what a center keeps is what was put there: the audit log as a chain, media by their hashes, approvals by their
//! signatures. Reads only, beside a running server or without one, and trusts neither the server nor the order of the rows.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde::Serialize;

use super::config::Config;
use super::datadir::{DataDir, Site};
use super::media::MediaStore;
use super::store::{Intake, RevisionRow, Said, Store, StoreError, unusable};
use crate::domain::approval::{Approval, Certificate, PublicKey, Role};
use crate::domain::bulletin::RevisionState;
use crate::domain::trust::Succession;
use crate::protocol::audit::{Fault, Head, Line, Seal};
use crate::protocol::envelope::Envelope;
use crate::protocol::trust::succeed;

const LINES: i64 = 2_000;

/// What was looked at, and what is not as it should be, in words.
#[derive(Debug, Default, Serialize)]
pub struct Findings {
    /// The end of the log as far as it holds: to be kept on paper.
    pub head: String,
    pub lines: u64,
    pub signed_heads: usize,
    pub media: usize,
    pub approvals: usize,
    pub faults: Vec<String>,
}

/// What an earlier look has left: heads or whole lines, by number.
pub type Earlier = BTreeMap<u64, String>;

/// Reads an earlier export (JSON Lines) or a head as it was printed.
pub fn read_earlier(text: &str) -> Result<Earlier, String> {
    if !text.trim_start().starts_with('{') {
        let head: Head = text.parse()?;
        return Ok([(head.number, head.hash)].into());
    }
    let mut earlier = Earlier::new();
    let mut chain = Head::default();
    for (index, text) in text.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
        let line: Line =
            serde_json::from_str(text).map_err(|e| format!("line {} is not of an export: {e}", index + 1))?;
        chain.advance(&line).map_err(|fault| format!("the export itself does not hold: {fault}"))?;
        earlier.insert(line.number, line.hash);
    }
    Ok(earlier)
}

/// Goes through everything. `export` takes the lines of the log as JSON.
pub async fn verify(
    data: &DataDir,
    config: &Config,
    earlier: &Earlier,
    mut export: Option<&mut (dyn Write + Send)>,
) -> Result<Findings, String> {
    let failed = unusable(data.root(), &config.store.database);
    let store = Store::look_at(data.root(), &config.store.database).await.map_err(&failed)?;
    let site = data.site()?;
    let known = certificates(&store, &site).await.map_err(&failed)?;
    let mut findings = Findings::default();
    log(&store, &site, &known, earlier, &mut findings, &mut export).await?;
    sounds(data, &store, &known, &mut findings).await.map_err(|e| e.to_string())?;
    store.close().await;
    Ok(findings)
}

/// Goes through the audit log alone, of a store that is open.
pub async fn verify_log(store: &Store, site: &Site) -> Result<Findings, String> {
    let known = certificates(store, site).await.map_err(|e| e.to_string())?;
    let mut findings = Findings::default();
    log(store, site, &known, &Earlier::new(), &mut findings, &mut None).await?;
    Ok(findings)
}

async fn log(
    store: &Store,
    site: &Site,
    known: &[Certificate],
    earlier: &Earlier,
    findings: &mut Findings,
    export: &mut Option<&mut (dyn Write + Send)>,
) -> Result<(), String> {
    let dispatchers = || known.iter().filter(|known| known.role == Role::Dispatcher);
    let mut seals = BTreeMap::new();
    for (number, envelope) in store.seals().await.map_err(|e| e.to_string())? {
        match dispatchers().find_map(|dispatcher| envelope.open::<Seal>(&dispatcher.key).ok()) {
            Some(seal) if seal.number == number && seal.site == site.site => {
                findings.signed_heads += 1;
                seals.insert(number, seal.hash);
            }
            _ => findings.faults.push(format!("audit log: the signed head of line {number} is not the dispatcher's")),
        }
    }
    let seen = Seen { seals, earlier };
    if let Err(fault) = chain(store, &seen, findings, export).await? {
        findings.faults.push(format!("audit log: {fault}"));
    }
    Ok(())
}

/// What certain lines must be.
struct Seen<'a> {
    seals: BTreeMap<u64, String>,
    earlier: &'a Earlier,
}

impl Seen<'_> {
    fn check(&self, line: &Line) -> Result<(), Fault> {
        if self.seals.get(&line.number).is_some_and(|hash| *hash != line.hash) {
            return Err(Fault::NotAsSigned(line.number));
        }
        match self.earlier.get(&line.number) {
            Some(hash) if *hash != line.hash => Err(Fault::NotAsExported(line.number)),
            _ => Ok(()),
        }
    }

    /// The highest number that must be there.
    fn last(&self) -> u64 {
        let last = |numbers: Option<&u64>| numbers.copied().unwrap_or(0);
        last(self.seals.keys().next_back()).max(last(self.earlier.keys().next_back()))
    }
}

async fn chain(
    store: &Store,
    seen: &Seen<'_>,
    findings: &mut Findings,
    export: &mut Option<&mut (dyn Write + Send)>,
) -> Result<Result<(), Fault>, String> {
    let failed = |e: StoreError| e.to_string();
    // Lines that are added while this reads are behind that head.
    let must_reach = store.audit_head().await.map_err(failed)?.number.max(seen.last());
    let (mut head, mut at_once) = (Head::default(), LINES);
    loop {
        let lines = match store.audit_after(head.number, at_once).await {
            Ok(lines) => lines,
            // One of them cannot be read: which one?
            Err(StoreError::Damaged(_)) if at_once > 1 => {
                at_once = 1;
                continue;
            }
            Err(StoreError::Damaged(_)) => return Ok(Err(Fault::Changed(head.number + 1))),
            Err(error) => return Err(error.to_string()),
        };
        if lines.is_empty() {
            break;
        }
        for line in &lines {
            let sound = head.advance(line).and_then(|()| seen.check(line));
            (findings.head, findings.lines) = (head.to_string(), head.number);
            if let Err(fault) = sound {
                return Ok(Err(fault));
            }
            if let Some(export) = export {
                let text = serde_json::to_string(line).map_err(|e| e.to_string())?;
                writeln!(export, "{text}").map_err(|e| format!("the export cannot be written: {e}"))?;
            }
        }
    }
    if head.number < must_reach {
        return Ok(Err(Fault::Missing(head.number + 1)));
    }
    let known = store.audit_head().await.map_err(failed)?;
    Ok(match known.number {
        number if number < head.number => Err(Fault::Added(number + 1)),
        number if number == head.number && known != head => Err(Fault::Changed(number)),
        _ => Ok(()),
    })
}

/// What any authority of this site has ever certified: what was signed with a key stays signed, whoever followed since.
async fn certificates(store: &Store, site: &Site) -> Result<Vec<Certificate>, StoreError> {
    let (links, _) = succeed(&site.site, site.authority, &store.said(Said::Succession).await?);
    let later = links.iter().filter_map(|link| link.peek::<Succession>().ok()).map(|link| link.to);
    let authorities: Vec<PublicKey> = std::iter::once(site.authority).chain(later).collect();
    let by_any = |envelope: &Envelope| authorities.iter().find_map(|key| envelope.open::<Certificate>(key).ok());
    let rows = store.certificates().await?;
    Ok(rows.iter().map(|row| &row.envelope).chain([&site.dispatcher]).filter_map(by_any).collect())
}

/// Media files by their hashes, and approvals by their signatures.
async fn sounds(
    data: &DataDir,
    store: &Store,
    known: &[Certificate],
    findings: &mut Findings,
) -> Result<(), StoreError> {
    let files = MediaStore::new(data.path("media"));
    let mut after = String::new();
    loop {
        let bulletins = store.bulletins(&after, LINES, None).await?;
        let Some(last) = bulletins.last() else { return Ok(()) };
        after = last.id.to_string();
        for bulletin in &bulletins {
            for row in store.revisions(&bulletin.id).await? {
                let what = format!("bulletin {} revision {}", row.bulletin, row.revision);
                if let Intake::Ready(sound) = &row.intake {
                    findings.media += 1;
                    if let Err(e) = files.read(&sound.media) {
                        findings.faults.push(format!("{what}: media/{}.opus: {e}", sound.media));
                    }
                }
                if row.state == RevisionState::Approved {
                    findings.approvals += 1;
                    let approvals = store.approvals_of(&bulletin.id).await?;
                    let mut of_row = approvals.iter().filter(|(_, revision, _)| *revision == row.revision);
                    let signed = of_row.any(|(_, _, envelope)| known.iter().any(|by| is_signed(&row, envelope, by)));
                    if !signed {
                        findings.faults.push(format!("{what}: no certified approver has signed its approval"));
                    }
                }
            }
        }
    }
}

fn is_signed(row: &RevisionRow, approval: &Envelope, by: &Certificate) -> bool {
    let approval = Some(approval).filter(|_| by.role == Role::Approver);
    let approval = approval.and_then(|envelope| envelope.open::<Approval>(&by.key).ok());
    let Intake::Ready(sound) = &row.intake else { return false };
    approval.is_some_and(|approval| {
        (&approval.bulletin, approval.revision, approval.media) == (&row.bulletin, row.revision, sound.media)
    })
}

/// Writes an export so that it is there whole or not at all.
pub fn export_to(path: &Path, bytes: &[u8]) -> Result<(), String> {
    super::datadir::write_whole(path, bytes).map_err(|e| format!("{} cannot be written: {e}", path.display()))
}
