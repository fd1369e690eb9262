//! `loaxa-controller selftest`: a short and quiet sweep goes out, and what listens says whether it came back, and how that compares with installation.
//!
//! Owns the sweep, the words and the exit code. Plays the way a bulletin is played; takes no device from a running controller; writes nothing but the
//! baseline, and that only when asked to.

use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::config::Config;
use super::doctor::{self, Lang, Tone};
use super::os;
use super::path::{Baseline, CHANGE_DB, Path, Verdict};
use super::player::mixer::Player;
use super::player::output::Target;
use super::player::{Command, PlayerEvent, Session, Summary};
use super::store::{self, Store, hash_file};
use crate::audio::from_db;
use crate::audio::heard::Finding;
use crate::audio::sweep::Sweep;
use crate::audio::wav::WavWriter;

/// Quiet enough for a house beside the horn, and by its length far above what correlation needs.
/// Every frequency of the band once, and nothing in it like anything else in it.
const SWEEP: Sweep = Sweep { from_hz: 300.0, to_hz: 3_000.0, seconds: 1.5, ramp_s: 0.1, dbfs: -30.0 };
/// How long devices may take to be ready, and the sweep to be judged.
const READY: Duration = Duration::from_secs(15);
const JUDGED: Duration = Duration::from_secs(10);
/// As doctor's for what listens.
const FAULT: u8 = 17;

pub const EXIT_CODES: &str = "Exit codes: 0 heard, and within 6 dB of the baseline if there is one; 17 not heard, or changed; 1 it could not be tried; 2 bad usage";

/// What came of it; its fields are what `--json` prints.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Told {
    pub good: bool,
    pub code: u8,
    pub finding: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub advice: String,
    pub heard: bool,
    /// Gain of the way from the converter to what listens, now and at installation.
    pub gain_db: Option<f32>,
    pub baseline_db: Option<f32>,
    pub delay_ms: Option<f32>,
    /// Where nothing was heard: a way with a higher gain than this would have been.
    pub floor_db: Option<f32>,
    pub baseline_written: bool,
}

/// Plays the sweep and listens. `keep`: what is heard is the baseline from now on. An error where it could not be tried.
pub fn selftest(config: &Config, lang: Lang, tone: Tone, keep: bool) -> Result<Told, String> {
    let audio = &config.audio;
    if audio.capture.is_empty() {
        return Err(lang.say(
            "chưa có gì để nghe: đặt audio.capture (tên card thu)",
            "there is nothing to listen with: set audio.capture to a capture device",
        ));
    }
    let target = Target::parse(&audio.out, &audio.device).map_err(|e| format!("audio.out: {e}"))?;
    if !matches!(target, Target::Device(_)) {
        return Err(lang.say("audio.out không phải card âm thanh", "audio.out is not a sound device"));
    }
    if doctor::is_running(config) {
        return Err(lang.say(
            "bộ điều khiển đang chạy và giữ thiết bị: systemctl stop loaxa-controller, thử lại, rồi systemctl start loaxa-controller",
            "the running controller has the device: systemctl stop loaxa-controller, try again, then systemctl start loaxa-controller",
        ));
    }
    if !doctor::is_due(config, tone) {
        return Err(lang.say(
            "ban đêm (22:00-05:00) không thử tiếng; vẫn muốn thử: --tone",
            "no sound between 22:00 and 05:00; --tone plays it all the same",
        ));
    }
    let known = store::look(&config.store.dir, "").map(|look| look.contents.baseline).unwrap_or_default();
    let summary = doctor::quietly(|| sweep_out(config, target, lang))?;
    let told = tell(lang, &known, summary.heard_back, keep);
    if let (true, Some(gain_db)) = (keep && told.heard, told.gain_db) {
        let failed = |e: std::io::Error| format!("{}: {e}", config.store.dir.display());
        let (store, _) = Store::open(&config.store.dir, &os::boot_id()).map_err(failed)?;
        store.save_baseline(&Baseline { gain_db: Some(gain_db), ..Baseline::default() }).map_err(failed)?;
    }
    Ok(told)
}

