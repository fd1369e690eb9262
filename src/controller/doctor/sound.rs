//! The output, by a short and quiet tone, and whether a device to listen with is there. Takes no device from a running controller.

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use super::{Patient, Said, Tone, plan};
use crate::audio::sweep::Sweep;
use crate::audio::wav::WavWriter;
use crate::controller::play;
use crate::controller::player::amplifier::Wiring;
use crate::controller::player::device::{self, Use};
use crate::controller::player::output::Target;
use crate::domain::schedule::DEFAULT_TIME_ZONE;

/// It comes and goes softly, so that a horn does not crack.
const TONE: Sweep = Sweep { from_hz: 1_000.0, to_hz: 1_000.0, seconds: 1.0, ramp_s: 0.05, dbfs: -20.0 };
/// A device that has not taken a second of sound by then hangs.
const PATIENCE: Duration = Duration::from_secs(15);

pub(super) fn output(patient: &Patient, tone: Tone) -> Said {
    let (lang, audio) = (patient.lang, &patient.config.audio);
    let target = match Target::parse(&audio.out, &audio.device) {
        Ok(target) => target,
        Err(problem) => {
            return Said::fault(format!("audio.out: {problem}"), lang.say("sửa audio.out", "mend audio.out"));
        }
    };
    match target {
        Target::Null => {
            return Said::fault(
                lang.say("audio.out là null: không nghe thấy gì", "audio.out is null: nothing will be heard"),
                lang.say("đặt audio.out = \"cpal\"", "set audio.out = \"cpal\""),
            );
        }
        Target::Wav(path) => {
            return Said::note(
                lang.say(format!("ghi vào tệp {}", path.display()), format!("goes to the file {}", path.display())),
                lang.say("loa không kêu: chỉ để thử", "no horn sounds: that is for trials"),
            );
        }
        Target::Device(_) => {}
    }
    let look = lang.say(
        "cắm lại card, xem aplay -l và /etc/asound.conf",
        "plug the card in again; look at aplay -l and /etc/asound.conf",
    );
    if let Some(output) = patient.status.as_ref().and_then(|status| status.output.as_ref()) {
        return match output {
            output if output.stalled => Said::fault(
                lang.say(
                    format!("{}: thiết bị đứng, không nhận âm thanh", output.detail),
                    format!("{}: it hangs, and takes no sound", output.detail),
                ),
                look,
            ),
            output if output.working => Said::good(lang.say(
                format!("bộ điều khiển đang dùng {}, chạy tốt; không thử tiếng", output.detail),
                format!("the controller has {} in use, and it works; no tone", output.detail),
            )),
            output => Said::fault(
                lang.say(format!("không có tiếng: {}", output.detail), format!("no sound: {}", output.detail)),
                look,
            ),
        };
    }
    if patient.running {
        return Said::note(
            lang.say("bộ điều khiển đang chạy và giữ thiết bị", "the running controller has the device"),
            lang.say("muốn thử tiếng: systemctl stop loaxa-controller", "for a tone: systemctl stop loaxa-controller"),
        );
    }
    // What the controller would do with it.
    let wanted = (!audio.device.is_empty()).then_some(audio.device.as_str());
    let found = device::find(wanted, Use::Playing).and_then(|found| {
        device::choose(&found, Use::Playing)?;
        Ok(device::name(&found))
    });
    let name = match found {
        Ok(name) => name,
        Err(problem) => {
            let finding = lang.say(
                format!("không dùng được thiết bị âm thanh ({problem})"),
                format!("the sound device is no good ({problem})"),
            );
            return Said::fault(finding, look);
        }
    };
    if !is_due(tone, plan::local_hour(DEFAULT_TIME_ZONE, patient.now.unix_ms)) {
        let finding =
            lang.say(format!("{name}: có thiết bị, không thử tiếng"), format!("{name}: it is there; no tone played"));
        if tone == Tone::Never {
            return Said::good(finding);
        }
        return Said::note(
            finding,
            lang.say("ban đêm không thử tiếng; muốn thử: --tone", "no tone at night; --tone plays it all the same"),
        );
    }
    let wiring = patient.config.amplifier.wiring();
    match wiring.and_then(|wiring| sound(&audio.device, wiring)) {
        Ok(seconds) if seconds > TONE.seconds * 0.9 => Said::note(
            lang.say(
                format!("{name}: đã phát tiếng thử {seconds:.1} giây, -20 dBFS"),
                format!("{name}: played a tone of {seconds:.1} s at -20 dBFS"),
            ),
            lang.say(
                "không nghe thấy? xem alsamixer, âm ly, dây loa",
                "heard nothing? look at alsamixer, amplifier, cable",
            ),
        ),
        Ok(seconds) => Said::fault(
            lang.say(format!("{name}: chỉ nhận {seconds:.1} giây"), format!("{name}: took {seconds:.1} s only")),
            look,
        ),
        Err(problem) => Said::fault(format!("{name}: {problem}"), look),
    }
}

