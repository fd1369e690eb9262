//! What is known of the way from the converter to what listens: its gain at installation, and whether that has changed since.
//!
//! Pure: takes what the ear found of each play and says what it comes to. Keeps no file (`store.rs` does) and hears nothing.

use serde::{Deserialize, Serialize};

use crate::audio::heard::{Finding, median};
use crate::protocol::message::PathState;

/// A gain that differs by more is a change: half of a cluster's horns off, or a turned knob.
pub const CHANGE_DB: f32 = 6.0;
/// So many plays in a row must say so: one lorry under the pole is no fault.
const IN_A_ROW: usize = 3;
/// Without a baseline from the installation, the median of the first plays is taken for one.
const FIRST: usize = 5;

/// What outlasts a restart; written when it changes, so not while all is well.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    pub gain_db: Option<f32>,
    /// The gains of the first plays, until there are enough of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub first_db: Vec<f32>,
    /// The last plays, as many in a row as were not as they should be: the gain, or `None` where nothing was heard.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<Option<f32>>,
}

/// What a play comes to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    Heard { gain_db: f32, delay_ms: f32 },
    NotHeard,
    Untold,
}

#[derive(Debug, Default)]
pub struct Path {
    baseline: Baseline,
    /// Of the last play that was heard.
    gain_db: Option<f32>,
}

impl Path {
    pub fn new(baseline: Baseline) -> Self {
        Self { baseline, gain_db: None }
    }

    /// Takes what was found of a play; gives what it comes to, and the baseline if it is to be written.
    pub fn take(&mut self, found: Option<Finding>) -> (Verdict, Option<Baseline>) {
        let before = self.baseline.clone();
        let verdict = self.judge(found);
        match verdict {
            Verdict::Untold => {}
            Verdict::NotHeard => self.doubt(None),
            Verdict::Heard { gain_db, .. } => {
                self.gain_db = Some(gain_db);
                match self.baseline.gain_db {
                    Some(usual_db) if (gain_db - usual_db).abs() > CHANGE_DB => self.doubt(Some(gain_db)),
                    Some(_) => self.baseline.doubts.clear(),
                    None => self.learn(gain_db),
                }
            }
        }
        (verdict, (self.baseline != before).then(|| self.baseline.clone()))
    }

    fn judge(&self, found: Option<Finding>) -> Verdict {
        match found {
            Some(Finding::Heard { gain_db, delay_ms }) => Verdict::Heard { gain_db, delay_ms },
            // In such a noise the horn would not have been heard as it was at installation either.
            Some(Finding::NotHeard { floor_db })
                if self.baseline.gain_db.is_some_and(|db| floor_db > db - CHANGE_DB) =>
            {
                Verdict::Untold
            }
            Some(Finding::NotHeard { .. }) => Verdict::NotHeard,
            None => Verdict::Untold,
        }
    }

    fn doubt(&mut self, gain_db: Option<f32>) {
        let doubts = &mut self.baseline.doubts;
        // Beyond that nothing new is said, and nothing need be written: only the kind may change.
        if doubts.len() == IN_A_ROW {
            if doubts.last().is_some_and(|last| last.is_some() == gain_db.is_some()) {
                return;
            }
            doubts.remove(0);
        }
        doubts.push(gain_db);
    }

    fn learn(&mut self, gain_db: f32) {
        self.baseline.doubts.clear();
        self.baseline.first_db.push(gain_db);
        if self.baseline.first_db.len() >= FIRST {
            self.baseline.gain_db = median(std::mem::take(&mut self.baseline.first_db));
        }
    }

    /// As the center is told; absent while nothing is known.
    pub fn state(&self) -> Option<PathState> {
        let state = PathState { gain_db: self.gain_db, baseline_db: self.baseline.gain_db };
        (state != PathState::default()).then_some(state)
    }

    /// What somebody should look after.
    pub fn warning(&self) -> Option<String> {
        let doubts = &self.baseline.doubts;
        if doubts.len() < IN_A_ROW {
            return None;
        }
        Some(match (doubts.last().copied().flatten(), self.baseline.gain_db) {
            (Some(gain_db), Some(usual_db)) => {
                let change_db = gain_db - usual_db;
                let word = if change_db < 0.0 { "quieter" } else { "louder" };
                format!("{:.0} dB {word} than at installation, {IN_A_ROW} plays in a row", change_db.abs())
            }
            _ => format!("not heard back, {IN_A_ROW} plays in a row"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(gain_db: f32) -> Option<Finding> {
        Some(Finding::Heard { gain_db, delay_ms: 20.0 })
    }

    const DEAD: Option<Finding> = Some(Finding::NotHeard { floor_db: -60.0 });

    #[test]
    fn the_first_plays_make_the_baseline_where_installation_made_none() {
        let mut path = Path::default();
        for (gain_db, known) in [(-20.0, None), (-21.0, None), (-5.0, None), (-20.5, None), (-19.0, Some(-20.0))] {
            let (verdict, written) = path.take(heard(gain_db));
            assert_eq!(verdict, Verdict::Heard { gain_db, delay_ms: 20.0 });
            assert_eq!(written.unwrap().gain_db, known);
        }
        assert_eq!(path.state(), Some(PathState { gain_db: Some(-19.0), baseline_db: Some(-20.0) }));
        assert_eq!(path.take(heard(-18.0)).1, None, "while all is well nothing is written");
    }

    #[test]
    fn a_change_that_stays_is_told_and_outlasts_a_restart() {
        let known = Baseline { gain_db: Some(-20.0), ..Baseline::default() };
        let mut path = Path::new(known.clone());
        path.take(heard(-27.0));
        path.take(heard(-27.0));
        assert_eq!((path.take(heard(-21.0)).1, path.warning()), (Some(known), None), "it was back in between");
        path.take(heard(-28.0));
        path.take(DEAD);
        let kept = path.take(heard(-28.4)).1.unwrap();
        assert_eq!(path.warning().unwrap(), "8 dB quieter than at installation, 3 plays in a row");
        let mut path = Path::new(kept);
        assert!(path.warning().is_some());
        assert_eq!(path.take(heard(-28.0)).1, None);
        assert!(path.take(DEAD).1.is_some());
        assert_eq!(path.warning().unwrap(), "not heard back, 3 plays in a row");
        path.take(heard(-20.0));
        assert_eq!(path.warning(), None);
    }

    #[test]
    fn a_noise_in_which_nothing_could_be_heard_is_no_fault() {
        let mut path = Path::new(Baseline { gain_db: Some(-20.0), ..Baseline::default() });
        assert_eq!(path.take(Some(Finding::NotHeard { floor_db: -22.0 })), (Verdict::Untold, None));
        assert_eq!(path.take(Some(Finding::NotHeard { floor_db: -27.0 })).0, Verdict::NotHeard);
        assert_eq!(path.take(None), (Verdict::Untold, None));
        assert_eq!(Path::default().take(Some(Finding::NotHeard { floor_db: 0.0 })).0, Verdict::NotHeard);
    }
}
