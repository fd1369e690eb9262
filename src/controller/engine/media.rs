//! Which media are needed, here, arriving or still to be asked for.

use std::collections::BTreeMap;

use tracing::{info, warn};

use super::{Effect, SECOND_NS};
use crate::domain::ids::{MediaHash, MediaPrefix, SiteId};
use crate::domain::plan::MediaRef;
use crate::protocol::chunks::{Bitmap, chunk_hash};
use crate::protocol::limits::MISSING_TOLD;
use crate::protocol::message::{self, Want};
use crate::protocol::topics::{self, Up};
use crate::protocol::trust::Anchor;

/// Files asked for at the same time; what plays next comes first.
const AT_ONCE: usize = 4;
/// A file is asked for again when none of its chunks has come for this long, doubling up to the last. Longer than thousands of others
/// who ask at the same moment keep a center busy.
const QUIET_NS: i64 = 5 * SECOND_NS;
const QUIET_URGENT_NS: i64 = 2 * SECOND_NS;
const LONGEST_QUIET_NS: i64 = 60 * SECOND_NS;

/// When a file is to sound next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NextUse {
    pub media: MediaHash,
    pub due_ms: i64,
    pub urgent: bool,
}

#[derive(Debug, Default)]
pub(super) struct Library {
    files: BTreeMap<MediaHash, MediaFile>,
    /// Rises whenever a file is needed or whole that was not, or the other way round.
    changes: u64,
    /// The first files that are not whole, and the changes, of the library and of the order of use, that this was worked out at.
    missing: Vec<MediaPrefix>,
    missing_at: (u64, u64),
}

#[derive(Debug)]
struct MediaFile {
    media: MediaRef,
    place: Place,
    listening: Listening,
    /// When the last chunk came or the last want went out, and how long to wait after it.
    stirred_mono_ns: i64,
    patience_ns: i64,
    /// Times that the whole turned out wrong or could not be kept; a full disk must not mean an endless download.
    failures: u32,
}

/// What of a file is listened for. Who lacks all of it, or much, hears every chunk; who lacks some, only those, since what goes out may
/// be for others.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Listening {
    Not,
    All,
    Chunks(Vec<u32>),
}

/// Most chunks that are listened for one by one.
const ONE_BY_ONE: usize = 32;

impl Listening {
    fn for_missing(missing: &Bitmap, chunks: usize) -> Self {
        let count = missing.count();
        if count == chunks || count > ONE_BY_ONE {
            Self::All
        } else {
            Self::Chunks(missing.ones().map(|index| index as u32).collect())
        }
    }

    /// Whether what it listens for is all that is missing; a file that turned out damaged is missing altogether again.
    fn covers_the_rest_of(&self, present: &Bitmap, chunks: usize) -> bool {
        match self {
            Self::Not | Self::All => true,
            Self::Chunks(listened) => (0..chunks).all(|index| present.get(index) || listened.contains(&(index as u32))),
        }
    }

