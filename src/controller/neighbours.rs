//! Keeps step with the neighbours on the local network: finds out who leads, and learns what the leader's clock says.
//!
//! Pure: packets in, packets out, time is an argument; `lan.rs` carries them. All see the same beacons and so choose the same leader: of the
//! boards that know the time by themselves, one of those that know it best. The exchange with it is the one with the center (four timestamps),
//! but of monotonic clocks, which no correction disturbs.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::clock::Clock;
use crate::domain::ids::SpeakerId;
use crate::domain::plan::NeighbourKey;
use crate::protocol::message::ClockAnswer;
use crate::protocol::neighbour::{Known, Packet};

const SECOND_NS: i64 = 1_000_000_000;
const BEACON_NS: i64 = 2 * SECOND_NS;
/// Who was not heard for so long is not there.
const GONE_NS: i64 = 7 * SECOND_NS;
const BURST: u32 = 16;
const BURST_NS: i64 = SECOND_NS / 20;
const PROBE_NS: i64 = SECOND_NS;
const PROBES_OPEN: usize = 8;
/// A leader is followed after so many answers, and for so long after the last one.
const ANSWERS: u32 = 8;
const FRESH_NS: i64 = 10 * SECOND_NS;
/// Neighbours that are remembered, and answers given in a second, at most.
const OTHERS: usize = 64;
const ANSWERS_A_SECOND: u32 = 200;
/// Ends of the classes of knowing the time: each is eight times as wide as the one before.
const FIRST_CLASS_NS: i64 = 2_000_000;
const UNKNOWING: u8 = 9;

/// The center's time as the leader knows it, on this board's own monotonic clock.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    pub speaker: SpeakerId,
    pub offset_ns: i64,
    pub at_mono_ns: i64,
    pub rate: f64,
    pub error_ns: i64,
}

#[derive(Debug)]
struct Other {
    class: u8,
    address: SocketAddr,
    heard_mono_ns: i64,
}

/// What is known of the leader's clock.
#[derive(Debug)]
struct Leader {
    speaker: SpeakerId,
    boot: u64,
    clock: Clock,
    known: Option<Known>,
    answers: u32,
    answered_mono_ns: i64,
    probes: Vec<(u32, i64)>,
    next_probe_mono_ns: i64,
}

#[derive(Debug)]
pub struct Neighbours {
    own: SpeakerId,
    boot: u64,
    key: NeighbourKey,
    known: Option<Known>,
    class: u8,
    others: BTreeMap<SpeakerId, Other>,
    leader: Option<Leader>,
    sequence: u32,
    next_beacon_mono_ns: i64,
    answers: (i64, u32),
}

/// A packet and where it goes; to all, if nowhere in particular.
pub type Outgoing = (Option<SocketAddr>, Vec<u8>);

impl Neighbours {
    /// `boot` tells this monotonic clock from one that begins anew.
    pub fn new(own: SpeakerId, boot: u64, key: NeighbourKey) -> Self {
        Self {
            own,
            boot,
            key,
            known: None,
            class: UNKNOWING,
            others: BTreeMap::new(),
            leader: None,
            sequence: 0,
            next_beacon_mono_ns: 0,
            answers: (0, 0),
        }
    }

    /// What this board knows of the time by itself, without its neighbours.
    pub fn know(&mut self, known: Option<Known>) {
        self.class = known.map_or(UNKNOWING, |known| class_of(known.error_ns, self.class));
        self.known = known;
    }

