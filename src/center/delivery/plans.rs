//! Who has which plan, and to whom the newest goes now.
//!
//! Plans are not left lying at the broker: each goes to the speaker that says it has an older one, when it connects or when a new one is
//! made. So a broker's restart sends nobody what they have, and its memory holds no plans. Pure: time is an argument.

use std::collections::HashMap;

use crate::domain::ids::SpeakerId;

/// A plan that is not accepted goes out again after this, doubling up to the last: it was lost, or is refused.
const PATIENCE_MS: i64 = 20_000;
/// After a new connection it goes out again, but no sooner than this after the last time.
const RECONNECT_MS: i64 = 3_000;
const LONGEST_PATIENCE_MS: i64 = 3_600_000;
/// Between two times that all plans are made because speakers say they have higher ones.
const OVERTAKE_MS: i64 = 2_000;

#[derive(Debug, Default, Clone)]
struct Known {
    newest: Option<u64>,
    /// As the speaker said last; absent where it never did, or has none.
    accepted: Option<u64>,
    online: bool,
    birth: u64,
    /// What went out since it connected: number, when, how often.
    sent: Option<(u64, i64, u32)>,
}

impl Known {
    fn lacks(&self) -> Option<u64> {
        self.newest.filter(|newest| self.online && self.accepted.is_none_or(|accepted| accepted < *newest))
    }

    fn due_ms(&self, newest: u64) -> i64 {
        match self.sent {
            Some((number, at_ms, times)) if number == newest => {
                at_ms + (PATIENCE_MS << (times - 1).min(10)).min(LONGEST_PATIENCE_MS)
            }
            _ => i64::MIN,
        }
    }
}

#[derive(Debug, Default)]
pub struct PlanBook {
    speakers: HashMap<SpeakerId, Known>,
    overtaken_ms: Option<i64>,
}

impl PlanBook {
    /// A plan lies in the store.
    pub fn made(&mut self, speaker: &SpeakerId, number: u64) {
        let known = self.speakers.entry(speaker.clone()).or_default();
        known.newest = known.newest.max(Some(number));
    }

    /// A speaker said which plan it has. Gives whether there is a newer one for it, and whether it knows one that the store does not.
    pub fn heard(&mut self, speaker: &SpeakerId, birth: u64, online: bool, accepted: Option<u64>) -> Heard {
        let known = self.speakers.entry(speaker.clone()).or_default();
        let is_new = online && birth != known.birth;
        if birth != known.birth {
            // What was under way to its last connection is lost; but whoever connects all the time is not sent to all the time.
            known.sent = known.sent.map(|(number, at_ms, _)| (number, at_ms - PATIENCE_MS + RECONNECT_MS, 1));
        }
        (known.birth, known.online) = (birth, online);
        if online {
            known.accepted = accepted;
        }
        Heard { lacks: known.lacks().is_some(), is_ahead: accepted > known.newest, is_new }
    }

    /// Whether plans may be made again because a speaker is ahead: not for every word of one that makes them up.
    pub fn may_overtake(&mut self, now_ms: i64) -> bool {
        let may = self.overtaken_ms.is_none_or(|last| !(last..last + OVERTAKE_MS).contains(&now_ms));
        if may {
            self.overtaken_ms = Some(now_ms);
        }
        may
    }

    /// The broker was away: what was sent may never have arrived.
    pub fn broker_came_back(&mut self) {
        self.speakers.values_mut().for_each(|known| known.sent = None);
    }

    /// How many speakers that are on line have not accepted their newest plan.
    pub fn lacking(&self) -> usize {
        self.speakers.values().filter(|known| known.lacks().is_some()).count()
    }

    /// To whom which plan goes now.
    pub fn due(&self, now_ms: i64) -> Vec<(SpeakerId, u64)> {
        let due = |(speaker, known): (&SpeakerId, &Known)| {
            let newest = known.lacks().filter(|newest| known.due_ms(*newest) <= now_ms)?;
            Some((speaker.clone(), newest))
        };
        self.speakers.iter().filter_map(due).collect()
    }

    pub fn sent(&mut self, speaker: &SpeakerId, number: u64, now_ms: i64) {
        let Some(known) = self.speakers.get_mut(speaker) else { return };
        let times = known.sent.filter(|(sent, ..)| *sent == number).map_or(0, |(_, _, times)| times);
        known.sent = Some((number, now_ms, times + 1));
    }
}

/// What a speaker's word about its plan means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    pub lacks: bool,
    pub is_ahead: bool,
    /// It has just connected.
    pub is_new: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_goes_to_who_lacks_it_and_again_ever_more_patiently() {
        let (a, b): (SpeakerId, SpeakerId) = ("a".parse().unwrap(), "b".parse().unwrap());
        let mut book = PlanBook::default();
        book.made(&a, 3);
        book.made(&b, 3);
        assert!(book.due(0).is_empty(), "nobody is there");
        assert_eq!(book.heard(&a, 1, true, Some(2)), Heard { lacks: true, is_ahead: false, is_new: true });
        assert_eq!(book.heard(&b, 1, true, Some(3)), Heard { lacks: false, is_ahead: false, is_new: true });
        assert_eq!(book.due(0), [(a.clone(), 3)]);
        book.sent(&a, 3, 0);
        assert!(book.due(PATIENCE_MS - 1).is_empty());
        let mut at_ms = 0;
        for times in 0..12 {
            let gap_ms = (PATIENCE_MS << times).min(LONGEST_PATIENCE_MS);
            assert!(book.due(at_ms + gap_ms - 1).is_empty(), "{times}");
            assert_eq!(book.due(at_ms + gap_ms).len(), 1, "{times}");
            at_ms += gap_ms;
            book.sent(&a, 3, at_ms);
        }
        // At once: a newer one, a new connection, a broker that was away.
        book.made(&a, 4);
        assert_eq!(book.due(at_ms), [(a.clone(), 4)]);
        book.sent(&a, 4, at_ms);
        book.heard(&a, 2, true, Some(2));
        assert!(book.due(at_ms + RECONNECT_MS - 1).is_empty());
        assert_eq!(book.due(at_ms + RECONNECT_MS).len(), 1);
        book.sent(&a, 4, at_ms);
        book.broker_came_back();
        assert_eq!(book.due(at_ms).len(), 1);
        book.heard(&a, 2, true, Some(4));
        assert!(book.due(i64::MAX).is_empty());
        // It lost its card, then goes beyond the store.
        assert!(book.heard(&a, 3, true, None).lacks);
        assert!(book.heard(&a, 3, true, Some(9)).is_ahead);
        assert!(!book.heard(&a, 4, false, None).lacks);
        assert!(book.may_overtake(0) && !book.may_overtake(OVERTAKE_MS - 1) && book.may_overtake(OVERTAKE_MS));
        assert!(book.may_overtake(-1), "the clock was set back");
    }
}
