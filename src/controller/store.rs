//! What a controller keeps through power cuts: the plan, the media, the account of each play, and its sense of time.
//!
//! ```text
//! plan.json               the newest accepted plan, as it was signed
//! state.json              what was accepted and is never gone behind, number of starts
//! baseline.json           how what sounds was heard at installation
//! clock.json              last offset, good for this boot
//! media/<sha256>.opus     whole and verified
//! media/<sha256>.part     arriving; which chunks are good is found by hashing them
//! plays/<occurrence>.json journal, outbox and memory of what has been played, in one file each
//! ```
//! Files reach their names whole: temporary file, fsync, rename, fsync of the directory. What cannot be read back is set aside and
//! reported, never trusted and never fatal.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tracing::warn;

use super::clock::Bound;
use super::path::Baseline;
use crate::domain::ids::{MediaHash, OccurrenceId, TicketId};
use crate::domain::plan::MediaRef;
use crate::domain::record::PlaybackRecord;
use crate::protocol::chunks::{Bitmap, chunk_hash};
use crate::protocol::trust::Ratchet;

/// One occurrence's file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Play {
    /// Final, unless `begun`: then what to say if the power goes before it ends.
    pub record: PlaybackRecord,
    /// Prepared or sounding, and not ended.
    pub begun: bool,
    /// The center has it.
    pub acknowledged: bool,
    /// What does not count against the day's longest lawful time.
    #[serde(default)]
    pub emergency: bool,
    /// The tickets that it has used up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tickets: Vec<TicketId>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counters {
    /// Starts of this program so far; makes birth numbers rise.
    pub starts: u64,
    /// What was accepted with plans outlives them.
    #[serde(default)]
    pub ratchet: Ratchet,
    /// By how much an operator has made it louder or quieter, in dB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_db: Option<f32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredClock {
    boot_id: String,
    bound: Bound,
}

/// A store is taken to work again when so much can be written.
const ROOM_BYTES: usize = 256 * 1024;
/// What is kept only because it may be useful leaves so much of the disk free, or a sixteenth of a small one: for the log and for keys.
const RESERVE_BYTES: u64 = 32 * 1024 * 1024;

/// Everything that was on the disk at start.
#[derive(Debug, Default)]
pub struct Contents {
    pub plan: Option<Vec<u8>>,
    pub counters: Counters,
    pub plays: BTreeMap<OccurrenceId, Play>,
    pub clock: Option<Bound>,
    pub baseline: Baseline,
}

/// What a simulated fleet leaves out; a board on a pole leaves out nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Care {
    /// Whether files are on the disk before they count as written. Thousands of boards on one disk would measure that disk.
    pub durable: bool,
    /// Whether the directory is locked, which takes an open file for each board.
    pub locked: bool,
}

impl Default for Care {
    fn default() -> Self {
        Self { durable: true, locked: true }
    }
}

/// What is to be there after a power cut. Each step less spares the card a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lasting {
    /// This very content.
    Always,
    /// This, or whole what was there before.
    OrTheOneBefore,
    /// Anything: it is worth nothing then.
    ThisBoot,
}

/// What was handed to the file system since the store was opened, media as well.
#[derive(Debug, Default)]
pub struct Written {
    pub bytes: AtomicU64,
    /// Each of them makes the disk write at once, and its journal too.
    pub syncs: AtomicU64,
}

#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    boot_id: String,
    durable: bool,
    written: Written,
    // Held for the life of the process: two controllers on one store would play twice.
    _lock: Option<File>,
}

impl Store {
    /// Opens the directory, making it if need be, and reads all of it.
    pub fn open(dir: &Path, boot_id: &str) -> io::Result<(Self, Contents)> {
        Self::open_with(dir, boot_id, Care::default())
    }