    /// Takes a packet; gives the answer to it.
    pub fn heard(&mut self, now_mono_ns: i64, from: SocketAddr, bytes: &[u8]) -> Option<Outgoing> {
        match Packet::open(bytes, &self.key)? {
            Packet::Beacon { speaker, .. } if speaker == self.own => None,
            Packet::Beacon { speaker, class } => {
                if self.others.len() < OTHERS || self.others.contains_key(&speaker) {
                    self.others.insert(speaker, Other { class, address: from, heard_mono_ns: now_mono_ns });
                }
                None
            }
            Packet::Probe { speaker, to, sequence, sent_mono_ns } if to == self.own => {
                let known = self.known?;
                if now_mono_ns - self.answers.0 > SECOND_NS {
                    self.answers = (now_mono_ns, 0);
                }
                self.answers.1 += 1;
                if self.answers.1 > ANSWERS_A_SECOND {
                    return None;
                }
                let answer = Packet::Answer {
                    speaker: self.own.clone(),
                    to: speaker,
                    sequence,
                    sent_mono_ns,
                    boot: self.boot,
                    arrived_mono_ns: now_mono_ns,
                    answered_mono_ns: now_mono_ns,
                    known,
                };
                Some((Some(from), answer.seal(&self.key)))
            }
            Packet::Answer { speaker, to, sequence, sent_mono_ns, boot, arrived_mono_ns, answered_mono_ns, known }
                if to == self.own =>
            {
                let leader = self.leader.as_mut().filter(|leader| leader.speaker == speaker)?;
                let asked = leader.probes.iter().position(|probe| *probe == (sequence, sent_mono_ns))?;
                leader.probes.remove(asked);
                if boot != leader.boot {
                    (leader.boot, leader.clock, leader.answers) = (boot, Clock::default(), 0);
                }
                let answer = ClockAnswer {
                    sequence,
                    sent_mono_ns,
                    arrived_unix_ns: arrived_mono_ns,
                    answered_unix_ns: answered_mono_ns,
                };
                if known.rate.is_finite() && leader.clock.learn(&answer, now_mono_ns) {
                    leader.known = Some(known);
                    leader.answers = leader.answers.saturating_add(1);
                    leader.answered_mono_ns = now_mono_ns;
                }
                None
            }
            Packet::Probe { .. } | Packet::Answer { .. } => None,
        }
    }

    /// What is due now.
    pub fn turn(&mut self, now_mono_ns: i64) -> Vec<Outgoing> {
        let mut outgoing = vec![];
        if now_mono_ns >= self.next_beacon_mono_ns {
            self.next_beacon_mono_ns = now_mono_ns + BEACON_NS;
            let beacon = Packet::Beacon { speaker: self.own.clone(), class: self.class };
            outgoing.push((None, beacon.seal(&self.key)));
        }
        self.others.retain(|_, other| now_mono_ns - other.heard_mono_ns < GONE_NS);
        self.choose(now_mono_ns);
        let Some(leader) = self.leader.as_mut() else { return outgoing };
        let Some(other) = self.others.get(&leader.speaker) else { return outgoing };
        if now_mono_ns >= leader.next_probe_mono_ns {
            leader.next_probe_mono_ns = now_mono_ns + if leader.answers < BURST { BURST_NS } else { PROBE_NS };
            self.sequence = self.sequence.wrapping_add(1);
            if leader.probes.len() == PROBES_OPEN {
                leader.probes.remove(0);
            }
            leader.probes.push((self.sequence, now_mono_ns));
            let probe = Packet::Probe {
                speaker: self.own.clone(),
                to: leader.speaker.clone(),
                sequence: self.sequence,
                sent_mono_ns: now_mono_ns,
            };
            outgoing.push((Some(other.address), probe.seal(&self.key)));
        }
        outgoing
    }

    /// The leader is the first by name of those that know the time best. Who follows nobody is a leader, or alone.
    fn choose(&mut self, now_mono_ns: i64) {
        let others = self.others.iter().map(|(speaker, other)| (other.class, speaker));
        let best = others.chain([(self.class, &self.own)]).filter(|(class, _)| *class < UNKNOWING).min();
        let best = best.map(|(_, speaker)| speaker).filter(|speaker| **speaker != self.own).cloned();
        if self.leader.as_ref().map(|leader| &leader.speaker) == best.as_ref() {
            return;
        }
        self.leader = best.map(|speaker| Leader {
            speaker,
            boot: 0,
            clock: Clock::default(),
            known: None,
            answers: 0,
            answered_mono_ns: 0,
            probes: vec![],
            next_probe_mono_ns: now_mono_ns,
        });
    }

