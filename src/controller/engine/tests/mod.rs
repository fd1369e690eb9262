//! Two weeks in milliseconds: the engine with a clock of our own and a player that does what it is told.

mod commands;
mod jumps;
mod lawful;
mod plays;
mod states;
mod wear;

use crate::controller::clock::Bound;
use crate::controller::engine::{Effect, Engine, Event, Limits, Now};
use crate::controller::player::{PlayerEvent, Session, Summary};
use crate::controller::store::{Contents, Play};
use crate::controller::volume::VolumeProfile;
use crate::domain::DAY_MS;
use crate::domain::approval::{Approval, Certificate, Role, Ticket};
use crate::domain::hours::HoursStatement;
use crate::domain::ids::{OccurrenceId, SpeakerId};
use crate::domain::plan::{Plan, PlannedItem, PlannedOccurrence};
use crate::domain::priority::Priority;
use crate::domain::record::{Outcome, Reason};
use crate::domain::trust::TrustList;
use crate::protocol::chunks::{Bitmap, describe};
use crate::protocol::envelope::Envelope;
use crate::protocol::keys::{SigningKey, key_id, media_hash};
use crate::protocol::message::{self, Ack, ClockAnswer, ClockProbe, Report, Want};
use crate::protocol::topics::{self, Down, Up};
use crate::protocol::trust::{Anchor, Ratchet, SignedPlan};

const T0_MS: i64 = 1_795_000_000_000;
const MEDIA: &[u8] = &[7; 150_000];

/// A session in a player that takes as long as sound takes.
struct OnAir {
    session: Session,
    start_ms: i64,
    heard_from_ms: i64,
    end_ms: i64,
    sounds: bool,
}

/// A board: the engine, its disk, and a player that reports as told.
struct Board {
    engine: Engine,
    now_ms: i64,
    clock: bool,
    /// How far the system clock, while it is trusted, is off.
    skew_ms: i64,
    plays: std::collections::BTreeMap<OccurrenceId, Play>,
    plan: Option<Vec<u8>>,
    /// What of the media is on the disk.
    whole: bool,
    chunks: Bitmap,
    starts: u64,
    ratchet: Ratchet,
    begun: Vec<OccurrenceId>,
    sent: Vec<(String, Vec<u8>)>,
    /// Whether the player finishes what it is given.
    player_works: bool,
    /// Sessions take their time and obey, instead of being over as they begin.
    paced: bool,
    air: Vec<OnAir>,
}

fn anchor() -> Anchor {
    Anchor {
        site: "mau".parse().unwrap(),
        speaker: "a".parse().unwrap(),
        areas: vec!["66".parse().unwrap()],
        authority: key(1).public(),
        hours: Default::default(),
        trust: 0,
    }
}

fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32])
}

fn limits() -> Limits {
    Limits {
        max_clock_error_ns: 150_000_000_000,
        volume: VolumeProfile::default(),
        quota_bytes: 1 << 30,
        version: "test".into(),
    }
}

fn occurrence(name: &str, start_ms: i64) -> PlannedOccurrence {
    let item = PlannedItem {
        beneath: false,
        bulletin: "b".parse().unwrap(),
        revision: 1,
        media: media_hash(MEDIA),
        at_ms: 0,
        skip_ms: 0,
        duration_ms: 10_000,
        gain_db: 0.0,
        fade_in: false,
        fade_out: false,
    };
    PlannedOccurrence {
        id: OccurrenceId::new(&name.parse().unwrap(), start_ms),
        title: name.into(),
        start_ms,
        end_ms: start_ms + 10_000,
        priority: Priority::Normal,
        volume_db: 0.0,
        items: vec![item],
    }
}

/// Lawful hours of the board's area.
fn hours(version: u64, from: &str, to: &str) -> HoursStatement {
    HoursStatement {
        site: "mau".parse().unwrap(),
        area: "66".parse().unwrap(),
        version,
        time_zone: "Asia/Ho_Chi_Minh".into(),
        windows: vec![(from.into(), to.into())],
        max_session_s: None,
        max_day_s: None,
        made_ms: 0,
    }
}

/// A plan made at `made_ms`, which speaks from a day before, where sound is always lawful.
fn plan(number: u64, made_ms: i64, occurrences: Vec<PlannedOccurrence>) -> Vec<u8> {
    plan_with(number, made_ms, occurrences, &[hours(1, "00:00", "24:00")])
}

