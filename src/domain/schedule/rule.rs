//! When, and nothing else: from a rule to instants.
//!
//! Wall-clock times are walked as if every day had 24 hours; the zone's jumps are decided in [`instant`] alone. Local times that a zone
//! skips play at the first valid instant after the gap; local times that happen twice play once, the first time. Repeats are so many
//! minutes of real time apart, and belong to the date of the first. What an exception moves or adds plays whatever
//! the rule says of that day; of two exceptions for one occurrence the first counts.

use chrono::{DateTime, Duration, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone, Utc};
use chrono_tz::Tz;

use super::cron::Recurrence;
use crate::domain::calendar::Days;
use crate::domain::ids::ProgrammeId;
use crate::domain::plan::LATEST_MS;

/// The year 1900 in Unix ms: calendars reach back no further.
pub const EARLIEST_MS: i64 = -2_208_988_800_000;

#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    pub pattern: Pattern,
    /// How often it plays in all from each start, and how far apart.
    pub times: u32,
    pub every_ms: i64,
    pub time_zone: Tz,
    pub from: Option<NaiveDate>,
    pub until: Option<NaiveDate>,
    /// Dates on which alone it plays, but for those of `instead_on`; empty = every date.
    pub only_on: Vec<Days>,
    /// Dates on which no start of the series falls, whatever else is said.
    pub not_on: Vec<Days>,
    /// The first that holds a date decides about it.
    pub instead_on: Vec<Instead>,
    pub exceptions: Vec<Exception>,
    /// The programmes that take the usual one's place, by number.
    pub programmes: Vec<ProgrammeId>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Pattern {
    Recurring(Recurrence),
    Once(NaiveDateTime),
}

/// On these dates, other times or another programme instead of the usual ones.
#[derive(Debug, Clone, PartialEq)]
pub struct Instead {
    pub on: Vec<Days>,
    /// Empty = the usual times.
    pub times: Vec<NaiveTime>,
    pub programme: Option<usize>,
}

/// What is different about single occurrences.
#[derive(Debug, Clone, PartialEq)]
pub enum Exception {
    Skip(When),
    Change { at: When, to: Option<NaiveDateTime>, programme: Option<usize> },
    Extra { at: NaiveDateTime, programme: Option<usize> },
}

/// Which occurrences an exception means, by the wall clock at which they would usually start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    Day(NaiveDate),
    Instant(NaiveDateTime),
}

/// One play that a rule asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Start {
    pub start_ms: i64,
    /// Where it stands in its series: the start it would have had if nobody had moved it.
    pub nominal_ms: i64,
    /// Another programme than the schedule's, by its number in [`Rule::programmes`].
    pub programme: Option<usize>,
    /// What the rule's clock said, where the zone skips that time too.
    wall: NaiveDateTime,
    /// An exception put it here.
    excepted: bool,
}

/// No local clock differs from UTC, and no gap is longer, than this.
const WIDEST_SHIFT: Duration = Duration::hours(26);

impl When {
    fn means(self, wall: NaiveDateTime) -> bool {
        match self {
            Self::Day(date) => wall.date() == date,
            Self::Instant(time) => wall == time,
        }
    }

    fn date(self) -> NaiveDate {
        match self {
            Self::Day(date) => date,
            Self::Instant(time) => time.date(),
        }
    }
}

impl Rule {
    /// The plays that start in `from_ms..until_ms` (Unix ms), rising, one at each instant; at most `most`.
    pub fn starts(&self, from_ms: i64, until_ms: i64, most: usize) -> Vec<Start> {
        let (from_ms, until_ms) = (from_ms.clamp(EARLIEST_MS, LATEST_MS), until_ms.clamp(EARLIEST_MS, LATEST_MS));
        let mut starts = self.regular(from_ms, until_ms, most);
        if !self.exceptions.is_empty() {
            self.except(&mut starts, from_ms, until_ms, most);
        }
        // Where two fall together, what an exception says is what was meant.
        starts.sort_unstable_by_key(|start| (start.start_ms, !start.excepted, start.nominal_ms));
        starts.dedup_by_key(|start| start.start_ms);
        starts.truncate(most);
        starts
    }

    /// The series without its exceptions.
    fn regular(&self, from_ms: i64, until_ms: i64, most: usize) -> Vec<Start> {
        let mut starts = vec![];
        let reach_ms = self.every_ms.saturating_mul(i64::from(self.times.saturating_sub(1)));
        let (first, end) = (self.local(from_ms.saturating_sub(reach_ms)), self.local(until_ms));
        let (Some(first), Some(end)) = (first, end) else { return starts };
        let (walk_from, walk_until) = (first - WIDEST_SHIFT, end + WIDEST_SHIFT);
        let from = self.from.unwrap_or(NaiveDate::MIN).max(walk_from.date());
        let until = self.until.unwrap_or(NaiveDate::MAX).min(walk_until.date());
        // Two wall-clock times may mean one instant, where a zone skips an hour.
        let enough = most.saturating_mul(2);
        let mut date = from;
        while date <= until {
            if starts.len() > enough {
                // Repeats may fall together; only what is left then counts.
                starts.sort_unstable();
                starts.dedup_by_key(|start: &mut Start| start.start_ms);
                if starts.len() > enough {
                    break;
                }
            }
            let mut add = |time: NaiveTime, programme: Option<usize>| {
                let wall = date.and_time(time);
                let first_ms = instant(self.time_zone, wall).timestamp_millis();
                for turn in 0..i64::from(self.times) {
                    let start_ms = first_ms.saturating_add(turn.saturating_mul(self.every_ms));
                    if (from_ms..until_ms).contains(&start_ms) {
                        let wall = if turn == 0 { wall } else { self.local(start_ms).unwrap_or(wall) };
                        starts.push(Start { start_ms, nominal_ms: start_ms, programme, wall, excepted: false });
                    }
                }
                starts.len() <= enough.saturating_mul(2)
            };
            self.on_date(date, &mut add);
            let Some(next) = date.succ_opt() else { break };
            date = next;
        }
        starts
    }

