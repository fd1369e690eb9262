//! Two weeks in milliseconds: the engine with a clock of our own and a player that does what it is told.

mod commands;
mod jumps;
mod lawful;
mod states;

use crate::controller::clock::Bound;
use crate::controller::engine::{Effect, Engine, Event, Limits, Now};
use crate::controller::player::{PlayerEvent, Session, Summary};
use crate::controller::store::{Contents, Play};
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
    Limits { max_clock_error_ns: 150_000_000_000, volume_db: 0.0, quota_bytes: 1 << 30, version: "test".into() }
}

fn occurrence(name: &str, start_ms: i64) -> PlannedOccurrence {
    let item = PlannedItem {
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

#[test]
fn fourteen_days_without_a_network_play_every_occurrence_once() {
    let mut board = Board::new();
    board.whole = true;
    let starts: Vec<i64> = (0..14 * 6).map(|n| T0_MS + 3_600_000 + n * 4 * 3_600_000).collect();
    board.offer(plan(1, T0_MS, starts.iter().map(|start| occurrence("s", *start)).collect()));
    // Every day the power fails once.
    for _ in 0..14 {
        board.pass(DAY_MS / 2, 500);
        board.restart();
        board.pass(DAY_MS / 2, 500);
    }
    assert_eq!(board.begun.len(), starts.len());
    for start_ms in starts {
        assert_eq!(board.outcome("s", start_ms), (Outcome::Played, None));
    }
}

#[test]
fn without_a_clock_nothing_begins_and_the_reason_is_told_when_it_is_back() {
    let mut board = Board::new();
    board.whole = true;
    board.clock = false;
    board.restart();
    board.offer(plan(1, T0_MS, vec![occurrence("s", T0_MS + 60_000), occurrence("s", T0_MS + 300_000)]));
    board.pass(120_000, 100);
    assert!(board.begun.is_empty() && board.plays.is_empty());
    board.clock = true;
    board.pass(300_000, 100);
    assert_eq!(board.outcome("s", T0_MS + 60_000), (Outcome::Missed, Some(Reason::ClockUntrusted)));
    assert_eq!(board.outcome("s", T0_MS + 300_000), (Outcome::Played, None));
}

#[test]
fn power_that_was_off_is_told_apart_from_content_that_was_not_there() {
    let mut board = Board::new();
    board.offer(plan(1, T0_MS, vec![occurrence("s", T0_MS + 60_000), occurrence("s", T0_MS + 600_000)]));
    board.pass(90_000, 100);
    assert_eq!(board.outcome("s", T0_MS + 60_000), (Outcome::Missed, Some(Reason::ContentMissing)));
    board.whole = true;
    board.now_ms = T0_MS + 700_000;
    board.restart();
    board.pass(1_000, 100);
    assert_eq!(board.outcome("s", T0_MS + 600_000), (Outcome::Missed, Some(Reason::PoweredOff)));
    assert!(board.begun.is_empty());
}

#[test]
fn a_play_cut_by_the_power_is_told_and_not_begun_again() {
    let mut board = Board::new();
    board.whole = true;
    board.player_works = false;
    let start_ms = T0_MS + 60_000;
    board.offer(plan(1, T0_MS, vec![occurrence("s", start_ms)]));
    board.pass(61_000, 100);
    let id = board.begun[0].clone();
    board.on(Event::Player(PlayerEvent::Sounding { occurrence: id, first_mono_ns: mono_ns(start_ms) }));
    board.pass(1_000, 100);
    board.restart();
    board.pass(20_000, 100);
    assert_eq!(board.outcome("s", start_ms), (Outcome::Partial, Some(Reason::Interrupted)));
    assert_eq!(board.begun.len(), 1);
}

#[test]
fn a_restart_just_before_the_start_still_plays() {
    let mut board = Board::new();
    board.whole = true;
    board.player_works = false;
    let start_ms = T0_MS + 60_000;
    board.offer(plan(1, T0_MS, vec![occurrence("s", start_ms)]));
    board.pass(58_500, 100);
    assert_eq!(board.begun.len(), 1, "it is prepared ahead");
    board.player_works = true;
    board.restart();
    board.pass(20_000, 100);
    assert_eq!(board.outcome("s", start_ms), (Outcome::Played, None));
}

#[test]
fn content_that_comes_during_the_slot_joins_in_step_and_counts_as_late() {
    let mut board = Board::new();
    let start_ms = T0_MS + 60_000;
    board.offer(plan(1, T0_MS, vec![occurrence("s", start_ms)]));
    board.on(Event::Connected);
    board.pass(64_000, 100);
    assert!(board.begun.is_empty());
    deliver(&mut board);
    board.pass(1_000, 100);
    assert_eq!(board.outcome("s", start_ms), (Outcome::Late, None));
}

fn deliver(board: &mut Board) {
    for (index, chunk) in MEDIA.chunks(65_536).enumerate() {
        let topic = topics::chunk(&anchor().site, &media_hash(MEDIA), index as u32);
        board.on(Event::Message { topic, payload: chunk.to_vec() });
    }
}

#[test]
fn wants_name_what_is_missing_are_repeated_and_end_when_all_is_here() {
    let mut board = Board::new();
    board.offer(plan(1, T0_MS, vec![occurrence("s", T0_MS + DAY_MS)]));
    board.on(Event::Connected);
    let wants: Vec<Want> = board.sent(Up::Want);
    assert_eq!(wants.len(), 1);
    assert_eq!(wants[0].missing.ones().collect::<Vec<_>>(), [0, 1, 2]);
    let topic = topics::chunk(&anchor().site, &media_hash(MEDIA), 1);
    board.on(Event::Message { topic: topic.clone(), payload: vec![8; 65_536] });
    board.on(Event::Message { topic, payload: MEDIA[65_536..131_072].to_vec() });
    board.pass(6_000, 100);
    let wants: Vec<Want> = board.sent(Up::Want);
    assert_eq!(wants.last().unwrap().missing.ones().collect::<Vec<_>>(), [0, 2], "the forged chunk did not count");
    // After a restart what is on the disk is not asked for again.
    board.restart();
    let effects = board.engine.on(now(board.now_ms, true), Event::Connected);
    // Nor listened for: what goes out may be for others.
    let chunk = |index| Effect::Subscribe(topics::chunk(&anchor().site, &media_hash(MEDIA), index));
    assert!([0, 2].into_iter().all(|index| effects.contains(&chunk(index))), "{effects:?}");
    assert!(!effects.contains(&chunk(1)));
    board.perform(effects);
    let wants: Vec<Want> = board.sent(Up::Want);
    assert_eq!(wants.last().unwrap().missing.ones().collect::<Vec<_>>(), [0, 2]);
    deliver(&mut board);
    let before = board.sent::<Want>(Up::Want).len();
    board.pass(200_000, 500);
    assert_eq!(board.sent::<Want>(Up::Want).len(), before);
}

#[test]
fn a_disk_that_keeps_nothing_does_not_mean_an_endless_download() {
    let mut board = Board::new();
    board.offer(plan(1, T0_MS, vec![occurrence("s", T0_MS + DAY_MS)]));
    board.on(Event::Connected);
    let mut wanted = 0;
    // The center answers every want; what has arrived whole turns out not to be kept.
    for _ in 0..3600 {
        board.pass(1_000, 1_000);
        let wants = board.sent::<Want>(Up::Want).len();
        if wants > wanted {
            wanted = wants;
            deliver(&mut board);
            board.on(Event::MediaChecked { media: media_hash(MEDIA), good: false });
        }
    }
    assert!(wanted <= 8, "{wanted} downloads in an hour");
}

#[test]
fn records_are_sent_until_they_are_acknowledged_over_restarts_too() {
    let mut board = Board::new();
    board.whole = true;
    let start_ms = T0_MS + 10_000;
    board.offer(plan(1, T0_MS, vec![occurrence("s", start_ms)]));
    board.pass(30_000, 100);
    board.restart();
    board.on(Event::Connected);
    board.pass(25_000, 100);
    let reports: Vec<Report> = board.sent(Up::Report);
    assert!(reports.len() >= 3, "{}", reports.len());
    let occurrences = vec![reports[0].records[0].occurrence.clone()];
    board.on(Event::Message { topic: down(Down::Ack), payload: message::bytes(&Ack { occurrences }) });
    board.restart();
    board.on(Event::Connected);
    board.pass(60_000, 100);
    assert_eq!(board.sent::<Report>(Up::Report).len(), reports.len());
    assert_eq!(board.outcome("s", start_ms).0, Outcome::Played, "still remembered, so that it is never played again");
}

#[test]
fn a_newer_plan_replaces_and_a_lower_number_is_refused_even_after_a_restart() {
    let mut board = Board::new();
    board.whole = true;
    let old = plan(1, T0_MS, vec![occurrence("old", T0_MS + 60_000)]);
    board.offer(old.clone());
    board.offer(plan(2, T0_MS + 1_000, vec![occurrence("new", T0_MS + 60_000)]));
    board.restart();
    board.offer(old);
    board.pass(80_000, 100);
    assert_eq!(board.outcome("new", T0_MS + 60_000), (Outcome::Played, None));
    assert_eq!(board.plays.len(), 1);
}

#[test]
fn a_new_plan_leaves_what_is_on_the_air_alone_if_it_still_stands() {
    let mut board = Board::new();
    board.whole = true;
    board.player_works = false;
    let start_ms = T0_MS + 60_000;
    let on_air = occurrence("s", start_ms);
    board.offer(plan(1, T0_MS, vec![on_air.clone()]));
    board.pass(62_000, 100);
    board.offer(plan(2, T0_MS + 62_000, vec![on_air, occurrence("s", T0_MS + 200_000)]));
    board.pass(1_000, 100);
    assert_eq!(board.begun.len(), 1);
    let id = board.begun[0].clone();
    board.finish(id, mono_ns(start_ms), 480_000);
    assert_eq!(board.outcome("s", start_ms), (Outcome::Played, None));
}

#[test]
fn an_edit_during_the_play_is_for_the_next_time() {
    let mut board = Board::new();
    board.whole = true;
    board.player_works = false;
    let start_ms = T0_MS + 60_000;
    let on_air = occurrence("s", start_ms);
    board.offer(plan(1, T0_MS, vec![on_air.clone()]));
    board.pass(62_000, 100);
    let mut edited = on_air;
    edited.items[0].revision = 2;
    edited.volume_db = -10.0;
    let payload = plan(2, T0_MS + 62_000, vec![edited]);
    let effects = board.engine.on(now(board.now_ms, true), Event::Message { topic: down(Down::Plan), payload });
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Stop(_))));
}