fn plan_with(number: u64, made_ms: i64, occurrences: Vec<PlannedOccurrence>, hours: &[HoursStatement]) -> Vec<u8> {
    let certificate = |n: u8, role| Certificate {
        site: "mau".parse().unwrap(),
        role,
        title: "x".into(),
        key: key(n).public(),
        areas: vec!["66".parse().unwrap()],
        highest: Priority::Priority,
        valid_from_ms: 0,
        valid_until_ms: i64::MAX,
    };
    let approval = Approval {
        site: "mau".parse().unwrap(),
        bulletin: "b".parse().unwrap(),
        revision: 1,
        title: "b".into(),
        media: media_hash(MEDIA),
        areas: vec!["66".parse().unwrap()],
        highest: Priority::Normal,
        valid_from_ms: 0,
        valid_until_ms: i64::MAX,
        made_ms: 1,
        approver: key_id(&key(3).public()),
    };
    let plan = Plan {
        site: "mau".parse().unwrap(),
        speaker: "a".parse().unwrap(),
        number,
        made_ms,
        from_ms: made_ms - DAY_MS,
        until_ms: made_ms + 14 * DAY_MS,
        media: vec![describe(media_hash(MEDIA), MEDIA)],
        occurrences,
        neighbours: None,
    };
    let signed = SignedPlan {
        plan: Envelope::sign(&plan, &key(2)).unwrap(),
        certificates: vec![
            Envelope::sign(&certificate(2, Role::Dispatcher), &key(1)).unwrap(),
            Envelope::sign(&certificate(3, Role::Approver), &key(1)).unwrap(),
        ],
        approvals: vec![Envelope::sign(&approval, &key(3)).unwrap()],
        hours: hours.iter().map(|hours| Envelope::sign(hours, &key(1)).unwrap()).collect(),
        tickets: vec![],
        trust: None,
        successions: vec![],
    };
    serde_json::to_vec(&signed).unwrap()
}

fn down(kind: Down) -> String {
    topics::down(&anchor().site, &anchor().speaker, kind)
}

impl Board {
    fn new() -> Self {
        let mut board = Self {
            engine: Engine::new(anchor(), limits(), Contents::default(), now(T0_MS, true)).0,
            now_ms: T0_MS,
            clock: true,
            skew_ms: 0,
            plays: Default::default(),
            plan: None,
            whole: false,
            chunks: Bitmap::with_len(describe(media_hash(MEDIA), MEDIA).chunks.len()),
            starts: 0,
            ratchet: Ratchet::default(),
            begun: vec![],
            sent: vec![],
            player_works: true,
            paced: false,
            air: vec![],
        };
        board.restart();
        board
    }

    /// The power goes and comes back.
    fn restart(&mut self) {
        self.starts += 1;
        let mut contents = Contents { plan: self.plan.clone(), plays: self.plays.clone(), ..Contents::default() };
        contents.counters.starts = self.starts;
        contents.counters.ratchet = self.ratchet.clone();
        let (engine, effects) = Engine::new(anchor(), limits(), contents, now(self.now_ms, self.clock));
        self.engine = engine;
        self.perform(effects);
    }

    fn on(&mut self, event: Event) {
        let mut now = now(self.now_ms, self.clock);
        let skewed = |system: Bound| Bound {
            low_ns: system.low_ns + self.skew_ms * 1_000_000,
            high_ns: system.high_ns + self.skew_ms * 1_000_000,
            ..system
        };
        now.system = now.system.map(skewed);
        let effects = self.engine.on(now, event);
        self.perform(effects);
    }

