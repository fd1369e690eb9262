//! Turns a file of any supported format into mono samples at its own rate, a packet at a time.
//!
//! Files come from strangers: sizes and rates are bounded, what is damaged is skipped, counted ([`super::reckoning`]) and replaced by silence, and a
//! refusal says in plain words what is wrong with the file. Formats: MP3, AAC in M4A, Ogg Vorbis, Ogg Opus, FLAC, WAV, AIFF, ALAC.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::LazyLock;

use symphonia::core::audio::sample::Sample;
use symphonia::core::audio::{Audio as _, AudioBuffer, GenericAudioBufferRef, layouts};
use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_MP3, CODEC_ID_OPUS};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::codecs::registry::CodecRegistry;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, SeekMode, SeekTo, Track, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;
use symphonia::core::units::{Time, TimeBase};
use symphonia_adapter_libopus::OpusDecoder;
use thiserror::Error as ThisError;

use super::m4a::{self, Lengthened, Recording};
use super::reckoning::Reckoning;

const MAX_CHANNELS: usize = 8;
const MAX_RATE_HZ: u32 = 192_000;
const MIN_RATE_HZ: u32 = 4_000;
/// Packets in a row that may give no sound: a film's pictures between two pieces of its sound are fewer, and a table of four thousand million
/// empty packets fits into a hundred bytes.
const MAX_PACKETS_WITHOUT_SOUND: u32 = 1_000_000;
/// Packets in a row that may fail before the rest is given up; keeps garbage from being chewed for ever.
const MAX_FAILURES_IN_A_ROW: u32 = 2_000;
/// Silence is given out in pieces of this many frames.
const SILENCE_FRAMES: u64 = 4_096;

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

