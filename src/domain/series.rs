//! A schedule or a programme through its history, so that an edit changes what is to come and never what was.
//!
//! Each version rules from an instant on: an edit takes effect only after the edit lock, so that what is about to play cannot be
//! changed silently; what was there before keeps its past.

use std::sync::Arc;

use super::ids::ScheduleId;
use super::schedule::{MAX_STARTS, Schedule};

/// How long before its start an occurrence can no longer be changed, unless somebody says so on purpose.
pub const EDIT_LOCK_MS: i64 = 10 * 60 * 1000;

/// The versions of something, oldest first; `None` = removed.
#[derive(Debug, Clone, PartialEq)]
pub struct History<T> {
    pub versions: Vec<Version<T>>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Version<T> {
    pub made_ms: i64,
    /// From when on it rules; not before `made_ms`, nor before an older version.
    pub effective_ms: i64,
    pub value: Option<Arc<T>>,
    /// A removal on purpose: what is on the air then ends too.
    pub ends_now: bool,
}

impl<T> Default for History<T> {
    fn default() -> Self {
        Self { versions: vec![] }
    }
}

impl<T> History<T> {
    /// Something that always was as it is now.
    pub fn always(value: T) -> Self {
        Self {
            versions: vec![Version {
                made_ms: i64::MIN,
                effective_ms: i64::MIN,
                value: Some(Arc::new(value)),
                ends_now: false,
            }],
        }
    }

    /// The version that rules at an instant.
    pub fn at(&self, ms: i64) -> Option<&Arc<T>> {
        let index = self.versions.partition_point(|version| version.effective_ms <= ms);
        self.versions[..index].last().and_then(|version| version.value.as_ref())
    }

    /// Each version with the one that follows it.
    pub fn reigns(&self) -> impl Iterator<Item = (&Version<T>, Option<&Version<T>>)> {
        self.versions.iter().enumerate().map(move |(index, version)| (version, self.versions.get(index + 1)))
    }
}

/// One schedule with its history.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    pub id: ScheduleId,
    pub history: History<Schedule>,
}

/// One version's plays within a window.
#[derive(Debug, Clone)]
pub struct Reign {
    pub schedule: Arc<Schedule>,
    pub plays: Vec<Play>,
    /// It was removed on purpose at this instant: nothing of it sounds beyond.
    pub ended_ms: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Play {
    pub start_ms: i64,
    pub nominal_ms: i64,
    /// Which of the schedule's programmes: an index into [`Reign::schedule`]'s `rule.programmes()`, or the schedule's own.
    pub other_programme: Option<usize>,
    /// It came within the edit lock.
    pub late: bool,
}

impl Series {
    pub fn always(schedule: Schedule) -> Self {
        Self { id: schedule.id.clone(), history: History::always(schedule) }
    }

    /// All plays that start in `from_ms..until_ms`, by version.
    pub fn reigns(&self, from_ms: i64, until_ms: i64, lock_ms: i64) -> Vec<Reign> {
        let reign = |(version, next): (&Version<Schedule>, Option<&Version<Schedule>>)| {
            let schedule = version.value.as_ref()?;
            let next_ms = next.map_or(i64::MAX, |next| next.effective_ms);
            let starts = schedule.rule.starts(from_ms.max(version.effective_ms), until_ms.min(next_ms), MAX_STARTS);
            let ended_ms = next.filter(|next| next.ends_now).map(|next| next.effective_ms);
            let late_until_ms = version.made_ms.saturating_add(lock_ms);
            let plays = starts.into_iter().map(|start| Play {
                start_ms: start.start_ms,
                nominal_ms: start.nominal_ms,
                other_programme: start.programme,
                late: start.start_ms < late_until_ms,
            });
            Some(Reign { schedule: schedule.clone(), plays: plays.collect(), ended_ms })
        };
        self.history.reigns().filter_map(reign).filter(|reign| !reign.plays.is_empty()).collect()
    }
}