#[test]
fn slots_back_to_back_are_both_ready_before_they_start() {
    let mut board = Board::new();
    board.whole = true;
    board.player_works = false;
    let (first_ms, second_ms) = (T0_MS + 60_000, T0_MS + 70_000);
    board.offer(plan(1, T0_MS, vec![occurrence("a", first_ms), occurrence("b", second_ms)]));
    board.pass(69_000, 100);
    assert_eq!(board.begun.len(), 2, "the second waits in the player while the first sounds");
    for (id, start_ms) in board.begun.clone().into_iter().zip([first_ms, second_ms]) {
        board.finish(id, mono_ns(start_ms), 480_000);
    }
    assert_eq!(board.outcome("a", first_ms), (Outcome::Played, None));
    assert_eq!(board.outcome("b", second_ms), (Outcome::Played, None));
}

#[test]
fn a_device_that_hangs_does_not_hold_the_air_for_ever() {
    let mut board = Board::new();
    board.whole = true;
    board.player_works = false;
    let (first_ms, second_ms) = (T0_MS + 60_000, T0_MS + 120_000);
    board.offer(plan(1, T0_MS, vec![occurrence("s", first_ms), occurrence("s", second_ms)]));
    board.pass(61_000, 100);
    let id = board.begun[0].clone();
    board.on(Event::Player(PlayerEvent::Sounding { occurrence: id, first_mono_ns: mono_ns(first_ms) }));
    board.pass(30_000, 100);
    assert_eq!(board.outcome("s", first_ms), (Outcome::Partial, Some(Reason::OutputFailed)));
    board.player_works = true;
    board.pass(60_000, 100);
    assert_eq!(board.outcome("s", second_ms), (Outcome::Played, None));
}