    /// The same, with less care where that is asked for.
    pub fn open_with(dir: &Path, boot_id: &str, care: Care) -> io::Result<(Self, Contents)> {
        for sub in ["media", "plays"] {
            fs::create_dir_all(dir.join(sub))?;
        }
        let lock = if care.locked { Some(lock(dir)?) } else { None };
        let store = Self {
            dir: dir.to_owned(),
            boot_id: boot_id.to_owned(),
            durable: care.durable,
            written: Written::default(),
            _lock: lock,
        };
        store.remove_leftovers();
        let mut counters: Counters = store.read_json("state.json").unwrap_or_default();
        counters.starts += 1;
        let contents = Contents {
            plan: fs::read(dir.join("plan.json")).ok(),
            counters,
            plays: store.read_plays()?,
            baseline: store.read_json("baseline.json").unwrap_or_default(),
            clock: store
                .read_json::<StoredClock>("clock.json")
                .filter(|clock| !boot_id.is_empty() && clock.boot_id == boot_id)
                .map(|clock| clock.bound),
        };
        Ok((store, contents))
    }

    fn read_json<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let path = self.dir.join(name);
        let bytes = fs::read(&path).ok()?;
        match serde_json::from_slice(&bytes) {
            Ok(value) => Some(value),
            Err(error) => {
                warn!("{} is damaged ({error}); set aside", path.display());
                let _ = fs::rename(&path, path.with_extension("damaged"));
                None
            }
        }
    }

    fn read_plays(&self) -> io::Result<BTreeMap<OccurrenceId, Play>> {
        let mut plays = BTreeMap::new();
        for entry in fs::read_dir(self.dir.join("plays"))? {
            let name = entry?.file_name();
            let Some(name) = name.to_str().filter(|name| name.ends_with(".json")) else { continue };
            if let Some(play) = self.read_json::<Play>(&format!("plays/{name}")) {
                plays.insert(play.record.occurrence.clone(), play);
            }
        }
        Ok(plays)
    }

    /// Temporary files of writes that a power cut broke off.
    fn remove_leftovers(&self) {
        for dir in [self.dir.clone(), self.dir.join("media"), self.dir.join("plays")] {
            for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
                if entry.file_name().to_string_lossy().starts_with(".tmp") {
                    let _ = fs::remove_file(entry.path());
                }
            }
        }
    }

    /// Keeps an accepted plan and its number; the number first, so that a power cut between the two can only refuse, never go back.
    pub fn save_plan(&self, bytes: &[u8], counters: &Counters) -> io::Result<()> {
        self.save_counters(counters)?;
        self.write_whole(&self.dir.join("plan.json"), bytes, Lasting::Always)
    }

    pub fn save_counters(&self, counters: &Counters) -> io::Result<()> {
        self.write_json(&self.dir.join("state.json"), counters, Lasting::Always)
    }

    /// Good for this boot alone, so it need not outlast a power cut, and the card is spared.
    pub fn save_clock(&self, bound: Bound) -> io::Result<()> {
        let clock = StoredClock { boot_id: self.boot_id.clone(), bound };
        self.write_json(&self.dir.join("clock.json"), &clock, Lasting::ThisBoot)
    }

    pub fn save_baseline(&self, baseline: &Baseline) -> io::Result<()> {
        self.write_json(&self.dir.join("baseline.json"), baseline, Lasting::OrTheOneBefore)
    }

    pub fn save_play(&self, play: &Play) -> io::Result<()> {
        // Without that word a record is only sent once more.
        let lasting = if play.acknowledged { Lasting::OrTheOneBefore } else { Lasting::Always };
        self.write_json(&self.play_path(&play.record.occurrence), play, lasting)
    }

    pub fn drop_play(&self, occurrence: &OccurrenceId) -> io::Result<()> {
        match fs::remove_file(self.play_path(occurrence)) {
            // It could not be written in its time.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    /// Whether there is room for a few chunks and small files.
    pub fn try_room(&self) -> io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(".tmp").tempfile_in(&self.dir)?;
        file.write_all(&vec![0; ROOM_BYTES])?;
        file.as_file().sync_all()
    }

    fn play_path(&self, occurrence: &OccurrenceId) -> PathBuf {
        self.dir.join("plays").join(format!("{occurrence}.json"))
    }

    /// Where a whole media file is, or will be.
    pub fn media_path(&self, hash: &MediaHash) -> PathBuf {
        self.dir.join("media").join(format!("{hash}.opus"))
    }

    fn part_path(&self, hash: &MediaHash) -> PathBuf {
        self.dir.join("media").join(format!("{hash}.part"))
    }

    /// Whether the whole file is here (its content is hashed again before it plays).
    pub fn has_media(&self, media: &MediaRef) -> bool {
        fs::metadata(self.media_path(&media.hash)).is_ok_and(|meta| meta.len() == media.bytes)
    }

    /// The chunks of a file that arrived before, found by hashing what is on the disk.
    pub fn chunks_present(&self, media: &MediaRef) -> Bitmap {
        let mut present = Bitmap::with_len(media.chunks.len());
        let Ok(file) = File::open(self.part_path(&media.hash)) else { return present };
        let mut buffer = vec![0; media.chunk_bytes as usize];
        for (index, hash) in media.chunks.iter().enumerate() {
            let chunk = &mut buffer[..media.chunk_len(index)];
            let offset = index as u64 * u64::from(media.chunk_bytes);
            if file.read_exact_at(chunk, offset).is_ok() && chunk_hash(chunk) == *hash {
                present.set(index);
            }
        }
        present
    }

    pub fn write_chunk(&self, media: &MediaHash, offset: u64, chunk: &[u8]) -> io::Result<()> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(self.part_path(media))?;
        self.written.bytes.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        file.write_all_at(chunk, offset)
    }

    /// Verifies that all of a file is there and right, and gives it its name; otherwise removes it and says false.
    pub fn finish_media(&self, media: &MediaRef) -> io::Result<bool> {
        let part = self.part_path(&media.hash);
        let bytes = fs::metadata(&part)?.len();
        if bytes < media.bytes {
            // The last write found no room; the chunks before it are still good.
            return Ok(false);
        }
        if bytes > media.bytes || hash_file(&part)? != media.hash {
            fs::remove_file(&part)?;
            return Ok(false);
        }
        self.sync(&part)?;
        let path = self.media_path(&media.hash);
        fs::rename(&part, &path)?;
        self.sync_parent(&path)?;
        Ok(true)
    }

    /// Whether a file that is here is still what it was; removes it if not.
    pub fn check_media(&self, hash: &MediaHash) -> bool {
        let path = self.media_path(hash);
        let good = hash_file(&path).is_ok_and(|found| found == *hash);
        if !good {
            let _ = fs::remove_file(&path);
        }
        good
    }

    /// Removes media that is not `needed`, what came first first, until the rest of it takes up no more than `spare_bytes` and leaves
    /// the disk a reserve. Says how many files went.
    pub fn drop_media(&self, needed: &[MediaHash], spare_bytes: u64) -> io::Result<usize> {
        let (mut others, mut bytes) = (vec![], 0);
        for entry in fs::read_dir(self.dir.join("media"))? {
            let entry = entry?;
            let hash = entry.path().file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
            if hash.is_some_and(|hash| !needed.contains(&hash)) {
                let meta = entry.metadata()?;
                bytes += meta.len();
                others.push((meta.modified()?, entry.path(), meta.len()));
            }
        }
        others.sort();
        let disk = rustix::fs::statvfs(&self.dir)?;
        let reserve_bytes = RESERVE_BYTES.min(disk.f_blocks * disk.f_frsize / 16);
        let mut free_bytes = disk.f_bavail * disk.f_frsize;
        let mut dropped = 0;
        for (_, path, len) in others {
            if bytes <= spare_bytes && free_bytes >= reserve_bytes {
                break;
            }
            fs::remove_file(path)?;
            bytes -= len;
            free_bytes += len;
            dropped += 1;
        }
        Ok(dropped)
    }

    fn write_json<T: Serialize>(&self, path: &Path, value: &T, lasting: Lasting) -> io::Result<()> {
        self.write_whole(path, &serde_json::to_vec(value).map_err(io::Error::other)?, lasting)
    }

    /// Writes a file so that after a power cut it is there whole, or not at all.
    fn write_whole(&self, path: &Path, bytes: &[u8], lasting: Lasting) -> io::Result<()> {
        let parent = path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::Builder::new().prefix(".tmp").tempfile_in(parent)?;
        file.write_all(bytes)?;
        self.written.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if lasting != Lasting::ThisBoot {
            self.sync(file.path())?;
        }
        file.persist(path).map_err(|e| e.error)?;
        if lasting == Lasting::Always { self.sync_parent(path) } else { Ok(()) }
    }

    fn sync_parent(&self, path: &Path) -> io::Result<()> {
        self.sync(path.parent().unwrap_or(Path::new(".")))
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        if !self.durable {
            return Ok(());
        }
        self.written.syncs.fetch_add(1, Ordering::Relaxed);
        File::open(path)?.sync_all()
    }

    /// How much it has made the disk write.
    pub fn written(&self) -> &Written {
        &self.written
    }
}

