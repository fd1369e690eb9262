//! Lays one session on its time line: decodes ahead, keeps each item in its place, fades, ducks what lies beneath, limits, and fills the ring.
//!
//! Waits for the disk and the decoder, so never on the audio thread. A session's files are hashed before they are decoded: what is not what
//! was approved stays silent and is named.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rtrb::{Producer, chunks::ChunkError};
use tracing::warn;

use super::render::Totals;
use super::{Session, SessionItem, Summary};
use crate::audio::limiter::Limiter;
use crate::audio::source::Source;
use crate::audio::{RATE_HZ, from_db, to_db};
use crate::controller::store::hash_file;
use crate::domain::ids::MediaHash;

/// True peaks never exceed this, whatever the gains ask for (-0.5 dBTP).
const CEILING: f32 = 0.944;
/// How long a cut item takes to come in or to go out.
const FADE_FRAMES: u64 = RATE_HZ as u64 * 4 / 10;
/// How much softer a bed is while something else sounds, how long it takes to become so, and how long before.
const DUCK_DB: f32 = -14.0;
const DUCK_FRAMES: u64 = RATE_HZ as u64 * 4 / 10;
/// What is laid down at once.
const BLOCK_FRAMES: u64 = 960;

/// Where a media file is.
pub type Files = Box<dyn Fn(&MediaHash) -> PathBuf + Send>;

/// A session being fed.
pub struct Feed {
    pub id: u64,
    pub session: Session,
    ring: Producer<f32>,
    /// Position on the time line of the next frame to lay down.
    laid: u64,
    item: usize,
    current: Option<Reading>,
    bed: usize,
    current_bed: Option<Reading>,
    /// 1 where the bed is at its own level, 0 where it is ducked.
    openness: f32,
    limiter: Limiter,
    /// Laid down and limited, not yet in the ring.
    ready: Vec<f32>,
    ready_from: usize,
    finished: bool,
    /// To be told with the account of it.
    pub amplifier_failed: bool,
    /// Frames of real programme laid down so far, and those that damage cost.
    content_frames: u64,
    damaged_frames: u64,
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed").field("occurrence", &self.session.occurrence).field("laid", &self.laid).finish()
    }
}

/// A file being read onto the time line.
struct Reading {
    source: Option<Source>,
    decoded: Vec<f32>,
    decoded_from: usize,
    /// Frames that damage in the midst of the file has cost so far; silence stands in their place.
    lost: u64,
}

impl Reading {
    /// Opens a file at a place; what cannot be opened gives nothing.
    fn open(files: &Files, hash: &MediaHash, skip_frames: u64) -> Self {
        let path = files(hash);
        let mut source = Source::open(&path).inspect_err(|error| warn!("{}: {error}", path.display())).ok();
        let mut rest = 0;
        if let Some(source) = source.as_mut().filter(|_| skip_frames > 0) {
            let ms = skip_frames * 1000 / u64::from(RATE_HZ);
            source.skip(ms as i64);
            rest = skip_frames - ms * u64::from(RATE_HZ) / 1000;
        }
        let mut this = Self { source, decoded: vec![], decoded_from: 0, lost: 0 };
        this.pass(rest);
        this
    }

    /// Lets so many frames go by unheard.
    fn pass(&mut self, frames: u64) {
        let mut unheard = [0.0; 1];
        (0..frames).for_each(|_| {
            self.read(&mut unheard);
        });
    }

    /// Fills `out` from its beginning; gives how many frames there were.
    fn read(&mut self, out: &mut [f32]) -> usize {
        let mut given = 0;
        while given < out.len() {
            if self.decoded_from >= self.decoded.len() {
                self.decoded.clear();
                self.decoded_from = 0;
                let Some(source) = self.source.as_mut() else { break };
                let more = source.next(&mut self.decoded);
                self.lost = source.lost_frames();
                if !more {
                    self.source = None;
                    break;
                }
                continue;
            }
            let rest = &self.decoded[self.decoded_from..];
            let frames = rest.len().min(out.len() - given);
            out[given..given + frames].copy_from_slice(&rest[..frames]);
            self.decoded_from += frames;
            given += frames;
        }
        given
    }
}

impl SessionItem {
    /// Amplitude so many frames after its beginning and before its end.
    fn fade(&self, from_begin: u64, to_end: u64) -> f32 {
        let ramp = |frames: u64| (frames.min(FADE_FRAMES) as f32) / FADE_FRAMES as f32;
        let fade_in = if self.fade_in { ramp(from_begin) } else { 1.0 };
        let fade_out = if self.fade_out { ramp(to_end) } else { 1.0 };
        fade_in * fade_out
    }
}

