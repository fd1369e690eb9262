//! What a day writes to the card: the real engine over the real store, a simulated day of the usual plan.

use std::sync::atomic::Ordering;

use super::*;
use crate::controller::store::Store;
use crate::controller::unsaved::{Performed, Unsaved};
use crate::protocol::chunks::describe;

/// An ordinary 8 GB card of three bits a cell: so often can it be written whole.
const CARD_BYTES: f64 = 8e9;
const CARD_CYCLES: f64 = 500.0;
/// What a card makes of one small write that has to be there at once: at worst it moves a whole erase block.
const ERASE_BLOCK_BYTES: f64 = 4.0 * 1024.0 * 1024.0;

struct Day {
    engine: Engine,
    store: Store,
    unsaved: Unsaved,
    now_ms: i64,
    /// The broker's answers, which come with the next turn.
    answers: Vec<Event>,
}

impl Day {
    fn on(&mut self, event: Event) {
        let mut now = now(self.now_ms, false);
        now.system = None;
        let mut effects: std::collections::VecDeque<_> = self.engine.on(now, event).into();
        while let Some(effect) = effects.pop_front() {
            match self.unsaved.perform(&self.store, effect, now.mono_ns) {
                Performed::Done => {}
                Performed::Answer(event) => effects.extend(self.engine.on(now, event)),
                Performed::NotMine(Effect::Play(session)) => {
                    let (occurrence, first_mono_ns) = (session.occurrence.clone(), session.start_mono_ns);
                    self.answers.push(Event::Player(PlayerEvent::Sounding { occurrence, first_mono_ns }));
                    let frames = session.content_frames();
                    let summary = Summary {
                        first_mono_ns: Some(first_mono_ns),
                        heard_frames: frames,
                        wanted_frames: frames,
                        level_dbfs: -16.0,
                        ..Summary::default()
                    };
                    self.answers.push(Event::Player(PlayerEvent::Finished { occurrence: session.occurrence, summary }));
                }
                Performed::NotMine(Effect::Publish { topic, payload, .. }) => self.published(&topic, &payload),
                Performed::NotMine(_) => {}
            }
        }
    }

    fn published(&mut self, topic: &str, payload: &[u8]) {
        let is = |kind| topic == topics::up(&anchor().site, &anchor().speaker, kind);
        if is(Up::Clock) {
            let probe: ClockProbe = message::parse(payload).unwrap();
            let at_ns = self.now_ms * 1_000_000;
            let answer = ClockAnswer {
                sequence: probe.sequence,
                sent_mono_ns: probe.sent_mono_ns,
                arrived_unix_ns: at_ns,
                answered_unix_ns: at_ns,
            };
            let signed = answer.sign(&anchor().site, &anchor().speaker, &key(2));
            self.answers.push(Event::Message { topic: down(Down::Time), payload: message::bytes(&signed) });
        } else if is(Up::Report) {
            let report: Report = message::parse(payload).unwrap();
            let ack = Ack { occurrences: report.records.into_iter().map(|record| record.occurrence).collect() };
            self.answers.push(Event::Message { topic: down(Down::Ack), payload: message::bytes(&ack) });
        }
    }

    fn pass(&mut self, ms: i64) {
        let until_ms = self.now_ms + ms;
        while self.now_ms < until_ms {
            self.now_ms += 1000;
            for event in std::mem::take(&mut self.answers) {
                self.on(event);
            }
            self.on(Event::Tick);
        }
    }
}

/// Bytes and syncs of a day with so many plays, once a first day has passed; one new bulletin and one new plan come in it.
fn a_day_of(plays: i64) -> (u64, u64) {
    let dir = tempfile::tempdir().unwrap();
    let (store, contents) = Store::open(dir.path(), "boot").unwrap();
    let (engine, effects) = Engine::new(anchor(), limits(), contents, now(T0_MS, false));
    assert!(effects.is_empty());
    let mut day = Day { engine, store, unsaved: Unsaved::default(), now_ms: T0_MS, answers: vec![] };
    day.on(Event::Connected);
    let spread =
        |from_ms: i64| (0..14 * plays).map(move |n| occurrence("s", from_ms + 1_800_000 + n * (DAY_MS / plays)));
    let offer = |day: &mut Day, number| {
        let payload = plan(number, day.now_ms, spread(day.now_ms).collect());
        day.on(Event::Message { topic: down(Down::Plan), payload });
    };
    offer(&mut day, 1);
    for (index, chunk) in MEDIA.chunks(65_536).enumerate() {
        let topic = topics::chunk(&anchor().site, &media_hash(MEDIA), index as u32);
        day.on(Event::Message { topic, payload: chunk.to_vec() });
    }
    day.pass(DAY_MS);
    let count = |day: &Day| {
        let written = day.store.written();
        (written.bytes.load(Ordering::Relaxed), written.syncs.load(Ordering::Relaxed))
    };
    let (before, files) = (count(&day), dir.path().join("plays").read_dir().unwrap().count() as i64);
    assert!((plays - 1..=plays + 1).contains(&files), "{files} of {plays} plays have an account");
    offer(&mut day, 2);
    day.pass(DAY_MS);
    // A minute of sound, as it would come: at 48 kbit/s.
    let bytes = vec![3; 360_000];
    let media = describe(media_hash(&bytes), &bytes);
    for (index, chunk) in bytes.chunks(media.chunk_bytes as usize).enumerate() {
        day.store.write_chunk(&media.hash, index as u64 * u64::from(media.chunk_bytes), chunk).unwrap();
    }
    assert!(day.store.finish_media(&media).unwrap());
    let after = count(&day);
    (after.0 - before.0, after.1 - before.1)
}

#[test]
fn a_day_wears_the_card_little() {
    println!("plays a day   bytes a day   syncs a day   years of an 8 GB card, at worst");
    for (plays, most_bytes, most_syncs) in [(6, 500_000, 70), (24, 600_000, 220)] {
        let (bytes, syncs) = a_day_of(plays);
        let years = CARD_BYTES * CARD_CYCLES / (bytes as f64 + syncs as f64 * ERASE_BLOCK_BYTES) / 365.0;
        println!("{plays:11} {bytes:13} {syncs:13} {years:8.0}");
        assert!(bytes <= most_bytes && syncs <= most_syncs, "{plays} plays write {bytes} bytes by {syncs} syncs");
        assert!(years > 5.0, "{years} years");
    }
}