/// What a store holds, as seen from beside.
#[derive(Debug, Default)]
pub struct Look {
    pub contents: Contents,
    pub media_bytes: u64,
    /// Files that cannot be read back, and those that were set aside.
    pub damaged: usize,
}

/// Reads a store beside the controller that runs on it: without its lock, and changing nothing. Since files reach their names whole, each
/// is read as it was at some moment.
pub fn look(dir: &Path, boot_id: &str) -> io::Result<Look> {
    let mut look = Look::default();
    let (counters, damaged) = peek::<Counters>(&dir.join("state.json"));
    look.contents.counters = counters.unwrap_or_default();
    let (clock, clock_damaged) = peek::<StoredClock>(&dir.join("clock.json"));
    let clock = clock.filter(|clock| !boot_id.is_empty() && clock.boot_id == boot_id);
    look.contents.clock = clock.map(|clock| clock.bound);
    look.contents.plan = fs::read(dir.join("plan.json")).ok();
    let (baseline, baseline_damaged) = peek::<Baseline>(&dir.join("baseline.json"));
    look.contents.baseline = baseline.unwrap_or_default();
    look.damaged = usize::from(damaged) + usize::from(clock_damaged) + usize::from(baseline_damaged);
    for sub in ["", "plays"] {
        for entry in fs::read_dir(dir.join(sub))?.flatten() {
            let path = entry.path();
            let ends = |end: &str| path.extension().is_some_and(|extension| extension == end);
            look.damaged += usize::from(ends("damaged"));
            if sub == "plays" && ends("json") {
                let (play, damaged) = peek::<Play>(&path);
                look.damaged += usize::from(damaged);
                look.contents.plays.extend(play.map(|play| (play.record.occurrence.clone(), play)));
            }
        }
    }
    let media = fs::read_dir(dir.join("media")).into_iter().flatten().flatten();
    look.media_bytes = media.filter_map(|entry| entry.metadata().ok()).map(|meta| meta.len()).sum();
    Ok(look)
}

