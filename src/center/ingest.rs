//! Turns what was uploaded into the broadcast form: decodes it for real, measures its loudness, converts, hashes.
//!
//! Uploads wait as rows, so one that was accepted is converted even if the center was killed in between. The work runs in a process of
//! its own ([`super::conversion`]), one file at a time, and says how far it is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use super::app::{App, Change, now_ms};
use super::conversion::{LONGEST_MINUTES, convert_apart};
use super::store::{Intake, RevisionRow, Sound, StoreError};
use crate::audio::RATE_HZ;
use crate::audio::decode::DecodeError;
use crate::audio::encode::OpusWriter;
use crate::audio::flaws::{Silences, Tops};
use crate::audio::loudness::{Loudness, LoudnessMeter, SILENCE_LUFS};
use crate::audio::meter::Meter;
use crate::audio::peaks::Peaks;
use crate::audio::source::{Source, duration_ms};
use crate::domain::bulletin::Flaw;
use crate::domain::plan::MAX_MEDIA_BYTES;

/// The result of a conversion.
#[derive(Debug)]
pub struct Converted {
    pub opus: Vec<u8>,
    pub duration_ms: i64,
    pub loudness: Loudness,
    pub flaws: Vec<Flaw>,
    /// Its outline, see [`Peaks`].
    pub peaks: Vec<u8>,
}

/// Why a file is not taken: one word for the page, and a sentence for everybody else, in terms of the person who sent it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfit {
    pub code: String,
    pub problem: String,
}

impl Unfit {
    pub fn new(code: &str, problem: impl Into<String>) -> Self {
        Self { code: code.into(), problem: problem.into() }
    }
}

impl From<DecodeError> for Unfit {
    fn from(error: DecodeError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

/// What goes wrong between decoder and encoder.
impl From<String> for Unfit {
    fn from(problem: String) -> Self {
        Self::new("other", problem)
    }
}

const SHORTEST_MS: i64 = 200;

/// Decodes, measures and converts a file; `progress` hears percents and how much has come out of it in ms, and says whether to go on.
pub fn convert(path: &Path, longest_ms: i64, mut progress: impl FnMut(u8, i64) -> bool) -> Result<Converted, Unfit> {
    let mut source = Source::open(path)?;
    let mut loudness = LoudnessMeter::new()?;
    let mut opus = OpusWriter::new(vec![])?;
    let (mut silences, mut tops) = (Silences::default(), Tops::new(source.decoder().rate_hz()));
    let (mut meter, mut peaks, mut block) = (Meter::default(), Peaks::default(), vec![]);
    loop {
        block.clear();
        let more = source.next(&mut block);
        silences.add(&block);
        tops.add(source.decoded());
        meter.add(&block);
        peaks.add(&block);
        loudness.add(&block)?;
        opus.push(&block)?;
        if duration_ms(meter.frames()) > longest_ms {
            let problem = format!("it is longer than the {} minutes that are allowed", longest_ms / 60_000);
            return Err(Unfit::new("too_long", problem));
        }
        if !progress((source.progress().unwrap_or(0.0) * 100.0) as u8, duration_ms(meter.frames())) {
            return Err(Unfit::new("other", "the conversion was broken off"));
        }
        if !more {
            break;
        }
    }
    if meter.frames() == 0 {
        return Err(DecodeError::NothingDecoded.into());
    }
    let length_ms = duration_ms(meter.frames());
    if length_ms < SHORTEST_MS {
        let problem = format!("it lasts only {length_ms} ms; a bulletin needs at least {SHORTEST_MS} ms");
        return Err(Unfit::new("too_short", problem));
    }
    let loudness = loudness.finish()?;
    let mut flaws = vec![];
    let in_ms = |frames: u64| (frames as f64 * 1000.0 / f64::from(RATE_HZ)).round() as i64;
    let lost_ms = in_ms(source.lost_frames());
    if lost_ms >= 50 {
        flaws.push(Flaw::NotDecoded { length_ms: lost_ms });
    } else if source.decoder().damaged_packets() > 0 {
        flaws.push(Flaw::DamagedPlaces { places: source.decoder().damaged_packets() });
    }
    let missing_ms = in_ms(source.cut_off_frames());
    if missing_ms >= 100 {
        flaws.push(Flaw::CutOff { missing_ms });
    }
    let silent = silences.flaws();
    // Less than 0.4 s has no integrated loudness, but a level.
    if silent.is_empty() && loudness.integrated_lufs < SILENCE_LUFS && f64::from(meter.level_dbfs()) < SILENCE_LUFS {
        flaws.push(Flaw::NearlySilent);
    }
    flaws.extend(silent);
    flaws.extend(tops.flaw());
    let opus = opus.finish()?;
    if opus.len() as u64 > MAX_MEDIA_BYTES {
        let problem = format!("converted, it is larger than {} MiB", MAX_MEDIA_BYTES / 1024 / 1024);
        return Err(Unfit::new("too_large", problem));
    }
    Ok(Converted { opus, duration_ms: length_ms, loudness, flaws, peaks: peaks.finish() })
}

/// Removes what a kill left behind: uploads that no row names, and files that never reached their names. Only while nothing is sent in.
pub async fn sweep(app: &App) -> Result<(), StoreError> {
    // What is still being sent in goes on after a restart.
    app.store.drop_uploads(now_ms()).await?;
    let needed = app.store.needed_uploads().await?;
    let files = |dir: PathBuf| std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let orphans = files(app.uploads()).filter(|path| !needed.contains(&name(path)));
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
    let (intake, flaws) = match converted {
        Ok(converted) => {
            let bytes = converted.opus.len() as u64;
            let media = app.media.add(&converted.opus).map_err(|e| e.to_string())?;
            let (loudness, gain_db) = (converted.loudness, converted.loudness.gain_db());
            let sound = Sound { media, bytes, duration_ms: converted.duration_ms, loudness, gain_db };
            info!("bulletin {} revision {}: {} ms, {} bytes", row.bulletin, row.revision, sound.duration_ms, bytes);
            app.store.keep_peaks(&media, &converted.peaks).await.map_err(|e| e.to_string())?;
            (Intake::Ready(sound), converted.flaws)
        }
        Err(unfit) => (Intake::Refused(unfit), vec![]),
    };
    app.store.finish_intake(row, &intake, &flaws).await.map_err(|e| e.to_string())?;
    if let Ok(mut progress) = app.progress.lock() {
        progress.remove(&key);
    }
    let _ = std::fs::remove_file(path);
    app.changed(Change::Bulletins);
    Ok(())
}