/// ALSA writes a page of its own to stderr about every device that is not there; the finding says it in a line.
pub(in crate::controller) fn quietly<T>(work: impl FnOnce() -> T) -> T {
    use rustix::stdio::{dup2_stderr, stderr};
    let kept = rustix::io::dup(stderr());
    if let (Ok(_), Ok(nowhere)) = (&kept, std::fs::File::options().write(true).open("/dev/null")) {
        let _ = dup2_stderr(nowhere);
    }
    let result = work();
    if let Ok(kept) = kept {
        let _ = dup2_stderr(kept);
    }
    result
}

pub(super) fn is_due(tone: Tone, local_hour: u32) -> bool {
    match tone {
        Tone::Always => true,
        Tone::Never => false,
        Tone::ByDay => (5..22).contains(&local_hour),
    }
}

/// Plays the tone the way a bulletin is played; gives the seconds that the device took.
fn sound(device: &str, amplifier: Option<Wiring>) -> Result<f32, String> {
    let file = tempfile::Builder::new().suffix(".wav").tempfile().map_err(|error| error.to_string())?;
    let written = WavWriter::create(file.path()).and_then(|mut wav| {
        wav.write(&TONE.samples())?;
        wav.flush()
    });
    written.map_err(|error| error.to_string())?;
    let (sender, ended) = mpsc::channel();
    let device = device.to_owned();
    // On a thread of its own: a device that hangs is not to take doctor with it.
    std::thread::spawn(move || {
        let _ = sender.send(play::play(file.path(), "cpal", &device, amplifier));
    });
    match ended.recv_timeout(PATIENCE) {
        Ok(played) => played.map(|played| played.seconds as f32),
        Err(_) => Err("the device hangs".into()),
    }
}

/// Whether there is a device to listen with, and, where a controller runs, what it has heard with it.
pub(super) fn capture(patient: &Patient) -> Said {
    let (lang, wanted) = (patient.lang, &patient.config.audio.capture);
    if let Some(status) = patient.status.as_ref().filter(|_| !wanted.is_empty()) {
        if let Some(problem) = &status.detail.capture_problem {
            return Said::fault(
                format!("{wanted}: {problem}"),
                lang.say("cắm lại card thu, xem arecord -L", "plug what listens in again; look at arecord -L"),
            );
        }
        if let Some(warning) = &status.detail.path_warning {
            return Said::fault(
                lang.say(
                    format!("tiếng loa không như lúc lắp đặt: {warning}"),
                    format!("the horn is not as it was: {warning}"),
                ),
                lang.say("xem âm ly, dây loa, loa", "look at amplifier, cable, horn"),
            );
        }
        if let Some(gain_db) = status.detail.path.and_then(|path| path.gain_db) {
            return Said::good(lang.say(
                format!("{wanted}: lần phát vừa rồi nghe thấy, {gain_db:.0} dB"),
                format!("{wanted}: the last play was heard, {gain_db:.0} dB"),
            ));
        }
    }
    let cards = capture_cards("/".as_ref());
    let listed = if cards.is_empty() { lang.say("không có", "none") } else { cards.join(", ") };
    if wanted.is_empty() {
        return Said::good(lang.say(
            format!("không cấu hình; card thu: {listed}"),
            format!("not configured; cards that could: {listed}"),
        ));
    }
    if device::find(Some(wanted), Use::Listening).is_ok() {
        return Said::good(lang.say(format!("{wanted}: có"), format!("{wanted}: it is there")));
    }
    if patient.running && !cards.is_empty() {
        // A device in use is not listed by the library, and the running controller may be what uses it.
        return Said::note(
            lang.say(
                format!("{wanted}: không hỏi được khi đang chạy"),
                format!("{wanted}: cannot be asked while it runs"),
            ),
            lang.say(format!("card thu: {listed}"), format!("cards that could: {listed}")),
        );
    }
    Said::fault(
        lang.say(
            format!("không thấy {wanted}; card thu: {listed}"),
            format!("there is no {wanted}; cards that could: {listed}"),
        ),
        lang.say(
            "cắm lại card, xem arecord -L, sửa audio.capture",
            "plug the card in again, see arecord -L, mend audio.capture",
        ),
    )
}

/// What the kernel lists as able to capture.
fn capture_cards(root: &Path) -> Vec<String> {
    let listed = std::fs::read_to_string(root.join("proc/asound/pcm")).unwrap_or_default();
    let name = |line: &str| line.split(": ").nth(1).unwrap_or(line).trim().to_owned();
    listed.lines().filter(|line| line.contains(": capture ")).map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tone_is_kept_to_the_day() {
        let due = |tone| (0..24).filter(|hour| is_due(tone, *hour)).collect::<Vec<_>>();
        assert_eq!(due(Tone::ByDay), (5..22).collect::<Vec<_>>());
        assert_eq!((due(Tone::Always).len(), due(Tone::Never).len()), (24, 0));
    }

    #[test]
    fn cards_that_capture_are_read_from_the_kernel() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("proc/asound")).unwrap();
        let listed = "00-00: bcm2835 Headphones : bcm2835 Headphones : playback 8\n01-00: USB Audio : USB Audio : playback 1 : capture 1\n";
        std::fs::write(root.path().join("proc/asound/pcm"), listed).unwrap();
        assert_eq!(capture_cards(root.path()), ["USB Audio"]);
        assert!(capture_cards("/nowhere".as_ref()).is_empty());
    }
}