impl DecodeError {
    /// One word for each, from which a page makes a sentence of its own.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "unreadable",
            Self::TooMuchBeside => "too_much_beside",
            Self::Empty => "empty",
            Self::NotAudio => "not_audio",
            Self::NoTrack => "no_track",
            Self::UnknownCodec(_) => "unknown_codec",
            Self::OutOfRange { .. } => "out_of_range",
            Self::NothingDecoded => "nothing_decoded",
        }
    }
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
    time_base: Option<TimeBase>,
    /// Frames before the recording, and where it ends, if the container says so and symphonia does not heed it.
    padding: Option<(u64, Option<u64>)>,
    /// An MP3 without a count of its frames: its length is a guess, by which nothing must be cut or called lost.
    length_is_a_guess: bool,
    declared_frames: Option<u64>,
    reckoning: Reckoning,
    damaged_packets: u64,
    failures_in_a_row: u32,
    interleaved: Vec<f32>,
    /// Frames of silence still to give, and the sound that comes after it.
    silence: u64,
    held: Vec<f32>,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("rate_hz", &self.rate_hz).field("reckoning", &self.reckoning).finish()
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
    pub fn new(mut source: Box<dyn MediaSource>, extension: Option<&str>) -> Result<Self, DecodeError> {
        let mut hint = Hint::new();
        if let Some(extension) = extension {
            hint.with_extension(extension);
        }
        let recording = m4a::recording(&mut *source);
        if let Some(announced) = m4a::cut_off_from(&mut *source) {
            source = Box::new(Lengthened::new(source, announced));
        } else if aiff_is_cut_off(&mut *source) {
            // symphonia looks for what comes after the sound first, and gives the file up if it cannot; unless it cannot search at all.
            source = Box::new(Unsearchable(source));
        }
        source.rewind().map_err(|e| DecodeError::Unreadable(e.to_string()))?;
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
        let track = format.default_track(TrackType::Audio).ok_or(DecodeError::NoTrack)?.clone();
        let Some(CodecParameters::Audio(params)) = &track.codec_params else {
            return Err(DecodeError::NoTrack);
        };
        let channels = params.channels.as_ref().map_or(0, |c| c.count());
        let decoder = decoder(params, channels)?;
        let mut rate_hz = params.sample_rate.unwrap_or(0);
        // Some containers learn the rate only from the first packet; what is stated must be sane.
        if (rate_hz != 0 && !(MIN_RATE_HZ..=MAX_RATE_HZ).contains(&rate_hz)) || channels > MAX_CHANNELS {
            return Err(DecodeError::OutOfRange { rate_hz, channels });
        }
        if rate_hz == 0 {
            rate_hz = decoder.codec_params().sample_rate.ok_or(DecodeError::NothingDecoded)?;
        }
        let padding = recording.map(|recording| padding(recording, rate_hz));
        let length_is_a_guess = params.codec == CODEC_ID_MP3 && track.delay.is_none();
        let declared_frames = declared(&track, params, padding);
        let begin = u64::try_from(frames_in(track.start_ts.get(), track.time_base, rate_hz)).unwrap_or(0);
        let exact = declared_frames.filter(|_| !length_is_a_guess);
        Ok(Self {
            format,
            decoder,
            track: track.id,
            rate_hz,
            time_base: track.time_base,
            padding,
            length_is_a_guess,
            declared_frames,
            // A stream that was begun to be recorded in its middle has its first place there, and its length is counted from it.
            reckoning: Reckoning::new(rate_hz, exact.map(|frames| frames.saturating_add(begin)), begin),
            damaged_packets: 0,
            failures_in_a_row: 0,
            interleaved: vec![],
            silence: 0,
            held: vec![],
        })
    }

    /// Samples per second of what [`Decoder::next`] gives.
    pub fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    /// Frames that the container says there are, if it says; of some MP3s a guess.
    pub fn declared_frames(&self) -> Option<u64> {
        self.declared_frames
    }

    /// Frames that were decoded from the file.
    pub fn decoded_frames(&self) -> u64 {
        self.reckoning.sound()
    }

    /// Frames of silence that were given in the place of lost ones.
    pub fn silence_frames(&self) -> u64 {
        self.reckoning.silence()
    }

    /// Frames lost so far between others, for they could not be decoded or are not there.
    pub fn lost_frames(&self) -> u64 {
        self.reckoning.lost()
    }

    /// Frames that should have come before the end and did not; known once there is no more.
    pub fn cut_off_frames(&self) -> u64 {
        self.reckoning.cut_off()
    }

    /// How much of the file is done, from 0 to 1, where the container says how long it is.
    pub fn progress(&self) -> Option<f32> {
        let declared = self.declared_frames.filter(|frames| *frames > 0)?;
        let guess = (self.reckoning.sound() as f32 / declared as f32).min(1.0);
        Some(self.reckoning.progress().unwrap_or(guess))
    }

    /// Packets that were skipped because they could not be decoded.
    pub fn damaged_packets(&self) -> u64 {
        self.damaged_packets
    }

    /// Goes to a place in the file without decoding what is before it. Gives where the next sample is, in ms: a little before, since
    /// decoders need a run-up; `None` if this file cannot be searched.
    pub fn seek_before(&mut self, ms: i64) -> Option<f64> {
        const RUN_UP_MS: i64 = 200;
        let before = self.padding.map_or(0.0, |(before, _)| before as f64 * 1000.0 / f64::from(self.rate_hz));
        let time = Time::from_millis((ms - RUN_UP_MS).max(0).saturating_add(before as i64));
        let to = SeekTo::Time { time, track_id: Some(self.track) };
        let found = self.format.seek(SeekMode::Accurate, to).ok()?;
        self.decoder.reset();
        let base = self.format.tracks().iter().find(|track| track.id == self.track)?.time_base?;
        let seconds = found.actual_ts.get() as f64 * f64::from(base.numer.get()) / f64::from(base.denom.get());
        let ms = seconds * 1000.0 - before;
        // Within the padding: nothing of it will be given.
        let ms = if self.padding.is_some() { ms.max(0.0) } else { ms };
        self.reckoning.go_to((ms.max(0.0) * f64::from(self.rate_hz) / 1000.0).round() as u64);
        (ms >= 0.0).then_some(ms)
    }

    /// Appends the next packet's samples, mixed down to mono, or silence for lost ones, to `out`; false at the end.
    pub fn next(&mut self, out: &mut Vec<f32>) -> bool {
        if self.silence > 0 {
            let frames = self.silence.min(SILENCE_FRAMES);
            self.silence -= frames;
            out.resize(out.len() + frames as usize, 0.0);
            return true;
        }
        if !self.held.is_empty() {
            out.append(&mut self.held);
            return true;
        }
        let more = self.packet(out);
        if !more {
            self.reckoning.ends();
        }
        more
    }

    fn packet(&mut self, out: &mut Vec<f32>) -> bool {
        for _ in 0..MAX_PACKETS_WITHOUT_SOUND {
            let mut packet = match self.format.next_packet() {
                Ok(Some(packet)) if packet.track_id == self.track => packet,
                Ok(Some(_)) => continue,
                Ok(None) | Err(Error::IoError(_) | Error::ResetRequired | Error::LimitError(_)) => return false,
                Err(_) => {
                    if !self.failed(None) {
                        return false;
                    }
                    continue;
                }
            };
            if self.length_is_a_guess {
                packet.trim_end = Default::default();
            }
            let at = self.place(&packet);
            match self.decoder.decode(&packet) {
                Ok(buffer) if buffer.frames() == 0 => continue,
                Ok(buffer) => {
                    let channels = buffer.num_planes();
                    if channels == 0 || channels > MAX_CHANNELS || buffer.spec().rate() != self.rate_hz {
                        if !self.failed(Some((at, &packet))) {
                            return false;
                        }
                        continue;
                    }
                    let frames = buffer.frames();
                    self.failures_in_a_row = 0;
                    let kept = kept(self.padding, at, frames);
                    if kept.is_empty() {
                        continue;
                    }
                    let at = u64::try_from(at.saturating_add(kept.start as i64)).unwrap_or(0);
                    self.silence = self.reckoning.sounds(at, kept.len() as u64);
                    let silent = self.silence > 0;
                    let into = if silent { &mut self.held } else { &mut *out };
                    let from = into.len();
                    mix_down(&buffer, &mut self.interleaved, into);
                    if kept.len() < frames {
                        into.truncate(from + kept.end);
                        into.drain(from..from + kept.start);
                    }
                    return !silent || self.next(out);
                }
                Err(_) => {
                    if !self.failed(Some((at, &packet))) {
                        return false;
                    }
                }
            }
        }
        false
    }

    /// Where the sound of a packet belongs, in frames from the beginning of the recording.
    fn place(&self, packet: &Packet) -> i64 {
        let at = packet.pts.get().saturating_add_unsigned(packet.trim_start.get());
        let before = self.padding.map_or(0, |(before, _)| before);
        frames_in(at, self.time_base, self.rate_hz).saturating_sub_unsigned(before)
    }

    /// Counts a failure; false when it is time to give up.
    fn failed(&mut self, packet: Option<(i64, &Packet)>) -> bool {
        if let Some((at, packet)) = packet {
            let length = i64::try_from(packet.dur.get()).unwrap_or(i64::MAX);
            let until = at.saturating_add(frames_in(length, self.time_base, self.rate_hz));
            self.reckoning.fails(u64::try_from(until).unwrap_or(0));
        }
        self.damaged_packets += 1;
        self.failures_in_a_row += 1;
        self.failures_in_a_row < MAX_FAILURES_IN_A_ROW
    }
}

