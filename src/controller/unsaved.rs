//! What could not be written, the newest of each, until there is room again.
//!
//! A full disk must neither stop the playing nor lose what was played: writes that failed are kept here and tried again, and the engine
//! hears when all of them are on the disk. Bounded by what there is: one plan, one clock, one file a play.

use std::collections::BTreeMap;
use std::io;

use tracing::warn;

use super::engine::{Effect, Event};
use super::store::Store;
use crate::domain::ids::{MediaHash, OccurrenceId};

const RETRY_NS: i64 = 10_000_000_000;

/// What came of an effect that was given to the store.
#[derive(Debug)]
pub enum Performed {
    Done,
    /// The engine is to hear of it.
    Answer(Event),
    /// It is not about what is kept.
    NotMine(Effect),
}

/// In the order in which they are tried: counters of an older plan must not come after a newer one's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Counters,
    Plan,
    Clock,
    Baseline,
    Play(OccurrenceId),
}

#[derive(Debug, Default)]
pub struct Unsaved {
    waiting: BTreeMap<Key, Effect>,
    /// What plan and commands need, once that is known; other media are there while nothing else wants their room.
    needed: Option<Vec<MediaHash>>,
    /// When to try again; absent while all is well.
    next_try_mono_ns: Option<i64>,
}

fn key(effect: &Effect) -> Option<Key> {
    match effect {
        Effect::SaveCounters(_) => Some(Key::Counters),
        Effect::SavePlan { .. } => Some(Key::Plan),
        Effect::SaveClock(_) => Some(Key::Clock),
        Effect::SaveBaseline(_) => Some(Key::Baseline),
        Effect::SavePlay(play) => Some(Key::Play(play.record.occurrence.clone())),
        Effect::DropPlay(occurrence) => Some(Key::Play(occurrence.clone())),
        _ => None,
    }
}

/// Writes what is to be kept; `None` if the effect is about something else.
fn save(store: &Store, effect: &Effect) -> Option<io::Result<()>> {
    Some(match effect {
        Effect::SaveCounters(counters) => store.save_counters(counters),
        Effect::SavePlan { bytes, counters } => store.save_plan(bytes, counters),
        Effect::SaveClock(bound) => store.save_clock(*bound),
        Effect::SaveBaseline(baseline) => store.save_baseline(baseline),
        Effect::SavePlay(play) => store.save_play(play),
        Effect::DropPlay(occurrence) => store.drop_play(occurrence),
        _ => return None,
    })
}

impl Unsaved {
    /// Does those effects that concern what is kept; what cannot be written waits here.
    pub fn perform(&mut self, store: &Store, effect: Effect, now_mono_ns: i64) -> Performed {
        if let Some(mut result) = save(store, &effect) {
            if self.made_room(store, result.as_ref().err()) {
                result = save(store, &effect).unwrap_or(result);
            }
            let Err(error) = result else {
                self.saved(&effect);
                return Performed::Done;
            };
            self.failed(effect, now_mono_ns);
            return Performed::Answer(store_failed(&error));
        }
        let result = match effect {
            Effect::WriteChunk { media, offset, ref chunk } => {
                let mut written = store.write_chunk(&media, offset, chunk);
                if self.made_room(store, written.as_ref().err()) {
                    written = store.write_chunk(&media, offset, chunk);
                }
                if written.is_err() {
                    self.failed(effect, now_mono_ns);
                }
                written
            }
            Effect::KeepMedia { needed, spare_bytes } => {
                // What waits to be written has the room before what may be useful some day.
                let waits = self.next_try_mono_ns.is_some();
                let dropped = store.drop_media(&needed, if waits { 0 } else { spare_bytes });
                self.needed = Some(needed);
                match &dropped {
                    Ok(1..) if waits => self.next_try_mono_ns = Some(now_mono_ns),
                    Ok(_) => {}
                    Err(_) => self.next_try_mono_ns = Some(now_mono_ns + RETRY_NS),
                }
                dropped.map(drop)
            }
            Effect::FindMedia(media) => {
                let (whole, present) = (store.has_media(&media), store.chunks_present(&media));
                return Performed::Answer(Event::MediaFound { media: media.hash, whole, present });
            }
            Effect::FinishMedia(media) => {
                let good = store.finish_media(&media).unwrap_or_else(|error| {
                    warn!("media {} cannot be kept: {error}", media.hash);
                    false
                });
                return Performed::Answer(Event::MediaChecked { media: media.hash, good });
            }
            Effect::CheckMedia(media) => {
                let good = store.check_media(&media);
                return Performed::Answer(Event::MediaChecked { media, good });
            }
            other => return Performed::NotMine(other),
        };
        result.map_or_else(|error| Performed::Answer(store_failed(&error)), |()| Performed::Done)
    }