#[test]
fn a_plan_lost_between_two_writes_is_taken_again() {
    let mut board = Board::new();
    board.whole = true;
    let bytes = plan(3, T0_MS, vec![occurrence("s", T0_MS + 60_000)]);
    board.offer(bytes.clone());
    board.plan = None;
    board.restart();
    board.offer(plan(2, T0_MS, vec![]));
    board.offer(bytes);
    board.pass(80_000, 100);
    assert_eq!(board.outcome("s", T0_MS + 60_000), (Outcome::Played, None));
}

#[test]
fn what_was_over_when_a_new_plan_was_made_is_still_accounted_for() {
    let mut board = Board::new();
    board.clock = false;
    board.restart();
    board.offer(plan(1, T0_MS, vec![occurrence("s", T0_MS + 60_000)]));
    board.pass(80_000, 100);
    board.offer(plan(2, T0_MS + 79_000, vec![]));
    board.clock = true;
    board.pass(1_000, 100);
    assert_eq!(board.outcome("s", T0_MS + 60_000), (Outcome::Missed, Some(Reason::ClockUntrusted)));
}

#[test]
fn what_is_withdrawn_is_stopped_before_its_start_and_on_the_air() {
    for (after_ms, heard, expected) in [(58_500, 0, Outcome::Missed), (63_000, 144_000, Outcome::Partial)] {
        let mut board = Board::new();
        board.whole = true;
        board.player_works = false;
        let start_ms = T0_MS + 60_000;
        board.offer(plan(1, T0_MS, vec![occurrence("s", start_ms)]));
        board.pass(after_ms, 100);
        let id = board.begun[0].clone();
        if heard > 0 {
            board.on(Event::Player(PlayerEvent::Sounding { occurrence: id.clone(), first_mono_ns: mono_ns(start_ms) }));
        }
        let payload = plan(2, T0_MS + after_ms, vec![]);
        let effects = board.engine.on(now(board.now_ms, true), Event::Message { topic: down(Down::Plan), payload });
        assert!(effects.contains(&Effect::Stop(id.clone())));
        board.perform(effects);
        let summary = Summary { stopped: true, heard_frames: heard, wanted_frames: 480_000, ..Summary::default() };
        board.on(Event::Player(PlayerEvent::Finished { occurrence: id, summary }));
        assert_eq!(board.outcome("s", start_ms), (expected, Some(Reason::Withdrawn)));
    }
}

