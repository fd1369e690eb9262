//! Who sounds where several want the air at once, and what becomes of the others.
//!
//! Candidates are placed in order of rank, each into what those before it left free; so nothing ever waits for something of lower rank,
//! and the result depends on the candidates alone, not on their order. The rank: priority; then what was planned before the edit
//! lock; then, among *priority* bulletins, the order that the commune has chosen between its own and those from above; then the
//! earlier start, the wider unit, the name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::hours::{DayBudget, Openings};
use super::priority::Priority;

/// What becomes of an occurrence where something that goes before it has the air.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClashPolicy {
    /// One piece of it sounds, until the other begins or from when it has ended; what does not fit into its slot is lost.
    Cut,
    /// It fades out, waits, and goes on where it was.
    Resume,
    /// It waits until it can be heard whole.
    Queue,
    /// It is left out.
    Drop,
}

impl ClashPolicy {
    /// What a schedule that says nothing means.
    pub fn usual(priority: Priority) -> Self {
        match priority {
            Priority::Filler => Self::Cut,
            Priority::Normal => Self::Resume,
            Priority::Priority | Priority::Emergency => Self::Queue,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::Resume => "resume",
            Self::Queue => "queue",
            Self::Drop => "drop",
        }
    }
}

impl fmt::Display for ClashPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ClashPolicy {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Cut, Self::Resume, Self::Queue, Self::Drop]
            .into_iter()
            .find(|policy| policy.as_str() == text)
            .ok_or_else(|| format!("{text:?} is not one of cut, resume, queue, drop"))
    }
}

/// One sound that wants the air. All times in ms.
#[derive(Debug, Clone)]
pub struct Candidate {
    pub priority: Priority,
    /// It came so late that what is about to play stays as it is.
    pub late: bool,
    /// Place within the level: the lower goes first.
    pub order: u8,
    pub start_ms: i64,
    pub length_ms: i64,
    /// The time it was given, within which a cut one must stay.
    pub slot_ms: i64,
    pub policy: ClashPolicy,
    pub wait_ms: i64,
    /// No part of it may sound later than this: its approvals end.
    pub good_until_ms: i64,
}

/// Where a candidate sounds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Placement {
    /// In order; more than one where it is interrupted.
    pub pieces: Vec<Stretch>,
    /// The candidate that was in its way first.
    pub by: Option<usize>,
    /// The day's longest time was used up.
    pub day_full: bool,
}

/// A part of a candidate's content: from where in it, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    pub start_ms: i64,
    pub from_ms: i64,
    pub length_ms: i64,
}

/// It is not worth beginning for less than this.
const SHORTEST_MS: i64 = 5_000;

/// What is taken, rising.
#[derive(Debug, Default)]
struct Air {
    taken: Vec<(i64, i64, usize)>,
}

/// Free time from `start_ms` to `end_ms`.
struct Gap {
    start_ms: i64,
    end_ms: i64,
}

impl Air {
    /// The first free and lawful time at or after `from_ms` that begins before `until_ms`. Notes in `by` who was first in the way.
    fn gap(&self, openings: &Openings, from_ms: i64, until_ms: i64, by: &mut Option<usize>) -> Option<Gap> {
        let mut at_ms = from_ms;
        let mut index = self.taken.partition_point(|(_, end_ms, _)| *end_ms <= at_ms);
        loop {
            if at_ms >= until_ms {
                return None;
            }
            let next = self.taken.get(index);
            if let Some((_, end_ms, who)) = next.filter(|(start_ms, ..)| *start_ms <= at_ms) {
                by.get_or_insert(*who);
                at_ms = *end_ms;
                index += 1;
                continue;
            }
            let lawful = openings.open.partition_point(|(_, end_ms)| *end_ms <= at_ms);
            let (open_ms, close_ms) = *openings.open.get(lawful)?;
            if open_ms > at_ms {
                at_ms = open_ms;
                index = self.taken.partition_point(|(_, end_ms, _)| *end_ms <= at_ms);
                continue;
            }
            let end_ms = next.map_or(i64::MAX, |(start_ms, ..)| *start_ms).min(close_ms);
            return Some(Gap { start_ms: at_ms, end_ms });
        }
    }