    pub fn is_alone(&self) -> bool {
        self.others.is_empty()
    }

    /// What to go by instead of one's own knowledge, if there is a leader whose clock is known.
    pub fn reference(&self, now_mono_ns: i64) -> Option<Reference> {
        let leader = self.leader.as_ref()?;
        let known = leader.known?;
        if leader.answers < ANSWERS || now_mono_ns - leader.answered_mono_ns > FRESH_NS {
            return None;
        }
        let theirs = leader.clock.estimate(now_mono_ns)?;
        let since_ns = now_mono_ns.saturating_add(theirs.offset_ns).saturating_sub(known.at_mono_ns);
        let moved_ns = (since_ns as f64 * known.rate) as i64;
        Some(Reference {
            speaker: leader.speaker.clone(),
            offset_ns: theirs.offset_ns.saturating_add(known.offset_ns).saturating_add(moved_ns),
            at_mono_ns: now_mono_ns,
            rate: known.rate + theirs.rate,
            error_ns: known.error_ns.saturating_add(theirs.error_ns),
        })
    }
}

/// How well the time is known, 0 the best; from a class it is left only well beyond its ends, so that leaders do not change all the time.
fn class_of(error_ns: i64, before: u8) -> u8 {
    let end_ns = |class: u8| FIRST_CLASS_NS.saturating_mul(1 << (3 * u32::from(class)));
    let stays =
        before < UNKNOWING && error_ns < 2 * end_ns(before) && (before == 0 || error_ns > end_ns(before - 1) / 2);
    if stays { before } else { (0..UNKNOWING - 1).find(|class| error_ns < end_ns(*class)).unwrap_or(UNKNOWING - 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Boards on one network whose monotonic clocks begin anywhere and run at rates of their own.
    struct Lan {
        boards: Vec<(Neighbours, i64, f64)>,
        random: u64,
        /// The longest that a packet takes.
        delay_ns: i64,
    }

    impl Lan {
        fn new(names: &[&str], delay_ns: i64) -> Self {
            let key = NeighbourKey([7; 32]);
            let board = |(n, name): (usize, &&str)| {
                let neighbours = Neighbours::new(name.parse().unwrap(), n as u64, key.clone());
                (neighbours, n as i64 * 1_000 * SECOND_NS, (n as f64 - 1.0) * 80e-6)
            };
            Self { boards: names.iter().enumerate().map(board).collect(), random: 5, delay_ns }
        }

        fn mono_ns(&self, board: usize, at_ns: i64) -> i64 {
            let (_, base_ns, rate) = &self.boards[board];
            base_ns + at_ns + (at_ns as f64 * rate) as i64
        }

        fn delay(&mut self) -> i64 {
            self.random = self.random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            100_000 + (self.random >> 33) as i64 % self.delay_ns
        }

        fn address(board: usize) -> SocketAddr {
            SocketAddr::from(([10, 0, 0, board as u8], 7688))
        }

        fn run(&mut self, from_ns: i64, until_ns: i64) {
            for at_ns in (from_ns..until_ns).step_by(10_000_000) {
                for board in 0..self.boards.len() {
                    let mono_ns = self.mono_ns(board, at_ns);
                    for (to, bytes) in self.boards[board].0.turn(mono_ns) {
                        let to = to.map(|to| (0..self.boards.len()).find(|n| Self::address(*n) == to).unwrap());
                        self.carry(board, to, at_ns, &bytes);
                    }
                }
            }
        }

        fn carry(&mut self, from: usize, to: Option<usize>, at_ns: i64, bytes: &[u8]) {
            for other in (0..self.boards.len()).filter(|n| to.is_none_or(|to| to == *n) && *n != from) {
                let there_ns = at_ns + self.delay();
                let mono_ns = self.mono_ns(other, there_ns);
                let answer = self.boards[other].0.heard(mono_ns, Self::address(from), bytes);
                if let Some((Some(to), bytes)) = answer {
                    let back_ns = there_ns + self.delay();
                    let mono_ns = self.mono_ns(from, back_ns);
                    assert_eq!(to, Self::address(from));
                    assert!(self.boards[from].0.heard(mono_ns, Self::address(other), &bytes).is_none());
                }
            }
        }

        /// What a board goes by, as the true time that it takes it for; true Unix time is `at_ns`.
        fn goes_by(&self, board: usize, at_ns: i64) -> Option<i64> {
            let mono_ns = self.mono_ns(board, at_ns);
            self.boards[board].0.reference(mono_ns).map(|reference| mono_ns + reference.offset_ns)
        }

        /// Lets a board know the time, wrong by `wrong_ns`.
        fn know(&mut self, board: usize, at_ns: i64, wrong_ns: i64, error_ns: i64) {
            let mono_ns = self.mono_ns(board, at_ns);
            let rate = -self.boards[board].2;
            let known = Known { offset_ns: at_ns + wrong_ns - mono_ns, at_mono_ns: mono_ns, rate, error_ns };
            self.boards[board].0.know(Some(known));
        }
    }

    #[test]
    fn all_follow_the_one_that_knows_best_to_a_fraction_of_a_millisecond() {
        let mut lan = Lan::new(&["a", "b", "c"], 2_000_000);
        lan.know(0, 0, 30_000_000, 100_000_000);
        lan.know(1, 0, -3_000_000, 10_000_000);
        lan.know(2, 0, 20_000_000, 100_000_000);
        lan.run(0, 120 * SECOND_NS);
        let at_ns = 120 * SECOND_NS;
        assert_eq!(lan.goes_by(1, at_ns), None, "the leader goes by itself");
        for board in [0, 2] {
            let off_ns = lan.goes_by(board, at_ns).unwrap() - (at_ns - 3_000_000);
            assert!(off_ns.abs() < 300_000, "board {board}: {off_ns} ns");
        }
    }

    #[test]
    fn a_leader_that_falls_silent_is_replaced_and_a_board_alone_goes_by_itself() {
        let mut lan = Lan::new(&["a", "b", "c"], 1_000_000);
        (0..3).for_each(|n| lan.know(n, 0, 0, 5_000_000));
        lan.run(0, 10 * SECOND_NS);
        assert!(lan.goes_by(0, 10 * SECOND_NS).is_none() && lan.goes_by(2, 10 * SECOND_NS).is_some());
        let b = |lan: &Lan, at_ns| lan.boards[1].0.reference(lan.mono_ns(1, at_ns)).map(|one| one.speaker.to_string());
        assert_eq!(b(&lan, 10 * SECOND_NS).as_deref(), Some("a"));
        // "a" loses the time: "b" leads. Then "b" is all alone.
        lan.boards[0].0.know(None);
        lan.run(10 * SECOND_NS, 30 * SECOND_NS);
        assert_eq!(b(&lan, 30 * SECOND_NS), None);
        let c = lan.boards[2].0.reference(lan.mono_ns(2, 30 * SECOND_NS)).unwrap();
        assert_eq!(c.speaker.as_str(), "b");
        lan.boards.truncate(2);
        lan.boards.remove(0);
        lan.run(30 * SECOND_NS, 60 * SECOND_NS);
        assert!(lan.boards[0].0.reference(lan.mono_ns(0, 60 * SECOND_NS)).is_none());
    }

    #[test]
    fn a_class_is_left_only_well_beyond_its_ends() {
        assert_eq!((class_of(1_000_000, UNKNOWING), class_of(3_000_000, UNKNOWING)), (0, 1));
        assert_eq!((class_of(3_000_000, 0), class_of(5_000_000, 0)), (0, 1));
        assert_eq!((class_of(1_500_000, 1), class_of(900_000, 1)), (1, 0));
        assert_eq!(class_of(i64::MAX / 4, UNKNOWING), UNKNOWING - 1);
    }
}
