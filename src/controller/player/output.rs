//! Where the samples go: a sound device through cpal, a WAV file, or nowhere; all keep time, none is waited for.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use cpal::traits::{DeviceTrait, StreamTrait};
use cpal::{FromSample, SampleFormat, SizedSample};
use tracing::{info, warn};

use super::Pulse;
use super::device::{self, Use};
use super::render::{MAX_BUFFER_FRAMES, Renderer};
use crate::audio::RATE_HZ;
use crate::audio::wav::WavWriter;
use crate::controller::os;

/// Where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A device by name, or the default one.
    Device(Option<String>),
    Wav(PathBuf),
    Null,
}

impl Target {
    /// Reads `cpal`, `wav:PATH` or `null`.
    pub fn parse(out: &str, device: &str) -> Result<Self, String> {
        match out {
            "cpal" => Ok(Self::Device((!device.is_empty()).then(|| device.to_owned()))),
            "null" => Ok(Self::Null),
            _ => match out.strip_prefix("wav:") {
                Some(path) if !path.is_empty() => Ok(Self::Wav(path.into())),
                _ => Err(format!("{out:?} is not an output; use cpal, wav:PATH or null")),
            },
        }
    }
}

/// Frames in one device period. Two of them are the device's buffer: 100 ms, long enough for a busy small board, and short
/// enough that an emergency is not kept waiting. The start is placed by timestamp, so this length costs no precision.
const PERIOD_FRAMES: u32 = 2_400;
/// The first buffers fill an empty device and carry no usable time.
const PRE_ROLL_BUFFERS: u32 = 4;

/// A running output. Dropping it stops it.
pub enum Output {
    Device { _stream: cpal::Stream, failed: Arc<AtomicBool>, name: String },
    Paced { stop: Arc<AtomicBool>, thread: Option<JoinHandle<()>> },
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Device { .. } => "Output::Device",
            Self::Paced { .. } => "Output::Paced",
        })
    }
}

impl Output {
    pub fn open(target: &Target, renderer: Renderer, pulse: Arc<Pulse>) -> Result<Self, String> {
        match target {
            Target::Device(name) => open_device(name.as_deref(), renderer, &pulse),
            Target::Wav(path) => {
                let wav = WavWriter::create(path).map_err(|e| format!("{} cannot be written: {e}", path.display()))?;
                Ok(open_paced(Some(wav), renderer, pulse))
            }
            Target::Null => Ok(open_paced(None, renderer, pulse)),
        }
    }

    /// Whether the device has gone away since it was opened.
    pub fn has_failed(&self) -> bool {
        match self {
            Self::Device { failed, .. } => failed.load(Ordering::Relaxed),
            Self::Paced { .. } => false,
        }
    }

