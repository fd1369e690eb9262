//! Who may be connected and who is: which certificate is whose, who is disabled, which connections there are, and the account of
//! those that were turned away. Everything in memory; the store is the truth, and whoever changes it tells this.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tracing::warn;

use super::store::{ConnectionRow, Store, StoreError};
use crate::domain::ids::SpeakerId;

/// A board that lost its network comes back before its old connection is known to be dead.
const CONNECTIONS_PER_SPEAKER: usize = 2;
/// One board that comes back ends its own old connection now and then; two with the same certificate end each other's all the time.
const TAKEOVERS: usize = 5;
const TAKEOVERS_WITHIN: Duration = Duration::from_secs(60);

/// A certificate that may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    fingerprint: String,
    is_next: bool,
    until_ms: i64,
}

#[derive(Debug, Default)]
struct Roster {
    by_fingerprint: HashMap<String, SpeakerId>,
    by_speaker: HashMap<SpeakerId, Vec<Known>>,
    disabled: HashSet<SpeakerId>,
}

/// A connection by its number, and what ends it when dropped.
type Held = (u64, oneshot::Sender<()>);

/// Why a certificate that our own authority issued does not open the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("its certificate is not in force (replaced, renewed or from another data directory)")]
    NotInForce,
    #[error("it is disabled")]
    Disabled,
}

#[derive(Debug, Default)]
pub struct Gate {
    roster: RwLock<Roster>,
    live: Mutex<HashMap<SpeakerId, VecDeque<Held>>>,
    /// When connections of a speaker began while it had another, of late.
    takeovers: Mutex<HashMap<SpeakerId, VecDeque<Instant>>>,
    /// Connections to the broker's inner listener that were let in, by the address they come from.
    admitted: Mutex<HashMap<SocketAddr, SpeakerId>>,
    numbers: AtomicU64,
    kicks: OnceLock<mpsc::Sender<SpeakerId>>,
    pub denials: Arc<Denials>,
}

impl Gate {
    pub async fn load(store: &Store) -> Result<Self, StoreError> {
        let mut roster = Roster::default();
        store.speaker_certificates(None).await?.iter().for_each(|row| roster.add(row));
        roster.disabled = store.disabled_speakers().await?.into_iter().collect();
        Ok(Self { roster: RwLock::new(roster), ..Self::default() })
    }

    /// Whose certificate this is, and whether it is shown for the first time since it was renewed.
    pub fn admit(&self, fingerprint: &str) -> Result<(SpeakerId, bool), Refusal> {
        let roster = self.roster.read().map_err(|_| Refusal::NotInForce)?;
        let speaker = roster.by_fingerprint.get(fingerprint).ok_or(Refusal::NotInForce)?;
        let known = roster.by_speaker.get(speaker).into_iter().flatten().find(|known| known.fingerprint == fingerprint);
        let known = known.ok_or(Refusal::NotInForce)?;
        if roster.disabled.contains(speaker) { Err(Refusal::Disabled) } else { Ok((speaker.clone(), known.is_next)) }
    }

    /// Takes over what the store now says of a speaker's certificates; says whether that was news.
    pub async fn reload(&self, store: &Store, speaker: &SpeakerId) -> Result<bool, StoreError> {
        let rows = store.speaker_certificates(Some(speaker)).await?;
        let Ok(mut roster) = self.roster.write() else { return Ok(true) };
        let before = roster.by_speaker.remove(speaker).unwrap_or_default();
        for known in &before {
            roster.by_fingerprint.remove(&known.fingerprint);
        }
        rows.iter().for_each(|row| roster.add(row));
        let now = roster.by_speaker.get(speaker).map_or(&[][..], Vec::as_slice);
        Ok(before.len() != now.len() || before.iter().any(|known| !now.contains(known)))
    }

    /// How many boards are connected by TLS.
    pub fn connected(&self) -> usize {
        self.live.lock().map_or(0, |live| live.len())
    }

    pub fn set_disabled(&self, speaker: &SpeakerId, disabled: bool) {
        if let Ok(mut roster) = self.roster.write() {
            if disabled {
                roster.disabled.insert(speaker.clone());
            } else {
                roster.disabled.remove(speaker);
            }
        }
    }