    /// Who takes the air next after a gap that ends at `ms`.
    fn taker(&self, ms: i64) -> Option<usize> {
        let index = self.taken.partition_point(|(start_ms, ..)| *start_ms < ms);
        self.taken.get(index).filter(|(start_ms, ..)| *start_ms == ms).map(|(.., who)| *who)
    }

    fn take(&mut self, piece: Stretch, who: usize) {
        let index = self.taken.partition_point(|(start_ms, ..)| *start_ms < piece.start_ms);
        self.taken.insert(index, (piece.start_ms, piece.start_ms + piece.length_ms, who));
    }

    /// Where one candidate may sound, by its policy.
    fn place(&self, one: &Candidate, openings: &Openings) -> Placement {
        let mut placement = Placement::default();
        let by = &mut placement.by;
        let latest_ms = match one.policy {
            ClashPolicy::Drop => one.start_ms + 1,
            ClashPolicy::Cut => one.start_ms + one.slot_ms,
            ClashPolicy::Queue => one.start_ms + one.wait_ms + 1,
            ClashPolicy::Resume => one.start_ms + one.length_ms + one.wait_ms,
        };
        let (mut at_ms, mut from_ms) = (one.start_ms, 0);
        while let Some(gap) = self.gap(openings, at_ms, latest_ms.min(one.good_until_ms), by) {
            let rest_ms = one.length_ms - from_ms;
            let mut room_ms = gap.end_ms.min(one.good_until_ms) - gap.start_ms;
            if matches!(one.policy, ClashPolicy::Cut | ClashPolicy::Resume) {
                room_ms = room_ms.min(latest_ms - gap.start_ms);
            }
            let length_ms = rest_ms.min(room_ms);
            if length_ms < rest_ms
                && let Some(who) = self.taker(gap.end_ms)
            {
                by.get_or_insert(who);
            }
            let whole = length_ms == rest_ms;
            let splits = matches!(one.policy, ClashPolicy::Cut | ClashPolicy::Resume) && length_ms >= SHORTEST_MS;
            if whole || splits {
                placement.pieces.push(Stretch { start_ms: gap.start_ms, from_ms, length_ms });
                from_ms += length_ms;
            }
            if from_ms >= one.length_ms || (one.policy == ClashPolicy::Cut && from_ms > 0) {
                break;
            }
            at_ms = gap.end_ms;
        }
        placement
    }
}

