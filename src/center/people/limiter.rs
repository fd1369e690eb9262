//! How often one may try to sign in, or an enrolment code. Time is an argument; nothing is ever locked for good, and memory is bounded.
//!
//! Each budget stands for one thing that tries: an account as tried by strangers, a source address, or a browser or address that
//! this account was signed in from before. The last have budgets of their own (OWASP's device cookies), so that whoever guesses at
//! an account's password from outside delays other strangers only, never the office. Every try is charged before the password is
//! looked at, so that a thousand at once are not a thousand for free; the right one gets its charge back.

use std::collections::HashMap;

/// Tries in a row that cost nothing.
const FREE: u32 = 4;
/// The first delay; each further failure doubles it.
const FIRST_MS: i64 = 1_000;
pub const LONGEST_MS: i64 = 15 * 60 * 1_000;
/// A budget that was not used for this long, and is not in delay, is as new.
const FORGIVEN_MS: i64 = 60 * 60 * 1_000;
/// Budgets that are kept.
const MOST: usize = 20_000;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Budget {
    /// An account as tried from where it was never signed in to.
    Strangers(String),
    Source(String),
    /// A browser, an address or a session that belongs to an account.
    Known(String, String),
}

#[derive(Debug, Default)]
pub struct Limiter {
    spent: HashMap<Budget, Spent>,
}

#[derive(Debug, Clone, Copy)]
struct Spent {
    failures: u32,
    last_ms: i64,
    open_ms: i64,
}

impl Limiter {
    /// Charges one try to all of `budgets`, or says how long to wait. A try that must wait costs nothing.
    pub fn charge(&mut self, budgets: &[Budget], now_ms: i64) -> Result<(), i64> {
        let wait_ms = budgets.iter().map(|budget| self.wait_ms(budget, now_ms)).max().unwrap_or(0);
        if wait_ms > 0 {
            return Err(wait_ms);
        }
        for budget in budgets {
            self.make_room(budget, now_ms);
            let spent =
                self.spent.entry(budget.clone()).or_insert(Spent { failures: 0, last_ms: now_ms, open_ms: now_ms });
            spent.failures = spent.failures.saturating_add(1);
            spent.last_ms = now_ms;
            spent.open_ms = now_ms + delay_ms(spent.failures);
        }
        Ok(())
    }

    /// Gives one charge back: the try was neither right nor wrong, or a right one that says nothing of who else tries.
    pub fn refund(&mut self, budgets: &[Budget]) {
        for budget in budgets {
            if let Some(spent) = self.spent.get_mut(budget) {
                spent.failures = spent.failures.saturating_sub(1);
                spent.open_ms = spent.open_ms.min(spent.last_ms + delay_ms(spent.failures));
            }
        }
    }

    /// Begins anew: the try was right.
    pub fn forgive(&mut self, budget: &Budget) {
        self.spent.remove(budget);
    }

    fn wait_ms(&mut self, budget: &Budget, now_ms: i64) -> i64 {
        let Some(spent) = self.spent.get(budget).copied() else { return 0 };
        // A clock that was set back must not lock anybody out for longer than the longest delay.
        let wait_ms = (spent.open_ms - now_ms).min(LONGEST_MS);
        if wait_ms <= 0 && now_ms - spent.last_ms > FORGIVEN_MS {
            self.spent.remove(budget);
        }
        wait_ms.max(0)
    }

    /// Drops what is forgiven, and if need be what matters least: few failures, long ago.
    fn make_room(&mut self, budget: &Budget, now_ms: i64) {
        if self.spent.len() < MOST || self.spent.contains_key(budget) {
            return;
        }
        self.spent.retain(|_, spent| now_ms - spent.last_ms <= FORGIVEN_MS);
        if self.spent.len() >= MOST {
            let mut by_weight: Vec<_> =
                self.spent.iter().map(|(budget, s)| (s.failures, s.last_ms, budget.clone())).collect();
            by_weight.sort_by_key(|(failures, last_ms, _)| (*failures, *last_ms));
            // A tenth at once, so that a flood of names does not sort all of them each time.
            for (.., budget) in by_weight.into_iter().take(MOST / 10) {
                self.spent.remove(&budget);
            }
        }
    }
}