    pub fn is_disabled(&self, speaker: &SpeakerId) -> bool {
        self.roster.read().is_ok_and(|roster| roster.disabled.contains(speaker))
    }

    /// Until when a speaker's newest certificate is valid; `None` where it was never enrolled.
    pub fn valid_until_ms(&self, speaker: &SpeakerId) -> Option<i64> {
        let roster = self.roster.read().ok()?;
        roster.by_speaker.get(speaker)?.iter().map(|known| known.until_ms).max()
    }

    /// Registers a connection. When the receiver hears something, or its sender is gone, it has to end.
    pub fn connect(self: &Arc<Self>, speaker: &SpeakerId) -> (Live, oneshot::Receiver<()>) {
        let (end, ended) = oneshot::channel();
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let mut had_another = false;
        if let Ok(mut live) = self.live.lock() {
            let here = live.entry(speaker.clone()).or_default();
            had_another = !here.is_empty();
            here.push_back((number, end));
            if here.len() > CONNECTIONS_PER_SPEAKER {
                here.pop_front();
            }
        }
        if had_another && self.is_used_twice(speaker, Instant::now()) {
            let why = "its certificate is used from two places, it seems: its connections end each other; if it was copied, \
                       enrol the board anew (loaxa speaker enrol)";
            self.denials.note(speaker.as_str(), why);
        }
        (Live { gate: self.clone(), speaker: speaker.clone(), number }, ended)
    }

    /// Counts one more connection that takes the place of another.
    fn is_used_twice(&self, speaker: &SpeakerId, now: Instant) -> bool {
        let Ok(mut takeovers) = self.takeovers.lock() else { return false };
        let times = takeovers.entry(speaker.clone()).or_default();
        times.push_back(now);
        if times.len() > TAKEOVERS + 1 {
            times.pop_front();
        }
        times.len() > TAKEOVERS && times.front().is_some_and(|first| now.duration_since(*first) <= TAKEOVERS_WITHIN)
    }

    /// Ends every connection of a speaker now.
    pub fn drop_connections(&self, speaker: &SpeakerId) {
        if let Ok(mut live) = self.live.lock() {
            live.remove(speaker);
        }
        if let Some(kicks) = self.kicks.get()
            && kicks.try_send(speaker.clone()).is_err()
        {
            warn!("the broker is too busy to be told that {speaker} has to go");
        }
    }

    /// The broker's ear for [`Self::drop_connections`]: sessions that came in without us.
    pub fn kicks(&self) -> mpsc::Receiver<SpeakerId> {
        let (sender, receiver) = mpsc::channel(1000);
        let _ = self.kicks.set(sender);
        receiver
    }

    /// Lets a connection to the inner listener be taken for this speaker's while the value lives.
    pub fn let_in(self: &Arc<Self>, from: SocketAddr, speaker: &SpeakerId) -> LetIn {
        if let Ok(mut admitted) = self.admitted.lock() {
            admitted.insert(from, speaker.clone());
        }
        LetIn { gate: self.clone(), from }
    }

    pub fn who_is(&self, from: &SocketAddr) -> Option<SpeakerId> {
        self.admitted.lock().ok()?.get(from).cloned()
    }
}

impl Roster {
    fn add(&mut self, row: &ConnectionRow) {
        let known = Known { fingerprint: row.fingerprint.clone(), is_next: row.is_next, until_ms: row.until_ms };
        self.by_fingerprint.insert(row.fingerprint.clone(), row.speaker.clone());
        self.by_speaker.entry(row.speaker.clone()).or_default().push(known);
    }
}

#[derive(Debug)]
pub struct Live {
    gate: Arc<Gate>,
    speaker: SpeakerId,
    number: u64,
}

impl Drop for Live {
    fn drop(&mut self) {
        let Ok(mut live) = self.gate.live.lock() else { return };
        let Some(here) = live.get_mut(&self.speaker) else { return };
        here.retain(|(number, _)| *number != self.number);
        if here.is_empty() {
            live.remove(&self.speaker);
        }
    }
}

#[derive(Debug)]
pub struct LetIn {
    gate: Arc<Gate>,
    from: SocketAddr,
}