#[test]
fn birth_numbers_rise_over_connections_and_restarts() {
    let mut board = Board::new();
    let mut births = vec![];
    for _ in 0..3 {
        for _ in 0..2 {
            births.push(board.engine.next_birth());
            board.on(Event::Connected);
            board.on(Event::Disconnected);
        }
        board.restart();
    }
    assert!(births.windows(2).all(|pair| pair[0] < pair[1]), "{births:?}");
}

#[test]
fn hostile_messages_change_nothing() {
    let mut board = Board::new();
    let other: SpeakerId = "b".parse().unwrap();
    let topics = [
        down(Down::Plan),
        down(Down::Ack),
        down(Down::Time),
        topics::down(&anchor().site, &other, Down::Plan),
        topics::chunk(&anchor().site, &media_hash(MEDIA), u32::MAX),
        "loaxa/1/mau/nonsense".into(),
    ];
    let payloads: [&[u8]; 6] = [
        b"",
        b"null",
        b"{\"occurrences\":[\"../../etc@1\"]}",
        br#"{"sequence":1,"sent_mono_ns":-9223372036854775808,"arrived_unix_ns":9223372036854775807,"answered_unix_ns":-9223372036854775808}"#,
        br#"{"sequence":1,"sent_mono_ns":9223372036854775807,"arrived_unix_ns":-9223372036854775808,"answered_unix_ns":9223372036854775807}"#,
        &[0xff; 70_000],
    ];
    for topic in &topics {
        for payload in payloads {
            board.on(Event::Message { topic: topic.clone(), payload: payload.to_vec() });
        }
    }
    board.pass(1_000, 100);
    assert!(board.plays.is_empty() && board.plan.is_none());
}
