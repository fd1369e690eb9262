//! Turns what was uploaded into the broadcast form: decodes it for real, measures its loudness, converts, hashes.
//!
//! Uploads wait as rows, so one that was accepted is converted even if the center was killed in between. The work runs in a process of
//! its own ([`super::conversion`]), one file at a time, and says how far it is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::{info, warn};

use super::app::{App, Change};
use super::conversion::{LONGEST_MINUTES, convert_apart};
use super::store::{Intake, RevisionRow, Sound, StoreError};
use crate::audio::RATE_HZ;
use crate::audio::decode::DecodeError;
use crate::audio::encode::OpusWriter;
use crate::audio::flaws::{Silences, Tops};
use crate::audio::loudness::{Loudness, LoudnessMeter, SILENCE_LUFS};
use crate::audio::meter::Meter;
use crate::audio::source::{Source, duration_ms};
use crate::domain::plan::MAX_MEDIA_BYTES;

/// The result of a conversion.
#[derive(Debug)]
pub struct Converted {
    pub opus: Vec<u8>,
    pub duration_ms: i64,
    pub loudness: Loudness,
    pub warnings: Vec<String>,
}

const SHORTEST_MS: i64 = 200;

/// Decodes, measures and converts a file; `progress` hears percents and how much has come out of it in ms, and says whether to go on. An error is
/// in the words of the person who sent it.
pub fn convert(path: &Path, longest_ms: i64, mut progress: impl FnMut(u8, i64) -> bool) -> Result<Converted, String> {
    let mut source = Source::open(path).map_err(|e| e.to_string())?;
    let mut loudness = LoudnessMeter::new()?;
    let mut opus = OpusWriter::new(vec![])?;
    let (mut silences, mut tops) = (Silences::default(), Tops::new(source.decoder().rate_hz()));
    let (mut meter, mut block) = (Meter::default(), vec![]);
    loop {
        block.clear();
        let more = source.next(&mut block);
        silences.add(&block);
        tops.add(source.decoded());
        meter.add(&block);
        loudness.add(&block)?;
        opus.push(&block)?;
        if duration_ms(meter.frames()) > longest_ms {
            return Err(format!("it is longer than the {} minutes that are allowed", longest_ms / 60_000));
        }
        if !progress((source.progress().unwrap_or(0.0) * 100.0) as u8, duration_ms(meter.frames())) {
            return Err("the conversion was broken off".into());
        }
        if !more {
            break;
        }
    }
    if meter.frames() == 0 {
        return Err(DecodeError::NothingDecoded.to_string());
    }
    let length_ms = duration_ms(meter.frames());
    if length_ms < SHORTEST_MS {
        return Err(format!("it lasts only {length_ms} ms; a bulletin needs at least {SHORTEST_MS} ms"));
    }
    let loudness = loudness.finish()?;
    let mut warnings = vec![];
    let seconds = |frames: u64| frames as f64 / f64::from(RATE_HZ);
    let lost_s = seconds(source.lost_frames());
    if lost_s >= 0.05 {
        warnings.push(format!("{lost_s:.1} s of it could not be decoded and were skipped"));
    } else if source.decoder().damaged_packets() > 0 {
        warnings.push(format!("{} damaged places were skipped", source.decoder().damaged_packets()));
    }
    let missing_s = seconds(source.cut_off_frames());
    if missing_s >= 0.1 {
        warnings.push(format!("it is cut off or damaged: {missing_s:.1} s that it announces are not in it"));
    }
    let silent = silences.warnings();
    // Less than 0.4 s has no integrated loudness, but a level.
    if silent.is_empty() && loudness.integrated_lufs < SILENCE_LUFS && f64::from(meter.level_dbfs()) < SILENCE_LUFS {
        warnings.push("it is silent, or nearly so".to_owned());
    }
    warnings.extend(silent);
    warnings.extend(tops.warning());
    let opus = opus.finish()?;
    if opus.len() as u64 > MAX_MEDIA_BYTES {
        return Err(format!("converted, it is larger than {} MiB", MAX_MEDIA_BYTES / 1024 / 1024));
    }
    Ok(Converted { opus, duration_ms: length_ms, loudness, warnings })
}

/// Removes what a kill left behind: uploads that no row names, and files that never reached their names. Only while nothing is sent in.
pub async fn sweep(app: &App) -> Result<(), StoreError> {
    let rows = app.store.received_revisions().await?;
    let named: Vec<_> = rows
        .iter()
        .filter_map(|row| match &row.intake {
            Intake::Received { upload } => Some(upload.as_str()),
            _ => None,
        })
        .collect();
    let files = |dir: PathBuf| std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let orphans = files(app.uploads()).filter(|path| !named.contains(&name(path).as_str()));
    let broken_off = files(app.data.path("media")).filter(|path| name(path).starts_with(".tmp"));
    for path in orphans.chain(broken_off) {
        info!("{} was left behind half done; removed", path.display());
        if let Err(error) = std::fs::remove_file(&path) {
            warn!("{} cannot be removed: {error}", path.display());
        }
    }
    Ok(())
}

/// Converts whatever waits, now and whenever the bell rings.
pub async fn run(app: Arc<App>) {
    loop {
        match app.store.received_revisions().await {
            Ok(rows) if rows.is_empty() => app.ingest_bell.notified().await,
            Ok(rows) => {
                for row in rows {
                    if let Err(error) = ingest(&app, &row).await {
                        warn!("bulletin {} revision {}: {error}; trying again", row.bulletin, row.revision);
                        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
                    }
                }
            }
            Err(error) => {
                warn!("uploads cannot be looked up: {error}");
                tokio::time::sleep(std::time::Duration::from_secs(2)).await;
            }
        }
    }
}

/// Converts one revision and stores the result; an error here is the machine's, not the file's.
async fn ingest(app: &Arc<App>, row: &RevisionRow) -> Result<(), String> {
    let Intake::Received { upload } = &row.intake else { return Ok(()) };
    let path = app.upload_path(upload);
    let longest_minutes = app.config.media.longest_minutes.clamp(1, LONGEST_MINUTES);
    let key = (row.bulletin.clone(), row.revision);
    let note = |percent| {
        if let Ok(mut progress) = app.progress.lock() {
            progress.insert(key.clone(), percent);
        }
    };
    let converted = convert_apart(&path, longest_minutes, note).await?;
    let (intake, warnings) = match converted {
        Ok(converted) => {
            let bytes = converted.opus.len() as u64;
            let media = app.media.add(&converted.opus).map_err(|e| e.to_string())?;
            let (loudness, gain_db) = (converted.loudness, converted.loudness.gain_db());
            let sound = Sound { media, bytes, duration_ms: converted.duration_ms, loudness, gain_db };
            info!("bulletin {} revision {}: {} ms, {} bytes", row.bulletin, row.revision, sound.duration_ms, bytes);
            (Intake::Ready(sound), converted.warnings)
        }
        Err(problem) => (Intake::Refused { problem }, vec![]),
    };
    app.store.finish_intake(row, &intake, &warnings).await.map_err(|e| e.to_string())?;
    if let Ok(mut progress) = app.progress.lock() {
        progress.remove(&key);
    }
    let _ = std::fs::remove_file(path);
    app.changed(Change::Plays);
    Ok(())
}