impl Session {
    /// Ends at `frames` what would end later.
    pub fn trim(&mut self, frames: u64) {
        self.frames = self.frames.min(frames);
        for item in self.items.iter_mut().chain(&mut self.beds) {
            item.frames = item.frames.min(frames.saturating_sub(item.at_frame));
        }
    }

    /// Frames that ought to sound, gaps aside.
    pub fn content_frames(&self) -> u64 {
        self.items.iter().map(|item| item.frames).sum()
    }

    /// Where the first item that can be played begins.
    pub fn content_from(&self) -> u64 {
        self.items.iter().find(|item| item.file.is_some()).map_or(self.frames, |item| item.at_frame)
    }
}

impl Feed {
    /// Feeds `ring` with the time line from `first_frame` on.
    pub fn new(id: u64, session: Session, ring: Producer<f32>, first_frame: u64) -> Self {
        Self {
            id,
            session,
            ring,
            laid: first_frame,
            item: 0,
            current: None,
            bed: 0,
            current_bed: None,
            openness: f32::NAN,
            limiter: Limiter::new(CEILING),
            ready: vec![],
            ready_from: 0,
            finished: false,
            amplifier_failed: false,
            content_frames: 0,
            damaged_frames: 0,
        }
    }

    /// Hashes every file; those that are not what they should be lose their place and are named.
    pub fn verify(&mut self, files: &Files) -> Vec<MediaHash> {
        let mut corrupt = vec![];
        // A filler may stand in a session a hundred times; its file is hashed once.
        let mut known: BTreeMap<MediaHash, bool> = BTreeMap::new();
        for item in self.session.items.iter_mut().chain(&mut self.session.beds) {
            let Some(hash) = item.file else { continue };
            let good = *known.entry(hash).or_insert_with(|| {
                let path = files(&hash);
                let good = hash_file(&path).is_ok_and(|found| found == hash);
                if !good {
                    warn!("{} is not what was approved; it will not sound", path.display());
                    corrupt.push(hash);
                }
                good
            });
            if !good {
                item.file = None;
            }
        }
        corrupt
    }

    /// Writes as much as the ring takes.
    pub fn feed(&mut self, files: &Files) {
        loop {
            if self.pour().is_err() {
                return;
            }
            self.ready.clear();
            self.ready_from = 0;
            if self.laid < self.session.frames {
                let mut block = [0.0; BLOCK_FRAMES as usize];
                let frames = (self.session.frames - self.laid).min(BLOCK_FRAMES) as usize;
                let from = self.laid;
                self.lay(&mut block[..frames], files);
                self.underlay(&mut block[..frames], from, files);
                self.limiter.push(&block[..frames], &mut self.ready);
            } else if !self.finished {
                self.finished = true;
                self.limiter.finish(&mut self.ready);
            } else {
                return;
            }
        }
    }

    /// Moves what is ready into the ring; an error if not all of it fits.
    fn pour(&mut self) -> Result<(), ChunkError> {
        let rest = &self.ready[self.ready_from..];
        let frames = rest.len().min(self.ring.slots());
        let chunk = self.ring.write_chunk_uninit(frames)?;
        chunk.fill_from_iter(rest[..frames].iter().copied());
        self.ready_from += frames;
        if self.ready_from < self.ready.len() { Err(ChunkError::TooFewSlots(0)) } else { Ok(()) }
    }

    /// The next block of the time line, silent where nothing plays.
    fn lay(&mut self, block: &mut [f32], files: &Files) {
        let mut done = 0;
        while done < block.len() {
            let Some(item) = self.session.items.get(self.item) else { break };
            let (begin, end) = (item.at_frame, item.at_frame + item.frames);
            let left = block.len() - done;
            if self.laid >= end {
                self.item += 1;
                self.current = None;
            } else if self.laid < begin {
                let gap = ((begin - self.laid) as usize).min(left);
                self.laid += gap as u64;
                done += gap;
            } else {
                let frames = ((end - self.laid) as usize).min(left);
                self.programme(&mut block[done..done + frames], begin, end, files);
                self.laid += frames as u64;
                done += frames;
            }
        }
        self.laid += (block.len() - done) as u64;
    }