fn decoder(params: &AudioCodecParameters, channels: usize) -> Result<Box<dyn AudioDecoder>, DecodeError> {
    let mut params = params.clone();
    // libopus mixes down by itself, before the most expensive part of decoding.
    if params.codec == CODEC_ID_OPUS && channels == 2 {
        params.with_channels(layouts::CHANNEL_LAYOUT_MONO);
    }
    CODECS
        .make_audio_decoder(&params, &AudioDecoderOptions::default())
        .map_err(|error| DecodeError::UnknownCodec(error.to_string()))
}

struct Unsearchable(Box<dyn MediaSource>);

impl Read for Unsearchable {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(into)
    }
}

impl Seek for Unsearchable {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.0.seek(to)
    }
}

impl MediaSource for Unsearchable {
    fn is_seekable(&self) -> bool {
        false
    }

    fn byte_len(&self) -> Option<u64> {
        None
    }
}

fn aiff_is_cut_off(source: &mut dyn MediaSource) -> bool {
    let Ok(end) = source.seek(SeekFrom::End(0)) else { return false };
    let mut head = [0; 8];
    let read = source.rewind().and_then(|()| source.read_exact(&mut head));
    let [kind @ .., a, b, c, d] = head;
    read.is_ok() && kind == *b"FORM" && u64::from(u32::from_be_bytes([a, b, c, d])) + 8 > end
}