    fn filters(&self, site: &SiteId, media: &MediaHash) -> Vec<String> {
        match self {
            Self::Not => vec![],
            Self::All => vec![topics::chunks(site, media)],
            Self::Chunks(chunks) => chunks.iter().map(|index| topics::chunk(site, media, *index)).collect(),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// Not yet looked for on the disk.
    Unknown,
    Arriving(Bitmap),
    /// All chunks are here; the whole is being verified.
    Checking,
    Whole,
}

impl Library {
    /// Sets which files are needed; has the new ones looked for on the disk and forgets the others.
    pub fn need(&mut self, media: Vec<MediaRef>, effects: &mut Vec<Effect>) {
        self.changes += 1;
        let mut old = std::mem::take(&mut self.files);
        for media in media {
            let file = old.remove(&media.hash).unwrap_or_else(|| {
                effects.push(Effect::FindMedia(media.clone()));
                MediaFile {
                    media,
                    place: Place::Unknown,
                    listening: Listening::Not,
                    stirred_mono_ns: i64::MIN,
                    patience_ns: QUIET_NS,
                    failures: 0,
                }
            });
            self.files.insert(file.media.hash, file);
        }
    }

    pub fn needed(&self) -> Vec<MediaHash> {
        self.files.keys().copied().collect()
    }

    pub fn needed_bytes(&self) -> u64 {
        self.files.values().map(|file| file.media.bytes).sum()
    }

    /// The filters of what is listened for.
    pub fn subscribed(&self, site: &SiteId) -> impl Iterator<Item = String> {
        self.files.values().flat_map(|file| file.listening.filters(site, &file.media.hash))
    }

    pub fn is_whole(&self, media: &MediaHash) -> bool {
        self.files.get(media).is_some_and(|file| file.place == Place::Whole)
    }

    /// Files needed and files here.
    pub fn counts(&self) -> (u32, u32) {
        let whole = self.files.values().filter(|file| file.place == Place::Whole).count();
        (self.files.len() as u32, whole as u32)
    }

    /// Works out [`Self::missing`]: of the files that are not whole the first, next use first, those without a use to come last. `uses_changes` rises with every
    /// change of `next_uses`: this is asked at every turn, and answered from memory at nearly all of them.
    pub fn note_missing(&mut self, next_uses: &[NextUse], uses_changes: u64) {
        let at = (self.changes, uses_changes);
        if self.missing_at != at {
            self.missing_at = at;
            let is_missing = |hash: &&MediaHash| self.files.get(hash).is_some_and(|file| file.place != Place::Whole);
            let used = next_uses.iter().map(|next| &next.media).filter(is_missing);
            let is_used = |hash: &MediaHash| next_uses.iter().any(|next| next.media == *hash);
            let unused = self.files.keys().filter(is_missing).filter(|hash| !is_used(hash));
            self.missing = used.chain(unused).take(MISSING_TOLD).map(MediaHash::prefix).collect();
        }
    }

    pub fn missing(&self) -> &[MediaPrefix] {
        &self.missing
    }

    /// What the disk holds; gives the file if only its verification is left to do.
    pub fn found(&mut self, media: &MediaHash, whole: bool, present: Bitmap) -> Option<MediaRef> {
        let file = self.files.get_mut(media)?;
        self.changes += 1;
        if whole {
            file.place = Place::Whole;
        } else if present.count() == file.media.chunks.len() {
            file.place = Place::Checking;
            return Some(file.media.clone());
        } else {
            file.place = Place::Arriving(present);
        }
        None
    }

    /// The result of hashing the whole.
    pub fn checked(&mut self, media: &MediaHash, good: bool, now_mono_ns: i64) {
        let Some(file) = self.files.get_mut(media) else { return };
        self.changes += 1;
        if good {
            if file.place != Place::Whole {
                info!("media {media} is here ({} bytes)", file.media.bytes);
            }
            file.place = Place::Whole;
        } else {
            warn!("media {media} is not what was approved; fetching it again");
            file.place = Place::Arriving(Bitmap::with_len(file.media.chunks.len()));
            // At once the first time: it may be needed in a minute. Then ever more patiently.
            (file.stirred_mono_ns, file.patience_ns) = match file.failures {
                0 => (i64::MIN, QUIET_NS),
                more => (now_mono_ns, LONGEST_QUIET_NS << more.min(6)),
            };
            file.failures += 1;
        }
    }

    /// Asks at once after a connection: what was under way is lost.
    pub fn reconnected(&mut self) {
        for file in self.files.values_mut() {
            // The broker has forgotten what was listened for, and less may be missing now.
            file.listening = Listening::Not;
            if file.failures < 2 {
                file.stirred_mono_ns = i64::MIN;
                file.patience_ns = QUIET_NS;
            }
        }
    }

    /// After writes that failed: what is really on the disk counts, and nothing is held against a file.
    pub fn look_again(&mut self, effects: &mut Vec<Effect>) {
        for file in self.files.values_mut().filter(|file| file.place != Place::Whole) {
            file.place = Place::Unknown;
            (file.stirred_mono_ns, file.patience_ns, file.failures) = (i64::MIN, QUIET_NS, 0);
            effects.push(Effect::FindMedia(file.media.clone()));
        }
    }

    /// Takes a chunk, if it is wanted and is what it should be.
    pub fn chunk(&mut self, media: MediaHash, index: u32, chunk: Vec<u8>, now_mono_ns: i64, effects: &mut Vec<Effect>) {
        let index = index as usize;
        let Some(file) = self.files.get_mut(&media) else { return };
        let Place::Arriving(present) = &mut file.place else { return };
        let Some(expected) = file.media.chunks.get(index).filter(|_| !present.get(index)) else { return };
        if chunk.len() != file.media.chunk_len(index) || chunk_hash(&chunk) != *expected {
            warn!("chunk {index} of {media} is not what the plan says; dropped");
            return;
        }
        present.set(index);
        file.stirred_mono_ns = now_mono_ns;
        file.patience_ns = if file.failures < 2 { QUIET_NS } else { file.patience_ns };
        let offset = index as u64 * u64::from(file.media.chunk_bytes);
        effects.push(Effect::WriteChunk { media, offset, chunk });
        if present.count() == file.media.chunks.len() {
            file.place = Place::Checking;
            effects.push(Effect::FinishMedia(file.media.clone()));
        }
    }

    /// Asks for what is missing, nearest use first, and stops listening for what has come.
    pub fn want(
        &mut self,
        anchor: &Anchor,
        next_uses: &[NextUse],
        quota_bytes: u64,
        now_mono_ns: i64,
        effects: &mut Vec<Effect>,
    ) {
        let is_done = |file: &&mut MediaFile| match &file.place {
            Place::Arriving(present) => !file.listening.covers_the_rest_of(present, file.media.chunks.len()),
            _ => file.listening != Listening::Not,
        };
        if self.files.values().all(|file| file.place == Place::Whole && file.listening == Listening::Not) {
            return;
        }
        for file in self.files.values_mut().filter(is_done) {
            let filters =
                std::mem::replace(&mut file.listening, Listening::Not).filters(&anchor.site, &file.media.hash);
            effects.extend(filters.into_iter().map(Effect::Unsubscribe));
        }
        let mut budget = quota_bytes;
        let mut open = 0;
        for NextUse { media: hash, due_ms, urgent } in next_uses {
            let Some(file) = self.files.get_mut(hash) else { continue };
            let Some(rest) = budget.checked_sub(file.media.bytes) else { continue };
            budget = rest;
            let Place::Arriving(present) = &file.place else { continue };
            // What has long been asked for in vain does not keep the others from being asked for.
            open += usize::from(file.patience_ns < LONGEST_QUIET_NS);
            if open > AT_ONCE {
                break;
            }
            if now_mono_ns.saturating_sub(file.stirred_mono_ns) < file.patience_ns {
                continue;
            }
            let mut missing = Bitmap::with_len(file.media.chunks.len());
            (0..file.media.chunks.len()).filter(|index| !present.get(*index)).for_each(|index| missing.set(index));
            if file.listening == Listening::Not {
                file.listening = Listening::for_missing(&missing, file.media.chunks.len());
                let filters = file.listening.filters(&anchor.site, hash);
                effects.extend(filters.into_iter().map(Effect::Subscribe));
                if *urgent {
                    file.patience_ns = file.patience_ns.min(QUIET_URGENT_NS);
                }
            } else {
                file.patience_ns = (file.patience_ns * 2).min(LONGEST_QUIET_NS);
            }
            file.stirred_mono_ns = now_mono_ns;
            let topic = topics::up(&anchor.site, &anchor.speaker, Up::Want);
            let payload = message::bytes(&Want { media: *hash, missing, due_ms: Some(*due_ms), urgent: *urgent });
            // A want that is lost is told again.
            effects.push(Effect::Publish { topic, payload, retain: false, at_least_once: false });
        }
    }
}