    pub fn describe(&self) -> String {
        match self {
            Self::Device { name, .. } => name.clone(),
            Self::Paced { .. } => "no device".into(),
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Self::Paced { stop, thread } = self {
            stop.store(true, Ordering::Relaxed);
            if let Some(thread) = thread.take() {
                let _ = thread.join();
            }
        }
    }
}

fn open_device(name: Option<&str>, renderer: Renderer, pulse: &Arc<Pulse>) -> Result<Output, String> {
    let device = device::find(name, Use::Playing)?;
    let name = device::name(&device);
    let (channels, format) = device::choose(&device, Use::Playing)?;
    let config =
        cpal::StreamConfig { channels, sample_rate: RATE_HZ, buffer_size: cpal::BufferSize::Fixed(PERIOD_FRAMES) };
    let failed = Arc::new(AtomicBool::new(false));
    let stream = match format {
        SampleFormat::F32 => build::<f32>(&device, config, renderer, failed.clone(), pulse.clone()),
        SampleFormat::I32 => build::<i32>(&device, config, renderer, failed.clone(), pulse.clone()),
        _ => build::<i16>(&device, config, renderer, failed.clone(), pulse.clone()),
    };
    let stream = stream.map_err(|e| format!("{name} cannot be opened: {e}"))?;
    stream.play().map_err(|e| format!("{name} cannot be started: {e}"))?;
    info!("sound device {name}: {channels} channel(s), {format}, {RATE_HZ} Hz");
    Ok(Output::Device { _stream: stream, failed, name })
}

fn build<T: SizedSample + FromSample<f32>>(
    device: &cpal::Device,
    config: cpal::StreamConfig,
    mut renderer: Renderer,
    failed: Arc<AtomicBool>,
    pulse: Arc<Pulse>,
) -> Result<cpal::Stream, cpal::Error> {
    let channels = usize::from(config.channels).max(1);
    let mut mono = vec![0.0f32; MAX_BUFFER_FRAMES];
    let mut buffers = 0u32;
    device.build_output_stream(
        config,
        move |data: &mut [T], info: &cpal::OutputCallbackInfo| {
            let called_mono_ns = os::mono_ns();
            pulse.output.fetch_add(1, Ordering::Relaxed);
            if buffers == 0 {
                os::make_thread_real_time();
            }
            buffers = buffers.saturating_add(1);
            let stamp = info.timestamp();
            let lead_ns = stamp.playback.saturating_duration_since(stamp.callback).as_nanos() as i64;
            let timed = buffers > PRE_ROLL_BUFFERS && lead_ns > 0;
            let mut heard_mono_ns = called_mono_ns + lead_ns;
            for piece in data.chunks_mut(MAX_BUFFER_FRAMES * channels) {
                let frames = piece.len() / channels;
                let mono = &mut mono[..frames];
                renderer.render(mono, timed.then_some(heard_mono_ns));
                for (frame, sample) in piece.chunks_mut(channels).zip(mono.iter()) {
                    frame.fill(T::from_sample(*sample));
                }
                heard_mono_ns += frames as i64 * 1_000_000_000 / i64::from(RATE_HZ);
            }
        },
        move |error| match error.kind() {
            // cpal re-primes the device by itself; the renderer sees the jump and rejoins.
            cpal::ErrorKind::Xrun | cpal::ErrorKind::RealtimeDenied => {}
            _ => {
                warn!("sound device: {error}");
                failed.store(true, Ordering::Relaxed);
            }
        },
        None,
    )
}

/// Keeps time without a device: a buffer every 20 ms. A file gets only what sounds, so that an idle day does not fill the disk.
fn open_paced(mut wav: Option<WavWriter>, mut renderer: Renderer, pulse: Arc<Pulse>) -> Output {
    const FRAMES: usize = 960;
    let period_ns = FRAMES as i64 * 1_000_000_000 / i64::from(RATE_HZ);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let thread = std::thread::spawn(move || {
        let mut buffer = [0.0f32; FRAMES];
        let mut heard_mono_ns = os::mono_ns() + 2 * period_ns;
        while !stopped.load(Ordering::Relaxed) {
            pulse.output.fetch_add(1, Ordering::Relaxed);
            let active_before = renderer.is_active();
            renderer.render(&mut buffer, Some(heard_mono_ns));
            if let Some(wav) = wav.as_mut().filter(|_| active_before || renderer.is_active()) {
                let written = wav.write(&buffer).and_then(|()| if renderer.is_active() { Ok(()) } else { wav.flush() });
                if let Err(error) = written {
                    warn!("the WAV file cannot be written: {error}");
                }
            }
            heard_mono_ns += period_ns;
            let wait_ns = heard_mono_ns - 2 * period_ns - os::mono_ns();
            if wait_ns > 0 {
                std::thread::sleep(Duration::from_nanos(wait_ns as u64));
            } else if wait_ns < -10 * period_ns {
                // This process was stopped for a while; a device would have run dry and begun again.
                heard_mono_ns = os::mono_ns() + 2 * period_ns;
            }
        }
        if let Some(mut wav) = wav {
            let _ = wav.flush();
        }
    });
    Output::Paced { stop, thread: Some(thread) }
}