    /// The current item's own sound, or silence for what cannot be decoded.
    fn programme(&mut self, out: &mut [f32], begin: u64, end: u64, files: &Files) {
        let item = &self.session.items[self.item];
        let Some(hash) = &item.file else { return };
        let into = self.laid - begin;
        let current = self.current.get_or_insert_with(|| {
            // A late joiner does not decode what its neighbours have long played.
            let skip_frames = item.skip_ms.max(0) as u64 * u64::from(RATE_HZ) / 1000 + into;
            Reading::open(files, hash, skip_frames)
        });
        let lost_before = current.lost;
        let given = current.read(out);
        let lost = (current.lost - lost_before).min(given as u64);
        let factor = item.gain * self.session.volume;
        for (index, sample) in (self.laid..).zip(&mut out[..given]) {
            *sample *= factor * item.fade(index - begin, end - index);
        }
        self.content_frames += given as u64 - lost;
        self.damaged_frames += lost;
        if given < out.len() {
            let lost = end - self.laid - given as u64;
            // Rounding of a length to whole milliseconds is not damage.
            if lost > u64::from(RATE_HZ) / 500 {
                self.damaged_frames += lost;
            }
            self.session.items[self.item].file = None;
        }
    }

    /// Mixes the bed beneath a block that begins at `from`.
    fn underlay(&mut self, block: &mut [f32], from: u64, files: &Files) {
        let mut done = 0;
        let mut bed = [0.0; BLOCK_FRAMES as usize];
        while let Some(item) = self.session.beds.get(self.bed).filter(|_| done < block.len()) {
            let at = from + done as u64;
            let (begin, end) = (item.at_frame, item.at_frame + item.frames);
            if at >= end {
                self.bed += 1;
                self.current_bed = None;
                continue;
            }
            let left = block.len() - done;
            if at < begin {
                done += ((begin - at) as usize).min(left);
                continue;
            }
            let frames = ((end - at) as usize).min(left);
            if let Some(hash) = &item.file {
                let skip_frames = item.skip_ms.max(0) as u64 * u64::from(RATE_HZ) / 1000 + (at - begin);
                let current = self.current_bed.get_or_insert_with(|| Reading::open(files, hash, skip_frames));
                let given = current.read(&mut bed[..frames]);
                let factor = item.gain * self.session.volume;
                for (index, sample) in (at..).zip(&mut bed[..given]) {
                    *sample *= factor * item.fade(index - begin, end - index);
                }
                bed[given..frames].fill(0.0);
                let ducked = from_db(DUCK_DB);
                let target = if self.speaks_near(at) { 0.0 } else { 1.0 };
                let step = 1.0 / DUCK_FRAMES as f32;
                if self.openness.is_nan() {
                    self.openness = target;
                }
                for (sample, bed) in block[done..done + frames].iter_mut().zip(&bed) {
                    self.openness += (target - self.openness).clamp(-step, step);
                    *sample += bed * (ducked + (1.0 - ducked) * self.openness);
                }
            }
            done += frames;
        }
    }

    /// Whether something else than the bed sounds at a place, or is about to.
    fn speaks_near(&self, at: u64) -> bool {
        let near = |item: &&SessionItem| item.at_frame < at + DUCK_FRAMES && item.at_frame + item.frames > at;
        self.session.items[self.item.saturating_sub(1)..].iter().take(3).any(|item| item.file.is_some() && near(&item))
    }

