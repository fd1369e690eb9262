//! `loaxa-controller play FILE`: one file, now, through the same decoder and output as a scheduled play.

use std::path::Path;
use std::sync::mpsc;

use serde::Serialize;

use super::os::mono_ns;
use super::player::amplifier::Wiring;
use super::player::mixer::Player;
use super::player::output::Target;
use super::player::{Command, PlayerEvent, Session};
use super::store::hash_file;
use crate::audio::meter::Meter;
use crate::audio::source::Source;
use crate::audio::wav::WavWriter;
use crate::audio::{RATE_HZ, decode::DecodeError};

/// What was played.
#[derive(Debug, Serialize)]
pub struct Played {
    /// At the broadcast rate, mono.
    pub frames: u64,
    pub seconds: f64,
    pub rate_hz: u32,
    pub level_dbfs: f32,
    pub peak_dbfs: f32,
    /// Packets that could not be decoded and were skipped.
    pub damaged_packets: u64,
    /// Lost between other sound, where silence was put, and before the end that the file announces.
    pub lost_seconds: f64,
    pub out: String,
}

/// Plays `file`. Null and WAV run as fast as they can; a device in its own time.
pub fn play(file: &Path, out: &str, device: &str, amplifier: Option<Wiring>) -> Result<Played, String> {
    let target = Target::parse(out, device)?;
    let describe = |error: DecodeError| format!("{}: {error}", file.display());
    let mut source = Source::open(file).map_err(describe)?;
    let mut wav = match &target {
        // Written under another name first: a file that turns out to hold no sound leaves nothing behind.
        Target::Wav(path) => {
            let part = path.with_extension("part");
            let wav = WavWriter::create(&part).map_err(|e| format!("{} cannot be written: {e}", path.display()))?;
            Some((wav, part, path.clone()))
        }
        _ => None,
    };
    let (mut meter, mut block) = (Meter::default(), vec![]);
    loop {
        block.clear();
        let more = source.next(&mut block);
        meter.add(&block);
        if let Some((wav, _, path)) = &mut wav {
            wav.write(&block).map_err(|e| format!("{} cannot be written: {e}", path.display()))?;
        }
        if !more {
            break;
        }
    }
    if meter.frames() == 0 {
        if let Some((_, part, _)) = wav {
            let _ = std::fs::remove_file(part);
        }
        return Err(describe(DecodeError::NothingDecoded));
    }
    if let Some((mut wav, part, path)) = wav {
        wav.flush()
            .and_then(|()| std::fs::rename(&part, &path))
            .map_err(|e| format!("{} cannot be written: {e}", path.display()))?;
    }
    let mut played = Played {
        frames: meter.frames(),
        seconds: meter.frames() as f64 / f64::from(RATE_HZ),
        rate_hz: RATE_HZ,
        level_dbfs: meter.level_dbfs(),
        peak_dbfs: meter.peak_dbfs(),
        damaged_packets: source.decoder().damaged_packets(),
        lost_seconds: (source.lost_frames().saturating_add(source.cut_off_frames())) as f64 / f64::from(RATE_HZ),
        out: out.to_owned(),
    };
    if matches!(target, Target::Device(_)) {
        sound(file, target, amplifier, &mut played)?;
    }
    Ok(played)
}

/// Sends the file through the real player and waits until the device has taken all of it.
fn sound(file: &Path, target: Target, amplifier: Option<Wiring>, played: &mut Played) -> Result<(), String> {
    let (sender, events) = mpsc::channel();
    let path = file.to_owned();
    let warm_up_ns = amplifier.as_ref().map_or(0, |wiring| i64::from(wiring.warm_up_ms) * 1_000_000);
    let player = Player::start(target, amplifier, None, Box::new(move |_| path.clone()), move |event| {
        let _ = sender.send(event);
    })
    .map_err(|e| e.to_string())?;
    match events.recv() {
        Ok(PlayerEvent::Output { working: false, detail, .. }) => return Err(format!("no sound: {detail}")),
        Ok(_) => {}
        Err(_) => return Err("the player ended".into()),
    }
    let hash = hash_file(file).map_err(|e| e.to_string())?;
    // Late enough for the device to have got into its stride.
    let start_mono_ns = mono_ns() + 600_000_000 + warm_up_ns;
    let occurrence = "play@0".to_owned().try_into().map_err(|_| "occurrence".to_owned())?;
    let session = Session::of_one(occurrence, hash, played.frames, start_mono_ns, 1.0);
    player.send(Command::Play(session));
    for event in events {
        match event {
            PlayerEvent::Finished { summary, .. } if summary.output_failed => {
                return Err("the sound device failed".into());
            }
            PlayerEvent::Finished { summary, .. } => {
                played.frames = summary.heard_frames;
                played.seconds = summary.heard_frames as f64 / f64::from(RATE_HZ);
                played.level_dbfs = summary.level_dbfs;
                played.peak_dbfs = summary.peak_dbfs;
                // The last buffer is still in the device.
                std::thread::sleep(std::time::Duration::from_millis(200));
                return Ok(());
            }
            PlayerEvent::Output { working: false, detail, .. } => return Err(format!("no sound: {detail}")),
            _ => {}
        }
    }
    Err("the player ended before the file did".into())
}
