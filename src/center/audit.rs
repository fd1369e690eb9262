//! Writes the audit log: every change and everything that was denied, one line each, behind one another; and signs its head now
//! and then. A flood of requests that are denied, or nobody's, becomes a few lines with a count. What a line is, and its hash, is `protocol::audit`'s.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing::error;

use super::app::{App, now_ms};
use super::store::StoreError;
use crate::protocol::audit::{Entry, Seal};
use crate::protocol::envelope::Envelope;

/// Who it was where nobody was recognised: the line of anybody who comes along.
pub const NOBODY: &str = "-";
/// Lines of one source and status within a minute; what comes beyond is counted.
const LINES: u32 = 10;
/// Lines of all that was denied, or nobody's, within a minute.
const LINES_OF_ALL: u32 = 200;
/// Sources that are told apart at a time.
const SOURCES: usize = 1_000;
const MINUTE_MS: i64 = 60_000;
/// How often the head is signed while the log grows.
const SEAL_EVERY: Duration = Duration::from_secs(300);
const FLUSH_EVERY: Duration = Duration::from_secs(15);
/// A line stays a line: what the texts of one are cut to, in characters.
const LONGEST: usize = 300;

#[derive(Debug, Default)]
pub struct Audit {
    /// One at a time, so that none has to begin again.
    gate: tokio::sync::Mutex<()>,
    flood: Mutex<Flood>,
}

/// Writes down what happened. A line that cannot be written is told in the log: the deed is done, and its answer stands.
pub async fn record(app: &App, entry: Entry) {
    let entry = cut(entry);
    let due = match app.audit.flood.lock() {
        Ok(mut flood) => flood.due(entry),
        Err(_) => vec![entry],
    };
    append(app, &due).await;
}

async fn append(app: &App, entries: &[Entry]) {
    if entries.is_empty() {
        return;
    }
    let _gate = app.audit.gate.lock().await;
    if let Err(problem) = app.store.append_audit(entries).await {
        error!("the audit log could not be written: {problem}");
    }
}

/// Writes what is still only counted.
pub async fn flush(app: &App, now_ms: i64) {
    let due = app.audit.flood.lock().map(|mut flood| flood.ripe(now_ms)).unwrap_or_default();
    append(app, &due).await;
}

/// Signs the head, if it has moved since the last time: from then on the log cannot be cut off below it unseen.
pub async fn seal(app: &App, now_ms: i64) -> Result<(), StoreError> {
    let head = app.store.audit_head().await?;
    if head.number == 0 || app.store.last_sealed().await? >= head.number {
        return Ok(());
    }
    let seal = Seal { site: app.site.site.clone(), number: head.number, hash: head.hash, made_ms: now_ms };
    let envelope = Envelope::sign(&seal, &app.trust().dispatcher).map_err(|e| StoreError::Damaged(e.to_string()))?;
    app.store.add_seal(&seal, &envelope).await
}

/// What is still counted is written, and the head signed: at the end.
pub async fn close(app: &App) {
    flush(app, i64::MAX).await;
    if let Err(problem) = seal(app, now_ms()).await {
        error!("the head of the audit log could not be signed: {problem}");
    }
}

/// Keeps the log until the server stops.
pub async fn run(app: Arc<App>) {
    let (mut flushes, mut seals) = (tokio::time::interval(FLUSH_EVERY), tokio::time::interval(SEAL_EVERY));
    loop {
        tokio::select! {
            _ = flushes.tick() => flush(&app, now_ms()).await,
            _ = seals.tick() => if let Err(problem) = seal(&app, now_ms()).await {
                error!("the head of the audit log could not be signed: {problem}");
            },
        }
    }
}

/// Texts come from outside: no line breaks or control characters, and not too long.
fn cut(mut entry: Entry) -> Entry {
    for text in [&mut entry.who, &mut entry.source, &mut entry.action, &mut entry.target, &mut entry.detail] {
        if text.chars().count() > LONGEST || text.chars().any(char::is_control) {
            *text = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect();
        }
    }
    entry
}

/// What was denied, or nobody's, within the last minute, by source and status. Time is in the entries.
#[derive(Debug, Default)]
struct Flood {
    windows: HashMap<(String, u16), Window>,
    all: Option<(i64, u32)>,
}

#[derive(Debug)]
struct Window {
    since_ms: i64,
    written: u32,
    held: Option<Entry>,
}