fn delay_ms(failures: u32) -> i64 {
    match failures.checked_sub(FREE + 1) {
        None => 0,
        Some(doublings) => (FIRST_MS << doublings.min(20)).min(LONGEST_MS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stranger(name: &str) -> Budget {
        Budget::Strangers(name.into())
    }

    #[test]
    fn delays_double_up_to_a_quarter_of_an_hour_and_never_lock() {
        let (mut limiter, lan) = (Limiter::default(), [stranger("lan")]);
        let (mut now_ms, mut delays) = (0, vec![]);
        for _ in 0..20 {
            assert_eq!(limiter.charge(&lan, now_ms), Ok(()));
            match limiter.charge(&lan, now_ms) {
                Ok(()) => delays.push(0),
                Err(wait_ms) => {
                    assert!(limiter.charge(&lan, now_ms + wait_ms - 1).is_err(), "not a moment too early");
                    delays.push(wait_ms / 1000);
                    now_ms += wait_ms;
                }
            }
        }
        // The first two tries of this loop fit into what is free.
        assert_eq!(delays[..12], [0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512]);
        assert!(delays[12..].iter().all(|delay| *delay == 900));
        assert_eq!(limiter.charge(&lan, now_ms + FORGIVEN_MS + 1), Ok(()));
        assert_eq!(limiter.charge(&lan, now_ms + FORGIVEN_MS + 1), Ok(()), "forgiven after an hour's rest");
    }

    #[test]
    fn a_guesser_outside_does_not_delay_the_office() {
        let mut limiter = Limiter::default();
        let guess = [stranger("lan"), Budget::Source("203.0.113.9".into())];
        while limiter.charge(&guess, 0).is_ok() {}
        let elsewhere = [stranger("lan"), Budget::Source("198.51.100.1".into())];
        assert!(limiter.charge(&elsewhere, 0).is_err(), "strangers wait, wherever they are");
        let office = [Budget::Known("lan".into(), "browser".into())];
        assert_eq!(limiter.charge(&office, 0), Ok(()), "the office does not");
        let other = [stranger("minh"), Budget::Source("203.0.113.9".into())];
        assert!(limiter.charge(&other, 0).is_err(), "nor may that source go on to the next account");
    }

    #[test]
    fn many_at_once_are_charged_before_they_are_answered() {
        let (mut limiter, lan) = (Limiter::default(), [stranger("lan")]);
        let let_in = (0..1000).filter(|_| limiter.charge(&lan, 0).is_ok()).count();
        assert_eq!(let_in as u32, FREE + 1);
        limiter.refund(&lan);
        assert_eq!(limiter.charge(&lan, 0), Ok(()), "what was given back can be used");
        limiter.forgive(&lan[0]);
        assert_eq!((0..1000).filter(|_| limiter.charge(&lan, 0).is_ok()).count() as u32, FREE + 1);
    }

    #[test]
    fn memory_is_bounded_and_a_flood_of_names_does_not_wash_a_delay_away() {
        let (mut limiter, lan) = (Limiter::default(), [stranger("lan")]);
        while limiter.charge(&lan, 0).is_ok() {}
        for index in 0..3 * MOST {
            let _ = limiter.charge(&[stranger(&format!("n{index}"))], 1);
            assert!(limiter.spent.len() <= MOST);
        }
        assert!(limiter.charge(&lan, 2).is_err());
    }

    #[test]
    fn a_clock_that_was_set_back_locks_nobody_out() {
        let (mut limiter, lan) = (Limiter::default(), [stranger("lan")]);
        while limiter.charge(&lan, 1_000_000_000).is_ok() {}
        assert!(limiter.charge(&lan, 0).unwrap_err() <= LONGEST_MS);
    }
}