/// Places all candidates; the answers stand in the candidates' order. Emergencies are not bound by `openings`.
pub fn settle(candidates: &[Candidate], openings: &Openings) -> Vec<Placement> {
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    // The index last: the caller lists the wider units first, then by name.
    order.sort_unstable_by_key(|index| {
        let one = &candidates[*index];
        (std::cmp::Reverse(one.priority), one.late, one.order, one.start_ms, *index)
    });
    let always = Openings::always();
    let (mut air, mut budget) = (Air::default(), DayBudget::default());
    air.taken.reserve(candidates.len());
    let mut placements = vec![Placement::default(); candidates.len()];
    for index in order {
        let one = &candidates[index];
        let emergency = one.priority == Priority::Emergency;
        let mut placement = air.place(one, if emergency { &always } else { openings });
        let sounding_ms = placement.pieces.iter().map(|piece| piece.length_ms).sum();
        if let (false, Some(first)) = (emergency || openings.days.is_empty(), placement.pieces.first())
            && !budget.take(openings, first.start_ms, sounding_ms)
        {
            placement.pieces.clear();
            placement.day_full = true;
        }
        for piece in &placement.pieces {
            air.take(*piece, index);
        }
        placements[index] = placement;
    }
    placements
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(priority: Priority, start_s: i64, length_s: i64, policy: ClashPolicy) -> Candidate {
        Candidate {
            priority,
            late: false,
            order: 0,
            start_ms: start_s * 1000,
            length_ms: length_s * 1000,
            slot_ms: length_s * 1000,
            policy,
            wait_ms: 600_000,
            good_until_ms: i64::MAX,
        }
    }

    /// Pieces as (start, from, length) in seconds.
    fn settled(candidates: &[Candidate], openings: &Openings) -> Vec<Vec<(i64, i64, i64)>> {
        let seconds = |piece: &Stretch| (piece.start_ms / 1000, piece.from_ms / 1000, piece.length_ms / 1000);
        settle(candidates, openings).iter().map(|placement| placement.pieces.iter().map(seconds).collect()).collect()
    }

    #[test]
    fn each_policy_does_what_it_says() {
        use ClashPolicy::{Cut, Drop, Queue, Resume};
        // Something urgent from 100 to 160 against ten minutes that begin before it, and against some that begin within it.
        type Piece = (i64, i64, i64);
        let cases: [(ClashPolicy, i64, &[Piece]); 8] = [
            (Cut, 0, &[(0, 0, 100)]),
            (Resume, 0, &[(0, 0, 100), (160, 100, 500)]),
            (Queue, 0, &[(160, 0, 600)]),
            (Drop, 0, &[]),
            (Cut, 120, &[(160, 0, 560)]),
            (Resume, 120, &[(160, 0, 600)]),
            (Queue, 120, &[(160, 0, 600)]),
            (Drop, 120, &[]),
        ];
        for (policy, start_s, expected) in cases {
            let both =
                [candidate(Priority::Normal, start_s, 600, policy), candidate(Priority::Priority, 100, 60, Queue)];
            let pieces = settled(&both, &Openings::always());
            assert_eq!(pieces[0], expected, "{policy} from {start_s}");
            assert_eq!(pieces[1], [(100, 0, 60)], "the urgent one never waits");
            let placed = settle(&both, &Openings::always());
            assert_eq!(placed[0].by, Some(1));
        }
    }

    #[test]
    fn waiting_has_an_end_and_crumbs_are_not_played() {
        let long = candidate(Priority::Priority, 0, 601, ClashPolicy::Queue);
        let queued = candidate(Priority::Normal, 0, 60, ClashPolicy::Queue);
        assert_eq!(settled(&[queued.clone(), long], &Openings::always())[0], []);
        let long = candidate(Priority::Priority, 0, 600, ClashPolicy::Queue);
        assert_eq!(settled(&[queued, long], &Openings::always())[0], [(600, 0, 60)]);
        // Two seconds before the other begins are not worth beginning for.
        let resumed = candidate(Priority::Normal, 98, 60, ClashPolicy::Resume);
        let urgent = candidate(Priority::Priority, 100, 60, ClashPolicy::Queue);
        assert_eq!(settled(&[resumed, urgent], &Openings::always())[0], [(160, 0, 60)]);
    }

    #[test]
    fn rank_decides_and_not_the_order_of_the_list() {
        let early = candidate(Priority::Normal, 0, 60, ClashPolicy::Drop);
        let late = Candidate { late: true, ..candidate(Priority::Priority, 30, 60, ClashPolicy::Drop) };
        let own = Candidate { order: 1, ..candidate(Priority::Priority, 200, 60, ClashPolicy::Drop) };
        let above = candidate(Priority::Priority, 230, 60, ClashPolicy::Drop);
        let forth = settled(&[early.clone(), late.clone(), own.clone(), above.clone()], &Openings::always());
        let back = settled(&[above, own, late, early], &Openings::always());
        assert_eq!(forth, back.into_iter().rev().collect::<Vec<_>>());
        assert_eq!(forth[1], [(30, 0, 60)], "priority comes before lateness");
        assert_eq!((forth[2].len(), forth[3].len()), (0, 1));
    }

    #[test]
    fn waiting_never_leads_into_the_quiet_hours_and_emergencies_do_not_wait_for_the_morning() {
        let openings = Openings { open: vec![(0, 200_000), (500_000, 900_000)], ..Openings::default() };
        let urgent = candidate(Priority::Priority, 100, 60, ClashPolicy::Queue);
        let resumed = candidate(Priority::Normal, 80, 100, ClashPolicy::Resume);
        let night = candidate(Priority::Emergency, 300, 30, ClashPolicy::Queue);
        let pieces = settled(&[resumed, urgent, night], &openings);
        assert_eq!(pieces[0], [(80, 0, 20), (160, 20, 40), (500, 60, 40)]);
        assert_eq!(pieces[2], [(300, 0, 30)]);
    }
}