    fn offer(&mut self, plan: Vec<u8>) {
        self.on(Event::Message { topic: down(Down::Plan), payload: plan });
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::SavePlan { bytes, counters } => (self.plan, self.ratchet) = (Some(bytes), counters.ratchet),
                Effect::SaveCounters(counters) => self.ratchet = counters.ratchet,
                Effect::SavePlay(play) => {
                    self.plays.insert(play.record.occurrence.clone(), *play);
                }
                Effect::DropPlay(id) => {
                    self.plays.remove(&id);
                }
                Effect::FindMedia(media) => {
                    let (whole, present) = (self.whole, self.chunks.clone());
                    self.on(Event::MediaFound { media: media.hash, whole, present });
                }
                Effect::WriteChunk { offset, .. } => self.chunks.set(offset as usize / 65_536),
                Effect::FinishMedia(media) => {
                    self.whole = true;
                    self.on(Event::MediaChecked { media: media.hash, good: true });
                }
                Effect::CheckMedia(media) => self.on(Event::MediaChecked { media, good: self.whole }),
                Effect::Play(session) if self.paced => {
                    self.begun.push(session.occurrence.clone());
                    let start_ms = session.start_mono_ns / 1_000_000 + T0_MS - 1_000_000;
                    let end_ms = start_ms + session.frames as i64 / 48;
                    // Whoever is late joins.
                    let heard_from_ms = start_ms.max(self.now_ms);
                    self.air.push(OnAir { session, start_ms, heard_from_ms, end_ms, sounds: false });
                }
                Effect::Trim { occurrence, ms } => {
                    let on = self.air.iter_mut().filter(|on| on.session.occurrence == occurrence);
                    on.for_each(|on| on.end_ms = on.end_ms.min(on.start_ms + ms));
                }
                Effect::Stop(occurrence) => {
                    let on = self.air.iter_mut().filter(|on| on.session.occurrence == occurrence);
                    on.for_each(|on| on.end_ms = on.end_ms.min(self.now_ms));
                }
                Effect::Play(session) => {
                    self.begun.push(session.occurrence.clone());
                    if self.player_works {
                        let first_mono_ns = session.start_mono_ns.max(mono_ns(self.now_ms));
                        self.finish(session.occurrence.clone(), first_mono_ns, session.content_frames());
                    }
                }
                Effect::Publish { topic, payload, .. } => self.sent.push((topic, payload)),
                _ => {}
            }
        }
    }

    fn finish(&mut self, occurrence: OccurrenceId, first_mono_ns: i64, frames: u64) {
        self.on(Event::Player(PlayerEvent::Sounding { occurrence: occurrence.clone(), first_mono_ns }));
        let summary = Summary {
            first_mono_ns: Some(first_mono_ns),
            heard_frames: frames,
            wanted_frames: frames,
            level_dbfs: -16.0,
            ..Summary::default()
        };
        self.on(Event::Player(PlayerEvent::Finished { occurrence, summary }));
    }

    /// What the paced player comes to by now.
    fn play_on(&mut self) {
        for mut on in std::mem::take(&mut self.air) {
            let (id, first_mono_ns) = (on.session.occurrence.clone(), mono_ns(on.heard_from_ms));
            if !on.sounds && on.heard_from_ms <= self.now_ms && on.end_ms > on.heard_from_ms {
                on.sounds = true;
                self.on(Event::Player(PlayerEvent::Sounding { occurrence: id.clone(), first_mono_ns }));
            }
            if on.end_ms > self.now_ms {
                self.air.push(on);
                continue;
            }
            let heard_frames = (on.end_ms - on.heard_from_ms).max(0) as u64 * 48;
            let summary = Summary {
                first_mono_ns: on.sounds.then_some(first_mono_ns),
                heard_frames,
                wanted_frames: heard_frames,
                stopped: on.end_ms < on.start_ms + on.session.frames as i64 / 48,
                ..Summary::default()
            };
            self.on(Event::Player(PlayerEvent::Finished { occurrence: id, summary }));
        }
    }

    /// Time passes, in steps.
    fn pass(&mut self, ms: i64, step_ms: i64) {
        let until_ms = self.now_ms + ms;
        while self.now_ms < until_ms {
            self.now_ms += step_ms;
            self.on(Event::Tick);
            self.play_on();
        }
    }

    fn outcome(&self, name: &str, start_ms: i64) -> (Outcome, Option<Reason>) {
        let id = OccurrenceId::new(&name.parse().unwrap(), start_ms);
        let play = self.plays.get(&id).unwrap_or_else(|| panic!("{id} has no account"));
        assert!(!play.begun, "{id} is still open");
        (play.record.outcome, play.record.reason)
    }

    fn sent<T: serde::de::DeserializeOwned>(&self, kind: Up) -> Vec<T> {
        let topic = topics::up(&anchor().site, &anchor().speaker, kind);
        self.sent.iter().filter(|(t, _)| *t == topic).map(|(_, payload)| message::parse(payload).unwrap()).collect()
    }
}

fn mono_ns(now_ms: i64) -> i64 {
    (now_ms - T0_MS + 1_000_000) * 1_000_000
}

fn now(now_ms: i64, clock: bool) -> Now {
    let mono_ns = mono_ns(now_ms);
    Now { mono_ns, system: clock.then(|| Bound::around(now_ms * 1_000_000 - mono_ns, 1_000_000, mono_ns)) }
}

fn deliver(board: &mut Board) {
    for (index, chunk) in MEDIA.chunks(65_536).enumerate() {
        let topic = topics::chunk(&anchor().site, &media_hash(MEDIA), index as u32);
        board.on(Event::Message { topic, payload: chunk.to_vec() });
    }
}

/// What a plan of the test's own kind becomes with other statements.
fn altered(payload: &[u8], alter: impl FnOnce(&mut SignedPlan)) -> Vec<u8> {
    let mut signed: SignedPlan = serde_json::from_slice(payload).unwrap();
    alter(&mut signed);
    serde_json::to_vec(&signed).unwrap()
}

/// The certificate, once more, up to emergencies.
fn for_emergencies(certificate: &Envelope) -> Envelope {
    let certificate = Certificate { highest: Priority::Emergency, ..certificate.peek().unwrap() };
    Envelope::sign(&certificate, &key(1)).unwrap()
}

/// What the chief (key 3) has signed: that the media may sound as an emergency, and a ticket for it.
struct Chief {
    certificate: Envelope,
    approval: Envelope,
    ticket: Envelope,
}

fn chief(signed: &SignedPlan) -> Chief {
    let approval = Approval { highest: Priority::Emergency, ..signed.approvals[0].peek().unwrap() };
    let ticket = Ticket {
        site: "mau".parse().unwrap(),
        ticket: "t1".parse().unwrap(),
        title: "x".into(),
        media: vec![media_hash(MEDIA)],
        areas: vec!["66".parse().unwrap()],
        valid_from_ms: T0_MS,
        valid_until_ms: T0_MS + 3_600_000,
        longest_ms: 60_000,
        made_ms: T0_MS,
        approver: key_id(&key(3).public()),
    };
    Chief {
        certificate: for_emergencies(&signed.certificates[1]),
        approval: Envelope::sign(&approval, &key(3)).unwrap(),
        ticket: Envelope::sign(&ticket, &key(3)).unwrap(),
    }
}