impl Drop for LetIn {
    fn drop(&mut self) {
        if let Ok(mut admitted) = self.gate.admitted.lock() {
            admitted.remove(&self.from);
        }
    }
}

/// Who was turned away and why, in the log, so that a flood of strangers fills neither disk nor memory.
#[derive(Debug, Default)]
pub struct Denials(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    /// When each was told last, and how often it was kept quiet since.
    lines: HashMap<String, (Instant, u64)>,
    /// Of those not told at all, since there are too many different ones.
    others: u64,
    /// Ever, from the start on.
    all: u64,
}

/// The same is told once within this time, with how often it happened meanwhile.
const QUIET: Duration = Duration::from_secs(30);
/// Different ones that are remembered within that time; more are only counted.
const DIFFERENT: usize = 200;

impl Denials {
    pub fn note(&self, who: &str, why: &str) {
        if let Ok(mut told) = self.0.lock() {
            told.all += 1;
        }
        if let Some(line) = self.line(who, why, Instant::now()) {
            warn!("denied: {line}");
        }
    }

    /// How many were turned away since the start.
    pub fn count(&self) -> u64 {
        self.0.lock().map_or(0, |told| told.all)
    }

    fn line(&self, who: &str, why: &str, now: Instant) -> Option<String> {
        let mut told = self.0.lock().ok()?;
        let key: String =
            format!("{who:.80}: {why:.200}").chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        if let Some((last, times)) = told.lines.get_mut(&key) {
            if now.duration_since(*last) < QUIET {
                *times += 1;
                return None;
            }
            let line = if *times == 0 { key.clone() } else { format!("{key} ({times} more times before)") };
            (*last, *times) = (now, 0);
            return Some(line);
        }
        if told.lines.len() >= DIFFERENT {
            told.lines.retain(|_, (last, _)| now.duration_since(*last) < QUIET);
        }
        if told.lines.len() >= DIFFERENT {
            told.others += 1;
            return None;
        }
        told.lines.insert(key.clone(), (now, 0));
        let others = std::mem::take(&mut told.others);
        Some(if others == 0 { key } else { format!("{key} ({others} others were not told)") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_denials_is_told_in_few_lines() {
        let denials = Denials::default();
        let start = Instant::now();
        let lines = (0..10_000).filter_map(|_| denials.line("10.0.0.1", "no TLS", start)).count();
        assert_eq!(lines, 1);
        let later = denials.line("10.0.0.1", "no TLS", start + QUIET).unwrap();
        assert!(later.contains("9999 more"), "{later}");
        let strangers = (0..10_000).filter_map(|n| denials.line(&format!("host {n}"), "no TLS", start + QUIET)).count();
        assert!(strangers <= DIFFERENT, "{strangers}");
        assert!(denials.line("x\ny", "z", start + QUIET * 3).unwrap().contains("x y"));
    }

    #[test]
    fn the_oldest_of_too_many_connections_of_one_speaker_ends() {
        let gate = Arc::new(Gate::default());
        let speaker: SpeakerId = "a".parse().unwrap();
        let mut all: Vec<_> = (0..3).map(|_| gate.connect(&speaker)).collect();
        let ended = |held: &mut (Live, oneshot::Receiver<()>)| {
            held.1.try_recv().is_err_and(|e| e == oneshot::error::TryRecvError::Closed)
        };
        assert!(ended(&mut all[0]) && !ended(&mut all[1]) && !ended(&mut all[2]));
        gate.drop_connections(&speaker);
        assert!(ended(&mut all[1]) && ended(&mut all[2]));
        drop(all);
        assert!(gate.live.lock().unwrap().is_empty());
    }

    #[test]
    fn a_certificate_that_is_used_from_two_places_is_told_and_one_bad_line_is_not() {
        let gate = Gate::default();
        let (cloned, shaky): (SpeakerId, SpeakerId) = ("a".parse().unwrap(), "b".parse().unwrap());
        let start = Instant::now();
        let told = |speaker, gap_s| {
            (0..20u64).filter(|n| gate.is_used_twice(speaker, start + Duration::from_secs(n * gap_s))).count()
        };
        assert_eq!(told(&cloned, 2), 20 - TAKEOVERS);
        assert_eq!(told(&shaky, 15), 0);
    }
}