    /// The account of a session that has ended.
    pub fn summary(&self, totals: &Totals) -> Summary {
        let wanted_frames = self.session.content_frames();
        // What was rendered includes silent gaps, which are not programme.
        let heard_frames = totals.rendered.min(self.content_frames);
        Summary {
            first_mono_ns: totals.first_mono_ns,
            heard_frames,
            wanted_frames,
            level_dbfs: to_db((totals.squares / heard_frames.max(1) as f64).sqrt()),
            peak_dbfs: to_db(f64::from(totals.peak)),
            underruns: totals.underruns,
            corrections: totals.corrections,
            worst_off_us: (totals.worst_off_ns / 1000.0) as i64,
            fast_ppm: totals.fast_ppm,
            damaged_frames: self.damaged_frames,
            output_failed: false,
            amplifier_failed: self.amplifier_failed,
            stopped: totals.stopped,
            heard_back: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rtrb::{Consumer, RingBuffer};

    use super::*;
    use crate::audio::wav::WavWriter;
    use crate::domain::ids::OccurrenceId;

    const SECOND: u64 = RATE_HZ as u64;

    /// Files of tones, by the first byte of what stands for their hash: its hundreds of Hz.
    fn files(dir: &Path) -> Files {
        for hundreds in [3u8, 10] {
            let tone = |n: usize| (n as f32 * f32::from(hundreds) * 100.0 * std::f32::consts::TAU / 48e3).sin() * 0.25;
            let mut wav = WavWriter::create(&dir.join(format!("{hundreds}.wav"))).unwrap();
            wav.write(&(0..4 * 48_000).map(tone).collect::<Vec<_>>()).unwrap();
            wav.flush().unwrap();
        }
        let dir = dir.to_owned();
        Box::new(move |hash: &MediaHash| dir.join(format!("{}.wav", hash.0[0])))
    }

    fn item(hundreds: u8, at_frame: u64, frames: u64) -> SessionItem {
        let file = Some(MediaHash([hundreds; 32]));
        SessionItem { file, at_frame, frames, skip_ms: 0, gain: 1.0, fade_in: false, fade_out: false }
    }

    fn fed(session: Session, first_frame: u64, files: &Files) -> (Vec<f32>, Feed) {
        let (ring, mut audio): (_, Consumer<f32>) = RingBuffer::new(SECOND as usize);
        let mut feed = Feed::new(1, session, ring, first_frame);
        let mut heard = vec![];
        loop {
            feed.feed(files);
            let before = heard.len();
            heard.extend(std::iter::from_fn(|| audio.pop().ok()));
            if heard.len() == before {
                return (heard, feed);
            }
        }
    }

    fn session(items: Vec<SessionItem>, beds: Vec<SessionItem>, frames: u64) -> Session {
        let occurrence = OccurrenceId::new(&"a".parse().unwrap(), 1);
        Session { occurrence, start_mono_ns: 0, items, beds, frames, volume: 1.0 }
    }

    /// Amplitude of a tone in a stretch of whole periods.
    fn amplitude(sound: &[f32], hz: f32) -> f32 {
        let turn = |n: usize| n as f32 * hz * std::f32::consts::TAU / 48e3;
        let (mut sine, mut cosine) = (0.0, 0.0);
        for (n, sample) in sound.iter().enumerate() {
            sine += sample * turn(n).sin();
            cosine += sample * turn(n).cos();
        }
        2.0 * (sine * sine + cosine * cosine).sqrt() / sound.len() as f32
    }

    #[test]
    fn a_bed_gives_way_to_what_is_said_over_it_and_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let files = files(dir.path());
        // Two seconds of bed alone, two of speech over it, two alone.
        let beds = vec![item(3, 0, 4 * SECOND), item(3, 4 * SECOND, 2 * SECOND)];
        let (heard, feed) = fed(session(vec![item(10, 2 * SECOND, 2 * SECOND)], beds, 6 * SECOND), 0, &files);
        assert_eq!(heard.len() as u64, 6 * SECOND);
        let at = |from_s: f32| &heard[(from_s * 48e3) as usize..][..24_000];
        for (from_s, bed, speech) in [(0.5, 0.25, 0.0), (2.5, 0.25 * from_db(DUCK_DB), 0.25), (5.0, 0.25, 0.0)] {
            let found = (amplitude(at(from_s), 300.0), amplitude(at(from_s), 1_000.0));
            assert!((found.0 - bed).abs() < 0.005 && (found.1 - speech).abs() < 0.005, "{from_s} s: {found:?}");
        }
        let step = heard.windows(2).map(|w| (w[1] - w[0]).abs()).fold(0.0, f32::max);
        assert!(step < 0.05, "a step of {step}");
        assert_eq!((feed.content_frames, feed.damaged_frames), (2 * SECOND, 0), "a bed is nobody's programme");
    }

    #[test]
    fn items_join_without_a_lost_frame_and_a_late_joiner_gets_what_the_others_hear() {
        let dir = tempfile::tempdir().unwrap();
        let files = files(dir.path());
        let both = || session(vec![item(10, 0, 2 * SECOND), item(3, 2 * SECOND, 2 * SECOND)], vec![], 4 * SECOND);
        let (heard, _) = fed(both(), 0, &files);
        let joint = &heard[2 * SECOND as usize - 1..=2 * SECOND as usize];
        assert!(joint[0].abs() > 0.01 && joint[1].abs() < 0.001, "the second begins where the first ends: {joint:?}");
        let (late, _) = fed(both(), 100_001, &files);
        assert_eq!(late[..], heard[100_001..]);
    }

    #[test]
    fn a_file_that_ends_early_is_counted_as_damaged_and_its_place_stays_silent() {
        let dir = tempfile::tempdir().unwrap();
        let files = files(dir.path());
        let (heard, feed) = fed(session(vec![item(3, 0, 5 * SECOND)], vec![], 5 * SECOND), 0, &files);
        assert_eq!((heard.len() as u64, feed.damaged_frames, feed.content_frames), (5 * SECOND, SECOND, 4 * SECOND));
        assert!(heard[4 * SECOND as usize + 100..].iter().all(|sample| *sample == 0.0));
    }
}