impl Flood {
    /// What is to be written now. Only what somebody known did is never counted instead.
    fn due(&mut self, entry: Entry) -> Vec<Entry> {
        if entry.status >= 400 || entry.who == NOBODY {
            return self.take(entry);
        }
        let mut due = self.ripe(entry.at_ms);
        due.push(entry);
        due
    }

    /// What is to be written now: perhaps this entry, and what has been counted for a minute.
    fn take(&mut self, entry: Entry) -> Vec<Entry> {
        let mut due = self.ripe(entry.at_ms);
        let (since_ms, of_all) = match self.all {
            Some((since_ms, count)) if (0..MINUTE_MS).contains(&(entry.at_ms - since_ms)) => (since_ms, count),
            _ => (entry.at_ms, 0),
        };
        let mut key = (entry.source.clone(), entry.status);
        if of_all >= LINES_OF_ALL || (self.windows.len() >= SOURCES && !self.windows.contains_key(&key)) {
            key = ("many".to_owned(), 0);
        }
        let room = if key.1 == 0 { 0 } else { LINES };
        let window = self.windows.entry(key).or_insert(Window { since_ms: entry.at_ms, written: 0, held: None });
        if window.written < room {
            window.written += 1;
            self.all = Some((since_ms, of_all + 1));
            due.push(entry);
            return due;
        }
        let times = window.held.as_ref().map_or(0, |held| held.times).saturating_add(1);
        let source = if room == 0 { "many".to_owned() } else { entry.source.clone() };
        let detail = "so often within a minute; the last of them is named".to_owned();
        window.held = Some(Entry { times, source, detail, ..entry });
        due
    }

    /// Takes out what has been counted for a minute.
    fn ripe(&mut self, now_ms: i64) -> Vec<Entry> {
        let mut due = vec![];
        self.windows.retain(|_, window| {
            let ripe = now_ms.saturating_sub(window.since_ms) >= MINUTE_MS || now_ms < window.since_ms;
            if ripe {
                due.extend(window.held.take());
            }
            !ripe
        });
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(source: &str, at_ms: i64) -> Entry {
        Entry {
            at_ms,
            who: "-".into(),
            source: source.into(),
            action: "POST /session".into(),
            target: String::new(),
            status: 401,
            times: 1,
            detail: String::new(),
        }
    }

    #[test]
    fn a_flood_is_a_few_lines_and_a_count_that_loses_nothing() {
        let mut flood = Flood::default();
        let mut written: Vec<Entry> = (0..5_000).flat_map(|index| flood.take(denied("192.0.2.1", index))).collect();
        assert_eq!(written.len() as u32, LINES);
        written.extend(flood.ripe(MINUTE_MS + 1));
        assert_eq!(written.len() as u32, LINES + 1);
        assert_eq!(written.iter().map(|entry| entry.times).sum::<u32>(), 5_000);
        assert_eq!(flood.take(denied("192.0.2.1", 2 * MINUTE_MS)).len(), 1, "the next minute begins anew");
    }

    #[test]
    fn what_nobody_known_did_is_counted_even_where_it_was_allowed() {
        let mut flood = Flood::default();
        let of = |who: &str, status| Entry { who: who.into(), status, ..denied("192.0.2.1", 0) };
        let lines =
            |flood: &mut Flood, entry: Entry| -> u32 { (0..100).map(|_| flood.due(entry.clone()).len() as u32).sum() };
        assert_eq!(lines(&mut flood, of(NOBODY, 204)), LINES);
        assert_eq!(lines(&mut flood, of("lan", 403)), LINES);
        assert_eq!(lines(&mut flood, of("lan", 204)), 100);
    }

    #[test]
    fn a_flood_from_everywhere_is_no_more_than_all_may_have() {
        let mut flood = Flood::default();
        let entries = (0..50_000).map(|index| denied(&format!("192.0.{}.{}", index / 250, index % 250), index % 100));
        let mut written: Vec<Entry> = entries.flat_map(|entry| flood.take(entry)).collect();
        assert!(flood.windows.len() <= SOURCES + 1);
        assert!(written.len() as u32 <= LINES_OF_ALL, "{}", written.len());
        written.extend(flood.ripe(i64::MAX));
        assert_eq!(written.iter().map(|entry| entry.times).sum::<u32>(), 50_000);
    }

    #[test]
    fn a_line_stays_a_line() {
        let entry = cut(Entry { target: "a\nb\u{1b}[2J".into(), detail: "x".repeat(1000), ..denied("s", 0) });
        assert_eq!((entry.target.as_str(), entry.detail.len()), ("a b [2J", LONGEST));
    }
}