/// A file's value, and whether it is there and cannot be read as one.
fn peek<T: DeserializeOwned>(path: &Path) -> (Option<T>, bool) {
    let Ok(bytes) = fs::read(path) else { return (None, false) };
    let value = serde_json::from_slice(&bytes).ok();
    let damaged = value.is_none();
    (value, damaged)
}

/// Whether a controller holds the store, as the kernel lists it: trying the lock could turn away one that is just starting.
pub fn is_locked(dir: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let Ok(meta) = fs::metadata(dir.join("lock")) else { return false };
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    let inode = format!(":{}", meta.ino());
    locks.lines().any(|line| line.contains("FLOCK") && line.split_whitespace().any(|word| word.ends_with(&inode)))
}

pub fn hash_file(path: &Path) -> io::Result<MediaHash> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(MediaHash(hasher.finalize().into())),
            n => hasher.update(&buffer[..n]),
        }
    }
}

fn lock(dir: &Path) -> io::Result<File> {
    let lock = OpenOptions::new().create(true).truncate(false).write(true).open(dir.join("lock"));
    // A card that has become read-only still holds what is to be played.
    let lock = lock.or_else(|error| File::open(dir.join("lock")).map_err(|_| error))?;
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| io::Error::other("another loaxa-controller is already running on this directory"))?;
    Ok(lock)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::chunks::describe;
    use crate::protocol::keys::media_hash;

    #[test]
    fn chunks_resume_after_a_power_cut_and_damage_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..150_000u32).map(|n| (n * 7) as u8).collect();
        let media = describe(media_hash(&bytes), &bytes);
        let chunk = media.chunk_bytes as usize;
        let (store, _) = Store::open(dir.path(), "boot").unwrap();
        store.write_chunk(&media.hash, 2 * chunk as u64, &bytes[2 * chunk..]).unwrap();
        store.write_chunk(&media.hash, 0, &bytes[..chunk]).unwrap();
        drop(store);

        let (store, _) = Store::open(dir.path(), "boot").unwrap();
        assert_eq!(store.chunks_present(&media).ones().collect::<Vec<_>>(), [0, 2]);
        store.write_chunk(&media.hash, chunk as u64, &bytes[chunk..2 * chunk]).unwrap();
        assert!(store.finish_media(&media).unwrap() && store.has_media(&media) && store.check_media(&media.hash));

        let mut damaged = bytes.clone();
        damaged[70_000] ^= 1;
        fs::write(store.media_path(&media.hash), damaged).unwrap();
        assert!(!store.check_media(&media.hash) && !store.has_media(&media));
    }

    #[test]
    fn what_no_plan_needs_stays_while_there_is_room_and_the_oldest_goes_first() {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(dir.path(), "boot").unwrap();
        let files: Vec<MediaRef> = (0..4u8).map(|n| describe(media_hash(&[n; 1000]), &[n; 1000])).collect();
        for (n, media) in files.iter().enumerate() {
            store.write_chunk(&media.hash, 0, &[n as u8; 1000]).unwrap();
            assert!(n == 3 || store.finish_media(media).unwrap());
            let path = if n == 3 { store.part_path(&media.hash) } else { store.media_path(&media.hash) };
            let came = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000 + n as u64);
            File::options().write(true).open(path).unwrap().set_modified(came).unwrap();
        }
        let needed = [files[1].hash];
        let here = || files.iter().map(|media| store.has_media(media)).collect::<Vec<_>>();
        assert_eq!(store.drop_media(&needed, 3000).unwrap(), 0);
        assert_eq!(here(), [true, true, true, false]);
        assert_eq!(store.drop_media(&needed, 2999).unwrap(), 1);
        assert_eq!(here(), [false, true, true, false]);
        // Nothing to spare: neither what is whole nor what had begun to come.
        assert_eq!(store.drop_media(&needed, 0).unwrap(), 2);
        assert_eq!(here(), [false, true, false, false]);
        assert!(!store.part_path(&files[3].hash).exists());
        assert_eq!(store.drop_media(&needed, 0).unwrap(), 0);
    }

    #[test]
    fn two_controllers_cannot_share_a_store_and_damaged_files_are_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(dir.path(), "boot").unwrap();
        assert!(Store::open(dir.path(), "boot").unwrap_err().to_string().contains("already running"));
        store
            .save_counters(&Counters {
                starts: 3,
                ratchet: Ratchet { trust: 7, ..Default::default() },
                volume_db: None,
            })
            .unwrap();
        store.save_clock(Bound { low_ns: 1, high_ns: 2, at_mono_ns: 3 }).unwrap();
        drop(store);
        let (store, contents) = Store::open(dir.path(), "boot").unwrap();
        assert_eq!((contents.counters.ratchet.trust, contents.counters.starts, contents.clock.is_some()), (7, 4, true));
        drop(store);
        fs::write(dir.path().join("state.json"), b"\0\0\0").unwrap();
        fs::write(dir.path().join("plays/x@1.json"), b"{").unwrap();
        let seen = look(dir.path(), "boot").unwrap();
        assert_eq!((seen.damaged, seen.contents.clock.is_some(), is_locked(dir.path())), (2, true, false));
        assert!(dir.path().join("state.json").is_file(), "a look sets nothing aside");
        let (_store, contents) = Store::open(dir.path(), "another boot").unwrap();
        assert!(is_locked(dir.path()));
        assert_eq!(look(dir.path(), "boot").unwrap().damaged, 2, "set aside by now");
        assert_eq!((contents.counters.ratchet.trust, contents.clock, contents.plays.len()), (0, None, 0));
    }
}
