//! Playout: from verified files to samples that leave the converter at the planned instant.
//!
//! Three threads, each with one worry: the caller says what to play; the *mixer* decodes ahead and owns the device; the *output*
//! calls [`render::Renderer`], which never allocates, locks or waits. Between them lie bounded lock-free rings. Where there is something to listen
//! with, a fourth, the *ear*, compares what went out with what came back.

pub mod amplifier;
pub mod converter;
pub mod device;
pub mod ear;
pub mod feed;
pub mod mixer;
pub mod output;
pub mod playing;
pub mod render;

use std::sync::atomic::AtomicU64;

use crate::audio::heard::Finding;
use crate::domain::ids::{MediaHash, OccurrenceId};

/// Which place of a time line is to be heard when. The clock of the center runs faster than CLOCK_MONOTONIC by `rate`, as a fraction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    pub mono_ns: i64,
    /// The place that is due at `mono_ns`, in ns of the time line.
    pub at_ns: i64,
    pub rate: f64,
}

impl Line {
    /// A time line that begins at an instant.
    pub fn from(start_mono_ns: i64) -> Self {
        Self { mono_ns: start_mono_ns, at_ns: 0, rate: 0.0 }
    }

    /// The place that is due at an instant, in ns.
    pub fn since_ns(&self, mono_ns: i64) -> f64 {
        let since_ns = mono_ns.saturating_sub(self.mono_ns) as f64;
        self.at_ns as f64 + since_ns + since_ns * self.rate
    }

    /// The same in frames.
    pub fn frames_at(&self, mono_ns: i64) -> f64 {
        self.since_ns(mono_ns) / converter::NS_PER_FRAME
    }
}

/// Signs of life, counted where they arise: each buffer that the output asks for, each turn of the mixer.
#[derive(Debug, Default)]
pub struct Pulse {
    pub output: AtomicU64,
    pub mixer: AtomicU64,
}

/// One occurrence, laid out on a fixed time line so that neighbours stay in step whatever one of them lacks.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    pub occurrence: OccurrenceId,
    /// When frame 0 is to be heard, on CLOCK_MONOTONIC, as far as is known when it is prepared.
    pub start_mono_ns: i64,
    pub items: Vec<SessionItem>,
    /// What lies beneath the items, softly while any of them sounds.
    pub beds: Vec<SessionItem>,
    /// Length of the time line in frames.
    pub frames: u64,
    /// Amplitude factor of the whole.
    pub volume: f32,
}

impl Session {
    /// One file and nothing else, outside any plan.
    pub fn of_one(occurrence: OccurrenceId, file: MediaHash, frames: u64, start_mono_ns: i64, volume: f32) -> Self {
        let item = SessionItem {
            file: Some(file),
            at_frame: 0,
            frames,
            skip_ms: 0,
            gain: 1.0,
            fade_in: false,
            fade_out: false,
        };
        Self { occurrence, start_mono_ns, items: vec![item], beds: vec![], frames, volume }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct SessionItem {
    /// None where the item cannot be played: its place stays silent.
    pub file: Option<MediaHash>,
    /// Where it begins on the time line, and the most it may last, in frames.
    pub at_frame: u64,
    pub frames: u64,
    /// Where in the file it begins.
    pub skip_ms: i64,
    pub gain: f32,
    /// Whether it comes in, and goes out, softly: where it was cut.
    pub fade_in: bool,
    pub fade_out: bool,
}

/// What the caller asks for.
#[derive(Debug)]
pub enum Command {
    Play(Session),
    /// The clock is known better now: keeps the session to this line from here on.
    Steer {
        occurrence: OccurrenceId,
        line: Line,
    },
    /// Ends the named session early, if it is still the one playing.
    Stop(OccurrenceId),
    /// Has it fade out and end at this frame of its time line: something else begins there.
    Trim {
        occurrence: OccurrenceId,
        frames: u64,
    },
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum PlayerEvent {
    /// The first sample was heard at this monotonic instant.
    Sounding {
        occurrence: OccurrenceId,
        first_mono_ns: i64,
    },
    Finished {
        occurrence: OccurrenceId,
        summary: Summary,
    },
    /// A file is not what it was when it was verified.
    Corrupt {
        media: MediaHash,
    },
    /// Why the amplifier is not as it should be; `None` when it is again.
    Amplifier {
        problem: Option<String>,
    },
    /// Why there is nothing to listen with; `None` when there is. Said where a capture device is configured.
    Capture {
        problem: Option<String>,
    },
    /// Whether there is a working output, and whether it is a converter: a file or nothing proves no sound.
    Output {
        working: bool,
        converter: bool,
        detail: String,
    },
}

/// What left the converter.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Summary {
    pub first_mono_ns: Option<i64>,
    /// Frames of programme that were heard.
    pub heard_frames: u64,
    /// Frames of programme that should have been.
    pub wanted_frames: u64,
    pub level_dbfs: f32,
    pub peak_dbfs: f32,
    /// Times the ring ran dry, and hard corrections of the time line.
    pub underruns: u32,
    pub corrections: u32,
    /// The furthest that the sound was from its time line after its first second, as far as the device's timestamps tell.
    pub worst_off_us: i64,
    /// By how much the converter runs fast, where that is known.
    pub fast_ppm: Option<f32>,
    /// Frames lost to damage in the files.
    pub damaged_frames: u64,
    pub output_failed: bool,
    /// The amplifier was found to be off, or not to obey, while it was on.
    pub amplifier_failed: bool,
    pub stopped: bool,
    /// Whether it came back, where something listened and it could be told.
    pub heard_back: Option<Finding>,
}
