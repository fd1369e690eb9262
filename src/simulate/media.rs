//! Media kept once for all simulated boards, so that thousands of them do not fill the disk with the same bytes.
//!
//! Boards do not trip over each other: each counts as its own only the chunks that came to it, so all are sent to every board; the
//! first that brings a chunk writes it, and since each chunk was hashed by the engine before, what others bring is the same
//! bytes. A file grows in place and is never renamed or removed while the fleet lives; each board hashes the whole when it has all
//! of its own chunks, by which time all of them have been written.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::controller::engine::{Effect, Event};
use crate::controller::store::hash_file;
use crate::controller::unsaved::Performed;
use crate::domain::ids::MediaHash;
use crate::domain::plan::MediaRef;
use crate::protocol::chunks::Bitmap;

/// The shared directory.
#[derive(Debug)]
pub struct Pool {
    dir: PathBuf,
    files: Mutex<BTreeMap<MediaHash, Shared>>,
}

#[derive(Debug)]
struct Shared {
    file: File,
    /// Offsets of the chunks that are there.
    written: BTreeSet<u64>,
}

impl Pool {
    pub fn open(dir: PathBuf) -> io::Result<Arc<Self>> {
        fs::create_dir_all(&dir)?;
        Ok(Arc::new(Self { dir, files: Mutex::default() }))
    }

    fn path(&self, media: &MediaHash) -> PathBuf {
        self.dir.join(format!("{media}.opus"))
    }

    fn write(&self, media: MediaHash, offset: u64, chunk: &[u8]) -> io::Result<()> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = match files.entry(media) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(Shared { file: File::create(self.path(&media))?, written: BTreeSet::new() })
            }
        };
        if !shared.written.contains(&offset) {
            shared.file.write_all_at(chunk, offset)?;
            shared.written.insert(offset);
        }
        Ok(())
    }
}

/// What one board has of it.
#[derive(Debug)]
pub struct Shelf {
    pool: Arc<Pool>,
    /// Offsets of the chunks that came to this board.
    arrived: BTreeMap<MediaHash, BTreeSet<u64>>,
    whole: BTreeSet<MediaHash>,
}

impl Shelf {
    pub fn new(pool: Arc<Pool>) -> Self {
        Self { pool, arrived: BTreeMap::new(), whole: BTreeSet::new() }
    }

    /// Does those effects that concern media.
    pub fn perform(&mut self, effect: Effect) -> Performed {
        match effect {
            Effect::FindMedia(media) => {
                let (whole, present) = (self.whole.contains(&media.hash), self.present(&media));
                Performed::Answer(Event::MediaFound { media: media.hash, whole, present })
            }
            Effect::WriteChunk { media, offset, chunk } => match self.pool.write(media, offset, &chunk) {
                Ok(()) => {
                    self.arrived.entry(media).or_default().insert(offset);
                    Performed::Done
                }
                Err(error) => Performed::Answer(Event::StoreFailed(error.to_string())),
            },
            Effect::FinishMedia(media) => {
                let hash = media.hash;
                let all = self.arrived.remove(&hash).is_some_and(|chunks| chunks.len() == media.chunks.len());
                let good = all && self.is_good(&hash);
                if good {
                    self.whole.insert(hash);
                }
                Performed::Answer(Event::MediaChecked { media: hash, good })
            }
            Effect::CheckMedia(hash) => {
                let good = self.whole.contains(&hash) && self.is_good(&hash);
                if !good {
                    self.whole.remove(&hash);
                }
                Performed::Answer(Event::MediaChecked { media: hash, good })
            }
            // What is not needed stays while there is room, and there is.
            Effect::KeepMedia { .. } => Performed::Done,
            other => Performed::NotMine(other),
        }
    }

    fn present(&self, media: &MediaRef) -> Bitmap {
        let mut present = Bitmap::with_len(media.chunks.len());
        for offset in self.arrived.get(&media.hash).into_iter().flatten() {
            present.set((offset / u64::from(media.chunk_bytes.max(1))) as usize);
        }
        present
    }

    fn is_good(&self, hash: &MediaHash) -> bool {
        hash_file(&self.pool.path(hash)).is_ok_and(|found| found == *hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::chunks::describe;
    use crate::protocol::keys::media_hash;

    fn answer(performed: Performed) -> Event {
        let Performed::Answer(event) = performed else { panic!("{performed:?}") };
        event
    }

    #[test]
    fn a_board_has_only_what_came_to_it_though_the_file_is_one() {
        let dir = tempfile::tempdir().unwrap();
        let pool = Pool::open(dir.path().join("media")).unwrap();
        let bytes: Vec<u8> = (0..150_000u32).map(|n| (n * 7) as u8).collect();
        let media = describe(media_hash(&bytes), &bytes);
        let chunks = || bytes.chunks(media.chunk_bytes as usize).enumerate();
        let write = |shelf: &mut Shelf, index: usize, chunk: &[u8]| {
            let offset = index as u64 * u64::from(media.chunk_bytes);
            shelf.perform(Effect::WriteChunk { media: media.hash, offset, chunk: chunk.to_vec() });
        };
        let (mut first, mut second) = (Shelf::new(pool.clone()), Shelf::new(pool.clone()));
        chunks().for_each(|(index, chunk)| write(&mut first, index, chunk));
        write(&mut second, 1, chunks().nth(1).unwrap().1);
        let done = answer(first.perform(Effect::FinishMedia(media.clone())));
        assert!(matches!(done, Event::MediaChecked { good: true, .. }));
        let found = answer(second.perform(Effect::FindMedia(media.clone())));
        let Event::MediaFound { whole: false, present, .. } = found else { panic!("{found:?}") };
        assert_eq!(present.ones().collect::<Vec<_>>(), [1]);
        let early = answer(second.perform(Effect::FinishMedia(media.clone())));
        assert!(matches!(early, Event::MediaChecked { good: false, .. }), "it lacks chunks of its own");
        let spoilt = fs::OpenOptions::new().write(true).open(pool.path(&media.hash)).unwrap();
        spoilt.write_all_at(b"x", 70_000).unwrap();
        let checked = answer(first.perform(Effect::CheckMedia(media.hash)));
        assert!(matches!(checked, Event::MediaChecked { good: false, .. }));
    }
}
