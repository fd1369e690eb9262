//! How much one speaker may say: token buckets by speaker for messages, bytes, reports and requests for certificates, so that one
//! stolen board keeps neither broker nor store busy. Knows no MQTT; who is refused is for the caller to tell.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::domain::ids::SpeakerId;
use crate::protocol::topics::Up;

/// A bucket's size, and what comes back each second.
#[derive(Debug, Clone, Copy)]
struct Allowance {
    burst: f64,
    per_s: f64,
}

/// Far above what an honest board says: two states and ten clock probes a second at worst.
const MESSAGES: Allowance = Allowance { burst: 300.0, per_s: 30.0 };
const BYTES: Allowance = Allowance { burst: 4.0 * 1024.0 * 1024.0, per_s: 256.0 * 1024.0 };
/// Fifty records each; what is refused comes again, so a long outage is told in the end.
const REPORTS: Allowance = Allowance { burst: 100.0, per_s: 1.0 / 30.0 };
/// An honest board asks once an hour until it is answered.
const RENEWALS: Allowance = Allowance { burst: 5.0, per_s: 1.0 / 900.0 };
/// By then every bucket is full again, so that forgetting it changes nothing. Not sooner: a new connection must not fill it.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(2 * 3600);
const SWEEP_EVERY: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Spent {
    messages: f64,
    bytes: f64,
    reports: f64,
    renewals: f64,
    at: Instant,
}

#[derive(Debug, Default)]
struct Book {
    speakers: HashMap<SpeakerId, Spent>,
    swept: Option<Instant>,
}

/// What each speaker has spent of its allowances.
#[derive(Debug, Default)]
pub struct Rates(Mutex<Book>);

impl Rates {
    /// Takes one message from a speaker's allowances; an error says which one is used up, and then nothing is taken.
    pub fn spend(&self, speaker: &SpeakerId, kind: Up, bytes: usize, now: Instant) -> Result<(), &'static str> {
        let Ok(mut book) = self.0.lock() else { return Err("cannot be counted") };
        if book.swept.is_none_or(|swept| now.duration_since(swept) >= SWEEP_EVERY) {
            book.speakers.retain(|_, spent| now.duration_since(spent.at) < FORGOTTEN_AFTER);
            book.swept = Some(now);
        }
        let spent = book.speakers.entry(speaker.clone()).or_insert_with(|| Spent::nothing(now));
        spent.refill(now);
        spent.take(kind, bytes as f64)
    }
}

impl Spent {
    fn nothing(at: Instant) -> Self {
        Self { messages: 0.0, bytes: 0.0, reports: 0.0, renewals: 0.0, at }
    }

    fn refill(&mut self, now: Instant) {
        let seconds = now.duration_since(self.at).as_secs_f64();
        let back = |spent: f64, allowance: Allowance| (spent - seconds * allowance.per_s).max(0.0);
        self.messages = back(self.messages, MESSAGES);
        self.bytes = back(self.bytes, BYTES);
        self.reports = back(self.reports, REPORTS);
        self.renewals = back(self.renewals, RENEWALS);
        self.at = now;
    }

    fn take(&mut self, kind: Up, bytes: f64) -> Result<(), &'static str> {
        let report = f64::from(u8::from(kind == Up::Report));
        let renewal = f64::from(u8::from(kind == Up::Renew));
        let fits = |spent: f64, more: f64, allowance: Allowance| more == 0.0 || spent + more <= allowance.burst;
        if !fits(self.messages, 1.0, MESSAGES) {
            return Err("sends too many messages");
        }
        if !fits(self.bytes, bytes, BYTES) {
            return Err("sends too many bytes");
        }
        if !fits(self.reports, report, REPORTS) {
            return Err("sends too many reports");
        }
        if !fits(self.renewals, renewal, RENEWALS) {
            return Err("asks for too many certificates");
        }
        self.messages += 1.0;
        self.bytes += bytes;
        self.reports += report;
        self.renewals += renewal;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_ends_at_its_allowance_and_costs_nobody_else_anything() {
        let (rates, start) = (Rates::default(), Instant::now());
        let (a, b): (SpeakerId, SpeakerId) = ("a".parse().unwrap(), "b".parse().unwrap());
        let flood = |kind, bytes, now| (0..1_000).filter(|_| rates.spend(&a, kind, bytes, now).is_ok()).count();
        assert_eq!(flood(Up::State, 10, start), 300);
        assert_eq!(rates.spend(&a, Up::State, 10, start), Err("sends too many messages"));
        assert_eq!(rates.spend(&b, Up::State, 10, start), Ok(()));
        assert_eq!(flood(Up::State, 10, start + Duration::from_secs(1)), 30);

        // After an hour full again; then large ones, reports and renewals have bounds of their own.
        let hour = start + Duration::from_secs(3600);
        assert_eq!(flood(Up::Want, 64 * 1024, hour), 64);
        assert_eq!(rates.spend(&a, Up::Want, 64 * 1024, hour), Err("sends too many bytes"));
        let later = hour + Duration::from_secs(60);
        assert_eq!(flood(Up::Report, 100, later), 100);
        assert_eq!(rates.spend(&a, Up::Report, 100, later), Err("sends too many reports"));
        assert_eq!(rates.spend(&a, Up::State, 100, later), Ok(()));
        assert_eq!(flood(Up::Report, 100, later + Duration::from_secs(30)), 1);
        assert_eq!(flood(Up::Renew, 100, later), 5);
        assert_eq!(rates.spend(&a, Up::Renew, 100, later), Err("asks for too many certificates"));
    }

    #[test]
    fn a_speaker_is_forgotten_only_when_its_buckets_would_be_full_anyway() {
        for allowance in [MESSAGES, BYTES, REPORTS, RENEWALS] {
            assert!(allowance.burst / allowance.per_s < FORGOTTEN_AFTER.as_secs_f64(), "{allowance:?}");
        }
        let (rates, start) = (Rates::default(), Instant::now());
        for n in 0..1_000 {
            rates.spend(&format!("a{n}").parse().unwrap(), Up::State, 10, start).unwrap();
        }
        let b: SpeakerId = "b".parse().unwrap();
        rates.spend(&b, Up::State, 10, start + FORGOTTEN_AFTER / 2).unwrap();
        assert_eq!(rates.0.lock().unwrap().speakers.len(), 1_001);
        rates.spend(&b, Up::State, 10, start + FORGOTTEN_AFTER).unwrap();
        assert_eq!(rates.0.lock().unwrap().speakers.len(), 1);
    }
}
