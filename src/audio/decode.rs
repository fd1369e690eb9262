//! Turns a file of any supported format into mono samples at its own rate, a packet at a time.
//!
//! Files come from strangers: sizes and rates are bounded, damaged packets are skipped and counted, and a refusal says
//! in plain words what is wrong with the file. Formats: MP3, AAC in M4A, Ogg Vorbis, Ogg Opus, FLAC, WAV, AIFF, ALAC.

use std::path::Path;
use std::sync::LazyLock;

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::codecs::registry::CodecRegistry;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, SeekMode, SeekTo, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::units::Time;
use symphonia_adapter_libopus::OpusDecoder;
use thiserror::Error as ThisError;

const MAX_CHANNELS: usize = 8;
const MAX_RATE_HZ: u32 = 192_000;
const MIN_RATE_HZ: u32 = 4_000;
/// Packets in a row that may give no sound: a film's pictures between two pieces of its sound are fewer, and a table of four thousand million
/// empty packets fits into a hundred bytes.
const MAX_PACKETS_WITHOUT_SOUND: u32 = 1_000_000;
/// Packets in a row that may fail before the rest is given up; keeps garbage from being chewed for ever.
const MAX_FAILURES_IN_A_ROW: u32 = 2_000;

/// Why a file is not playable audio, in the words of the person who sent it.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub enum DecodeError {
    #[error("the file cannot be read: {0}")]
    Unreadable(String),
    #[error("the file holds more beside its sound than fits here, such as pictures; export it again without them")]
    TooMuchBeside,
    #[error("the file is empty")]
    Empty,
    #[error(
        "this is not an audio file that can be played here; send MP3, M4A (AAC), Ogg (Vorbis or Opus), FLAC or WAV"
    )]
    NotAudio,
    #[error("the file holds no sound track")]
    NoTrack,
    #[error(
        "the sound in this file is in a coding that cannot be played here ({0}); convert it to MP3, M4A (AAC), Ogg, FLAC or WAV"
    )]
    UnknownCodec(String),
    #[error("the file's sample rate or number of channels is out of range ({rate_hz} Hz, {channels} channels)")]
    OutOfRange { rate_hz: u32, channels: usize },
    #[error("the file looks like audio, but no sound could be decoded from it; it is damaged or empty")]
    NothingDecoded,
}

static CODECS: LazyLock<CodecRegistry> = LazyLock::new(|| {
    let mut registry = CodecRegistry::new();
    symphonia::default::register_enabled_codecs(&mut registry);
    registry.register_audio_decoder::<OpusDecoder>();
    registry
});

/// A file being decoded.
pub struct Decoder {
    format: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    rate_hz: u32,
    declared_frames: Option<u64>,
    decoded_frames: u64,
    damaged_packets: u64,
    failures_in_a_row: u32,
    interleaved: Vec<f32>,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("rate_hz", &self.rate_hz).field("decoded_frames", &self.decoded_frames).finish()
    }
}

impl Decoder {
    pub fn open(path: &Path) -> Result<Self, DecodeError> {
        let unreadable = |e: std::io::Error| DecodeError::Unreadable(e.to_string());
        let file = std::fs::File::open(path).map_err(unreadable)?;
        let meta = file.metadata().map_err(unreadable)?;
        if !meta.is_file() {
            return Err(DecodeError::Unreadable("it is not a file".into()));
        }
        if meta.len() == 0 {
            return Err(DecodeError::Empty);
        }
        Self::new(Box::new(file), path.extension().and_then(|e| e.to_str()))
    }