/// What is said of it.
fn tell(lang: Lang, known: &Baseline, found: Option<Finding>, keep: bool) -> Told {
    let usual_db = known.gain_db.filter(|_| !keep);
    let floor_db = match found {
        Some(Finding::NotHeard { floor_db }) => Some(floor_db),
        _ => None,
    };
    let base = |good: bool, finding: String, advice: String| Told {
        good,
        code: if good { 0 } else { FAULT },
        finding,
        advice,
        heard: false,
        gain_db: None,
        baseline_db: known.gain_db,
        delay_ms: None,
        floor_db,
        baseline_written: false,
    };
    let look = lang.say(
        "xem âm ly, dây loa, loa, và dây hoặc micro thu",
        "look at amplifier, cable, horn, and at the line or microphone that listens",
    );
    match Path::new(Baseline { gain_db: usual_db, ..Baseline::default() }).take(found).0 {
        Verdict::Heard { gain_db, delay_ms } => {
            let change_db = usual_db.map(|usual_db| gain_db - usual_db);
            let heard = lang.say(
                format!("đã nghe thấy: {gain_db:.1} dB, trễ {delay_ms:.0} ms"),
                format!("heard: {gain_db:.1} dB, {delay_ms:.0} ms later"),
            );
            let (good, finding, advice) = match change_db {
                Some(change_db) if change_db.abs() > CHANGE_DB => (
                    false,
                    lang.say(
                        format!("{heard}; khác lúc lắp đặt {change_db:+.1} dB"),
                        format!("{heard}; {change_db:+.1} dB against installation"),
                    ),
                    look,
                ),
                Some(change_db) => (
                    true,
                    lang.say(
                        format!("{heard}; so với lúc lắp đặt {change_db:+.1} dB"),
                        format!("{heard}; {change_db:+.1} dB against installation"),
                    ),
                    String::new(),
                ),
                None if keep => (
                    true,
                    lang.say(format!("{heard}; đã ghi làm mốc"), format!("{heard}; kept as baseline")),
                    String::new(),
                ),
                None => (
                    true,
                    lang.say(format!("{heard}; chưa có mốc"), format!("{heard}; there is no baseline yet")),
                    lang.say("ghi mốc lúc lắp đặt: selftest --baseline", "at installation: selftest --baseline"),
                ),
            };
            let (gain, delay) = (Some(gain_db), Some(delay_ms));
            let baseline_db = if keep { gain } else { known.gain_db };
            Told {
                heard: true,
                gain_db: gain,
                delay_ms: delay,
                baseline_db,
                baseline_written: keep,
                ..base(good, finding, advice)
            }
        }
        Verdict::NotHeard => {
            base(false, lang.say("phát rồi nhưng không nghe thấy gì", "played, and nothing of it was heard"), look)
        }
        Verdict::Untold => base(
            false,
            lang.say(
                "không biết được: ồn quá, tiếng thu bị vỡ, hoặc đứt đoạn",
                "cannot be told: too noisy, overdriven, or with gaps",
            ),
            lang.say(
                "chỉnh mức thu (alsamixer), thử lại lúc yên",
                "turn the capture level down (alsamixer); try when it is quiet",
            ),
        ),
    }
}

/// Plays it through the real player, with its ear.
fn sweep_out(config: &Config, target: Target, lang: Lang) -> Result<Summary, String> {
    let file = tempfile::Builder::new().suffix(".wav").tempfile().map_err(|e| e.to_string())?;
    let samples = SWEEP.samples();
    WavWriter::create(file.path())
        .and_then(|mut wav| {
            wav.write(&samples)?;
            wav.flush()
        })
        .map_err(|e| e.to_string())?;
    let amplifier = config.amplifier.wiring()?;
    let warm_up_ns = amplifier.as_ref().map_or(0, |wiring| i64::from(wiring.warm_up_ms) * 1_000_000);
    let (sender, events) = channel();
    let path = file.path().to_owned();
    let capture = Some(config.audio.capture.clone());
    let player = Player::start(target, amplifier, capture, Box::new(move |_| path.clone()), move |event| {
        let _ = sender.send(event);
    })
    .map_err(|e| e.to_string())?;
    ready(&events, lang)?;
    let start_mono_ns = os::mono_ns() + 600_000_000 + warm_up_ns;
    let volume = from_db(config.audio.volume_db.min(0.0));
    let hash = hash_file(file.path()).map_err(|e| e.to_string())?;
    let occurrence = "selftest@0".to_owned().try_into().map_err(|_| "occurrence".to_owned())?;
    let session = Session::of_one(occurrence, hash, samples.len() as u64, start_mono_ns, volume);
    if !player.send(Command::Play(session)) {
        return Err("the player takes no orders".into());
    }
    let until = Instant::now() + JUDGED + Duration::from_nanos(warm_up_ns.unsigned_abs());
    while let Ok(event) = events.recv_timeout(until.saturating_duration_since(Instant::now())) {
        match event {
            PlayerEvent::Finished { summary, .. } if summary.output_failed => break,
            PlayerEvent::Finished { summary, .. } => return Ok(summary),
            _ => {}
        }
    }
    Err(lang.say("thiết bị âm thanh hỏng giữa chừng", "the sound device failed in the middle"))
}

/// Waits until both devices work.
fn ready(events: &Receiver<PlayerEvent>, lang: Lang) -> Result<(), String> {
    let until = Instant::now() + READY;
    let (mut plays, mut listens) = (false, false);
    while !(plays && listens) {
        match events.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(PlayerEvent::Output { working: true, .. }) => plays = true,
            Ok(PlayerEvent::Output { detail, .. }) => {
                return Err(lang.say(format!("không có tiếng: {detail}"), format!("no sound: {detail}")));
            }
            Ok(PlayerEvent::Capture { problem: None }) => listens = true,
            Ok(PlayerEvent::Capture { problem: Some(problem) }) => {
                return Err(lang.say(format!("không thu được: {problem}"), format!("nothing listens: {problem}")));
            }
            Ok(_) => {}
            Err(_) => return Err(lang.say("thiết bị âm thanh không trả lời", "the devices do not answer")),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_follows_from_gain_and_baseline() {
        let known = Baseline { gain_db: Some(-20.0), ..Baseline::default() };
        let heard = |gain_db| Some(Finding::Heard { gain_db, delay_ms: 12.0 });
        let said = |found, keep| tell(Lang::English, &known, found, keep);
        assert_eq!((said(heard(-22.0), false).code, said(heard(-27.0), false).code), (0, 17));
        let kept = said(heard(-27.0), true);
        assert_eq!((kept.code, kept.baseline_db, kept.baseline_written), (0, Some(-27.0), true));
        let dead = said(Some(Finding::NotHeard { floor_db: -60.0 }), true);
        assert_eq!((dead.code, dead.heard, dead.baseline_written, dead.floor_db), (17, false, false, Some(-60.0)));
        assert_eq!(said(None, false).code, 17);
        let first = tell(Lang::Vietnamese, &Baseline::default(), heard(-20.0), false);
        assert!(first.good && first.finding.contains("chưa có mốc") && first.advice.contains("--baseline"));
    }
}