/// How long the file says it is; not what writers into a pipe put there, which is all that the field of a WAV holds.
fn declared(track: &Track, params: &AudioCodecParameters, padding: Option<(u64, Option<u64>)>) -> Option<u64> {
    if let Some((_, length)) = padding {
        return length;
    }
    let frames = track.num_frames?;
    let channels = params.channels.as_ref().map_or(1, |channels| channels.count() as u64);
    let bits = u64::from(params.bits_per_coded_sample.or(params.bits_per_sample).unwrap_or(8));
    let bytes = frames.saturating_mul(channels).saturating_mul(bits) / 8;
    let full = |most: u32| (u64::from(most) - (1 << 16)..=u64::from(most)).contains(&bytes);
    (!full(u32::MAX) && !full(i32::MAX as u32)).then_some(frames)
}

fn padding(recording: Recording, rate_hz: u32) -> (u64, Option<u64>) {
    let scaled = |units: u64| {
        let frames = u128::from(units) * u128::from(rate_hz) / u128::from(recording.units_per_s.max(1));
        u64::try_from(frames).unwrap_or(u64::MAX)
    };
    (scaled(recording.from), recording.length.map(scaled))
}

/// Which of a packet's frames belong to the recording.
fn kept(padding: Option<(u64, Option<u64>)>, at: i64, frames: usize) -> std::ops::Range<usize> {
    let Some((_, length)) = padding else { return 0..frames };
    let start = usize::try_from(at.saturating_neg().max(0)).unwrap_or(usize::MAX).min(frames);
    let room = length.map_or(i64::MAX, |length| i64::try_from(length).unwrap_or(i64::MAX)).saturating_sub(at);
    start..usize::try_from(room.max(0)).unwrap_or(usize::MAX).clamp(start, frames.max(start))
}

fn frames_in(units: i64, base: Option<TimeBase>, rate_hz: u32) -> i64 {
    let Some(base) = base else { return units };
    let frames = i128::from(units) * i128::from(base.numer.get()) * i128::from(rate_hz) / i128::from(base.denom.get());
    i64::try_from(frames).unwrap_or(if frames < 0 { i64::MIN } else { i64::MAX })
}

/// Averages the channels; anything that is not a number becomes silence.
fn mix_down(buffer: &GenericAudioBufferRef<'_>, interleaved: &mut Vec<f32>, out: &mut Vec<f32>) {
    // Laying all channels side by side first takes as long as the decoding of an MP3.
    match buffer {
        GenericAudioBufferRef::F32(planes) if mix_planes(*planes, |sample| sample, out) => return,
        GenericAudioBufferRef::S16(planes) if mix_planes(*planes, |sample| f32::from(sample) / 32_768.0, out) => return,
        GenericAudioBufferRef::S32(planes) if mix_planes(*planes, |sample| sample as f32 / 2_147_483_648.0, out) => {
            return;
        }
        _ => {}
    }
    let channels = buffer.num_planes();
    buffer.copy_to_vec_interleaved(interleaved);
    let scale = 1.0 / channels as f32;
    out.extend(interleaved.chunks_exact(channels).map(|frame| sane(frame.iter().sum::<f32>() * scale)));
}

/// Mono and stereo, which nearly all is; false for more channels.
fn mix_planes<S: Sample>(planes: &AudioBuffer<S>, to_f32: impl Fn(S) -> f32, out: &mut Vec<f32>) -> bool {
    match (planes.plane(0), planes.plane(1), planes.num_planes()) {
        (Some(mono), _, 1) => out.extend(mono.iter().map(|sample| sane(to_f32(*sample)))),
        (Some(left), Some(right), 2) => {
            out.extend(left.iter().zip(right).map(|(left, right)| sane((to_f32(*left) + to_f32(*right)) * 0.5)));
        }
        _ => return false,
    }
    true
}

fn sane(sample: f32) -> f32 {
    if sample.is_finite() { sample.clamp(-8.0, 8.0) } else { 0.0 }
}