    /// Gives the times of one date to `add`, until it has enough.
    fn on_date(&self, date: NaiveDate, add: &mut impl FnMut(NaiveTime, Option<usize>) -> bool) {
        let holds = |list: &[Days]| list.iter().any(|days| days.hold(date));
        let usual = match &self.pattern {
            Pattern::Recurring(recurrence) => recurrence.falls_on(date),
            Pattern::Once(time) => time.date() == date,
        };
        let instead = self.instead_on.iter().find(|instead| holds(&instead.on));
        let other_times = instead.is_some_and(|instead| !instead.times.is_empty());
        let allowed = other_times || (usual && (self.only_on.is_empty() || instead.is_some() || holds(&self.only_on)));
        if !allowed || holds(&self.not_on) {
            return;
        }
        let programme = instead.and_then(|instead| instead.programme);
        match (instead, &self.pattern) {
            (Some(instead), _) if other_times => instead.times.iter().all(|time| add(*time, programme)),
            (_, Pattern::Recurring(recurrence)) => recurrence.times().all(|time| add(time, programme)),
            (_, Pattern::Once(time)) => add(time.time(), programme),
        };
    }

    fn except(&self, starts: &mut Vec<Start>, from_ms: i64, until_ms: i64, most: usize) {
        let exception_at = |start: &Start| {
            self.exceptions.iter().find(|exception| match exception {
                Exception::Skip(at) | Exception::Change { at, .. } => self.is_meant(*at, start),
                Exception::Extra { .. } => false,
            })
        };
        starts.retain_mut(|start| match exception_at(start) {
            None | Some(Exception::Extra { .. }) => true,
            Some(Exception::Skip(_)) => false,
            Some(Exception::Change { to, programme, .. }) => {
                if programme.is_some() {
                    start.programme = *programme;
                }
                to.is_none()
            }
        });
        for exception in &self.exceptions {
            let (to, programme, nominal) = match exception {
                Exception::Skip(_) | Exception::Change { to: None, .. } => continue,
                Exception::Change { at, to: Some(to), programme } => match self.meant(*at, most).into_iter().next() {
                    // The first exception that means an occurrence decides about it.
                    Some(start) if exception_at(&start) == Some(exception) => {
                        (*to, programme.or(start.programme), start.nominal_ms)
                    }
                    _ => continue,
                },
                Exception::Extra { at, programme } => {
                    // Beside an occurrence of the series, even if that was moved away, it has a name of its own.
                    let taken = i64::from(!self.meant(When::Instant(*at), most).is_empty());
                    (*at, *programme, instant(self.time_zone, *at).timestamp_millis() + taken)
                }
            };
            let start_ms = instant(self.time_zone, to).timestamp_millis();
            if (from_ms..until_ms).contains(&start_ms) {
                starts.push(Start { start_ms, nominal_ms: nominal, programme, wall: to, excepted: true });
            }
        }
    }

    /// By what the rule's clock says, or by the one on the wall: they differ where a zone skips a time.
    fn is_meant(&self, at: When, start: &Start) -> bool {
        at.means(start.wall) || self.local(start.nominal_ms).is_some_and(|wall| at.means(wall))
    }

    /// The occurrences of the series that an exception means.
    fn meant(&self, at: When, most: usize) -> Vec<Start> {
        let day_ms = instant(self.time_zone, at.date().and_time(NaiveTime::MIN)).timestamp_millis();
        let shift_ms = WIDEST_SHIFT.num_milliseconds();
        let mut starts = self.regular(day_ms - shift_ms, day_ms + 2 * shift_ms, most);
        starts.retain(|start| self.is_meant(at, start));
        starts
    }

    /// Exceptions that mean no occurrence of the series: most likely a slip of the pen.
    pub fn idle_exceptions(&self, most: usize) -> impl Iterator<Item = When> {
        self.exceptions.iter().filter_map(move |exception| match exception {
            Exception::Skip(at) | Exception::Change { at, .. } => self.meant(*at, most).is_empty().then_some(*at),
            Exception::Extra { .. } => None,
        })
    }

    fn local(&self, ms: i64) -> Option<NaiveDateTime> {
        DateTime::from_timestamp_millis(ms).map(|time| time.with_timezone(&self.time_zone).naive_local())
    }
}

/// The instant of a wall-clock time: the first of two, and the end of the gap for one that does not exist.
pub fn instant(zone: Tz, wall: NaiveDateTime) -> DateTime<Utc> {
    match zone.from_local_datetime(&wall) {
        LocalResult::Single(time) => time.to_utc(),
        LocalResult::Ambiguous(a, b) => a.min(b).to_utc(),
        LocalResult::None => {
            let offset = |t: DateTime<Utc>| zone.offset_from_utc_datetime(&t.naive_utc()).fix().local_minus_utc();
            let (mut before, mut after) = ((wall - WIDEST_SHIFT).and_utc(), (wall + WIDEST_SHIFT).and_utc());
            let old_offset = offset(before);
            while after - before > Duration::seconds(1) {
                let middle = before + (after - before) / 2;
                if offset(middle) == old_offset { before = middle } else { after = middle }
            }
            // Zones change on whole seconds; the search may have stopped a fraction past one.
            DateTime::from_timestamp(after.timestamp(), 0).unwrap_or(after)
        }
    }
}