    /// Whether a full disk has more room now, without what no plan needs.
    fn made_room(&self, store: &Store, failure: Option<&io::Error>) -> bool {
        let Some(needed) = &self.needed else { return false };
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
        failure.is_some_and(|error| full.contains(&error.kind()))
            && store.drop_media(needed, 0).is_ok_and(|dropped| dropped > 0)
    }

    /// It is on the disk; what waited in its place is out of date.
    pub fn saved(&mut self, effect: &Effect) {
        let Some(key) = key(effect) else { return };
        self.renew_counters(effect);
        if key == Key::Plan {
            // A plan is saved with its counters, which are the newest.
            self.waiting.remove(&Key::Counters);
        }
        self.waiting.remove(&key);
    }

    /// A plan that waits is not to bring back what the counters were with it.
    fn renew_counters(&mut self, effect: &Effect) {
        let Effect::SaveCounters(newer) = effect else { return };
        if let Some(Effect::SavePlan { counters, .. }) = self.waiting.get_mut(&Key::Plan) {
            counters.clone_from(newer);
        }
    }

    /// It is not on the disk. What is not ours to keep, such as a chunk, comes again by itself.
    pub fn failed(&mut self, effect: Effect, now_mono_ns: i64) {
        self.renew_counters(&effect);
        if let Some(key) = key(&effect) {
            self.waiting.insert(key, effect);
        }
        self.next_try_mono_ns.get_or_insert(now_mono_ns + RETRY_NS);
    }

    /// Tries again if it is time; says whether all is well again now.
    pub fn retry(&mut self, store: &Store, now_mono_ns: i64) -> bool {
        if self.next_try_mono_ns.is_none_or(|next| now_mono_ns < next) {
            return false;
        }
        self.next_try_mono_ns = Some(now_mono_ns + RETRY_NS);
        if let Err(error) = store.try_room()
            && !(self.made_room(store, Some(&error)) && store.try_room().is_ok())
        {
            return false;
        }
        while let Some((key, effect)) = self.waiting.pop_first() {
            if let Some(Err(_)) = save(store, &effect) {
                self.waiting.insert(key, effect);
                return false;
            }
        }
        self.next_try_mono_ns = None;
        true
    }
}

/// Without the name of the temporary file, which is another each time: the same trouble is told once.
fn store_failed(error: &io::Error) -> Event {
    let text = error.to_string();
    Event::StoreFailed(text.split(" at path ").next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::clock::Bound;
    use crate::controller::store::Counters;

    fn counters(starts: u64) -> Counters {
        Counters { starts, ..Default::default() }
    }

    #[test]
    fn what_failed_is_written_later_in_its_newest_form_and_never_over_something_newer() {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(dir.path(), "boot").unwrap();
        let mut unsaved = Unsaved::default();
        assert!(!unsaved.retry(&store, i64::MAX), "nothing has failed");
        unsaved.failed(Effect::SaveCounters(counters(5)), 0);
        unsaved.failed(Effect::SaveClock(Bound { low_ns: 1, high_ns: 2, at_mono_ns: 3 }), 1);
        unsaved.failed(Effect::SavePlan { bytes: b"old".into(), counters: counters(6) }, 2);
        unsaved.failed(Effect::SavePlan { bytes: b"new".into(), counters: counters(7) }, 3);
        assert!(!unsaved.retry(&store, RETRY_NS - 1), "not yet");
        assert!(unsaved.retry(&store, RETRY_NS) && !unsaved.retry(&store, i64::MAX));
        assert_eq!(std::fs::read(dir.path().join("plan.json")).unwrap(), b"new");
        assert!(dir.path().join("clock.json").is_file());
        unsaved.failed(Effect::SaveCounters(counters(8)), 0);
        let plan = Effect::SavePlan { bytes: b"newest".into(), counters: counters(9) };
        save(&store, &plan).unwrap().unwrap();
        unsaved.saved(&plan);
        assert!(unsaved.retry(&store, RETRY_NS));
        drop(store);
        let (_store, contents) = Store::open(dir.path(), "boot").unwrap();
        assert_eq!(contents.counters.starts, 10, "nine of the newest plan, and this start");
    }
}