    /// `extension` is only a hint; the content decides.
    pub fn new(source: Box<dyn MediaSource>, extension: Option<&str>) -> Result<Self, DecodeError> {
        let mut hint = Hint::new();
        if let Some(extension) = extension {
            hint.with_extension(extension);
        }
        let stream = MediaSourceStream::new(source, Default::default());
        let format = symphonia::default::get_probe()
            .probe(&hint, stream, FormatOptions::default(), MetadataOptions::default())
            .map_err(|error| match error {
                Error::IoError(e) if e.kind() == std::io::ErrorKind::OutOfMemory => DecodeError::TooMuchBeside,
                Error::IoError(e) if e.kind() != std::io::ErrorKind::UnexpectedEof => {
                    DecodeError::Unreadable(e.to_string())
                }
                _ => DecodeError::NotAudio,
            })?;
        let track = format.default_track(TrackType::Audio).ok_or(DecodeError::NoTrack)?;
        let Some(CodecParameters::Audio(params)) = &track.codec_params else {
            return Err(DecodeError::NoTrack);
        };
        let decoder = CODECS
            .make_audio_decoder(params, &AudioDecoderOptions::default())
            .map_err(|error| DecodeError::UnknownCodec(error.to_string()))?;
        let rate_hz = params.sample_rate.unwrap_or(0);
        let channels = params.channels.as_ref().map_or(0, |c| c.count());
        // Some containers learn the rate only from the first packet; what is stated must be sane.
        if (rate_hz != 0 && !(MIN_RATE_HZ..=MAX_RATE_HZ).contains(&rate_hz)) || channels > MAX_CHANNELS {
            return Err(DecodeError::OutOfRange { rate_hz, channels });
        }
        let (track, declared_frames) = (track.id, track.num_frames);
        let mut this = Self {
            format,
            decoder,
            track,
            rate_hz,
            declared_frames,
            decoded_frames: 0,
            damaged_packets: 0,
            failures_in_a_row: 0,
            interleaved: vec![],
        };
        if rate_hz == 0 {
            this.rate_hz = this.decoder.codec_params().sample_rate.ok_or(DecodeError::NothingDecoded)?;
        }
        Ok(this)
    }

    /// Samples per second of what [`Decoder::next`] gives.
    pub fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    /// Frames that the container says there are, if it says.
    pub fn declared_frames(&self) -> Option<u64> {
        self.declared_frames
    }

    pub fn decoded_frames(&self) -> u64 {
        self.decoded_frames
    }

    /// Packets that were skipped because they could not be decoded.
    pub fn damaged_packets(&self) -> u64 {
        self.damaged_packets
    }

    /// Goes to a place in the file without decoding what is before it. Gives where the next sample is, in ms: a little before, since
    /// decoders need a run-up; `None` if this file cannot be searched.
    pub fn seek_before(&mut self, ms: i64) -> Option<f64> {
        const RUN_UP_MS: i64 = 200;
        let time = Time::from_millis((ms - RUN_UP_MS).max(0));
        let to = SeekTo::Time { time, track_id: Some(self.track) };
        let found = self.format.seek(SeekMode::Accurate, to).ok()?;
        self.decoder.reset();
        let base = self.format.tracks().iter().find(|track| track.id == self.track)?.time_base?;
        let seconds = found.actual_ts.get() as f64 * f64::from(base.numer.get()) / f64::from(base.denom.get());
        (seconds >= 0.0).then_some(seconds * 1000.0)
    }

    /// Appends the next packet's samples, mixed down to mono, to `out`; false at the end.
    pub fn next(&mut self, out: &mut Vec<f32>) -> bool {
        for _ in 0..MAX_PACKETS_WITHOUT_SOUND {
            let packet = match self.format.next_packet() {
                Ok(Some(packet)) if packet.track_id == self.track => packet,
                Ok(Some(_)) => continue,
                Ok(None) | Err(Error::IoError(_) | Error::ResetRequired | Error::LimitError(_)) => return false,
                Err(_) => {
                    if !self.failed() {
                        return false;
                    }
                    continue;
                }
            };
            match self.decoder.decode(&packet) {
                Ok(buffer) if buffer.frames() == 0 => continue,
                Ok(buffer) => {
                    let channels = buffer.num_planes();
                    if channels == 0 || channels > MAX_CHANNELS || buffer.spec().rate() != self.rate_hz {
                        if !self.failed() {
                            return false;
                        }
                        continue;
                    }
                    self.decoded_frames += buffer.frames() as u64;
                    self.failures_in_a_row = 0;
                    buffer.copy_to_vec_interleaved(&mut self.interleaved);
                    mix_down(&self.interleaved, channels, out);
                    return true;
                }
                Err(_) => {
                    if !self.failed() {
                        return false;
                    }
                }
            }
        }
        false
    }

    /// Counts a failure; false when it is time to give up.
    fn failed(&mut self) -> bool {
        self.damaged_packets += 1;
        self.failures_in_a_row += 1;
        self.failures_in_a_row < MAX_FAILURES_IN_A_ROW
    }
}

/// Averages the channels; anything that is not a number becomes silence.
fn mix_down(interleaved: &[f32], channels: usize, out: &mut Vec<f32>) {
    let scale = 1.0 / channels as f32;
    out.extend(interleaved.chunks_exact(channels).map(|frame| {
        let mono = frame.iter().sum::<f32>() * scale;
        if mono.is_finite() { mono.clamp(-8.0, 8.0) } else { 0.0 }
    }));
}
