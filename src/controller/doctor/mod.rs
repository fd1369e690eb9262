//! `loaxa-controller doctor`: plain answers for somebody on a ladder with a phone.
//!
//! Owns what is asked, in which words, and which exit code says what is wrong. Changes nothing: what the running controller knows it
//! reads in its status file, plan and plays without the store's lock. The tone is the one thing that it does.

mod board;
mod link;
mod plan;
mod sound;
mod words;

use serde::Serialize;

use super::config::Config;
use super::os;
use super::status::{self, Status};
use super::store::{self, Look};
use crate::domain::schedule::DEFAULT_TIME_ZONE;

pub(super) use sound::quietly;
pub use words::{Lang, show, show_one};

/// What may be wrong, the gravest first: the exit code is that of the first fault in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    Keys = 10,
    Certificate = 11,
    Storage = 12,
    Output = 13,
    Clock = 14,
    Plan = 15,
    Link = 16,
    Capture = 17,
}

impl Class {
    /// As programs know it; it does not change.
    fn name(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Certificate => "certificate",
            Self::Storage => "store",
            Self::Output => "sound",
            Self::Clock => "clock",
            Self::Plan => "plan",
            Self::Link => "link",
            Self::Capture => "capture",
        }
    }
}

/// For `--help`, and held to [`Class`] by a test.
pub const EXIT_CODES: &str = "Exit codes: 0 all is well (notes may stand there); 1 doctor itself could not run; 2 bad usage; otherwise the first \
     fault in this order: 10 keys, 11 certificate, 12 storage, 13 output, 14 clock, 15 plan, 16 link, 17 capture";

/// One answer. Its fields are what `--json` prints.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Check {
    pub name: &'static str,
    pub good: bool,
    /// The exit code for this fault; 0 while there is none.
    pub code: u8,
    pub finding: String,
    /// What to do about it; also beside what is good, where it will not stay so by itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub advice: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plays: Option<Vec<plan::NextPlay>>,
    #[serde(skip)]
    class: Class,
}

/// Whether a tone is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// By day, while no controller has the device.
    ByDay,
    /// At night too.
    Always,
    Never,
}

/// An answer before it has a name.
#[derive(Debug)]
struct Said {
    good: bool,
    finding: String,
    advice: String,
}

impl Said {
    fn good(finding: String) -> Self {
        Self { good: true, finding, advice: String::new() }
    }

    /// No fault, yet something to know.
    fn note(finding: String, advice: String) -> Self {
        Self { good: true, finding, advice }
    }

    fn fault(finding: String, advice: String) -> Self {
        Self { good: false, finding, advice }
    }
}

/// What all checks look at, read once.
struct Patient<'a> {
    config: &'a Config,
    lang: Lang,
    /// What the running controller says of itself.
    status: Option<Status>,
    /// Whether one runs, though it may say nothing.
    running: bool,
    look: Option<std::io::Result<Look>>,
    now: Time,
}

/// What time it is, as well as can be known here.
#[derive(Debug, Clone, Copy)]
struct Time {
    unix_ms: i64,
    /// Whether something vouches for it.
    kept: bool,
}

/// Looks at everything once. `identity` is what came of reading what was learnt at enrolment. Fails where it may not look at all.
pub fn examine(config: &Config, identity: Result<bool, String>, lang: Lang, tone: Tone) -> Result<Vec<Check>, String> {
    let dir = &config.store.dir;
    if std::fs::read_dir(dir).is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied) {
        return Err(lang.say(
            format!("không được phép đọc {}: chạy lại bằng sudo", dir.display()),
            format!("{} may not be read: run this with sudo", dir.display()),
        ));
    }
    let status = status::read(config, os::mono_ns());
    let running = is_running(config);
    let look = dir.join("plays").is_dir().then(|| store::look(dir, &os::boot_id()));
    let now = time(status.as_ref(), look.as_ref().and_then(|look| look.as_ref().ok()));
    let patient = Patient { config, lang, status, running, look, now };
    let (plan, plays, link) = {
        let link = link::link(&patient);
        let (plan, plays) = plan::plan(&patient, link.good);
        (plan, plays, link)
    };
    let mut checks: Vec<Check> = [
        (Class::Keys, board::keys(&patient, identity)),
        (Class::Certificate, board::certificate(&patient)),
        (Class::Storage, board::storage(&patient)),
        (Class::Output, sound::quietly(|| sound::output(&patient, tone))),
        (Class::Clock, board::clock(&patient)),
        (Class::Plan, plan),
        (Class::Link, link),
        (Class::Capture, sound::quietly(|| sound::capture(&patient))),
    ]
    .into_iter()
    .map(|(class, said)| Check {
        name: class.name(),
        good: said.good,
        code: if said.good { 0 } else { class as u8 },
        finding: said.finding,
        advice: said.advice,
        plays: None,
        class,
    })
    .collect();
    if let Some(check) = checks.iter_mut().find(|check| check.class == Class::Plan) {
        check.plays = Some(plays);
    }
    Ok(checks)
}

/// Whether a controller runs on this store.
pub(super) fn is_running(config: &Config) -> bool {
    status::read(config, os::mono_ns()).is_some() || store::is_locked(&config.store.dir)
}

/// Whether a sound may be made now, by the hour where the board stands.
pub(super) fn is_due(config: &Config, tone: Tone) -> bool {
    let look = store::look(&config.store.dir, &os::boot_id()).ok();
    let now = time(None, look.as_ref());
    sound::is_due(tone, plan::local_hour(DEFAULT_TIME_ZONE, now.unix_ms))
}

/// The code of the gravest fault, or 0.
pub fn exit_code(checks: &[Check]) -> u8 {
    checks.iter().filter(|check| !check.good).map(|check| check.class as u8).min().unwrap_or(0)
}

fn time(status: Option<&Status>, look: Option<&Look>) -> Time {
    let told_ns = status.and_then(|status| status.center_offset_ns);
    let stored_ns =
        || look.and_then(|look| look.contents.clock).map(|bound| i64::midpoint(bound.low_ns, bound.high_ns));
    match told_ns.or_else(stored_ns) {
        Some(offset_ns) => Time { unix_ms: os::mono_ns().saturating_add(offset_ns) / 1_000_000, kept: true },
        None => Time { unix_ms: os::system_unix_ns() / 1_000_000, kept: os::system_clock_error_ns().is_some() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Class; 8] = [
        Class::Keys,
        Class::Certificate,
        Class::Storage,
        Class::Output,
        Class::Clock,
        Class::Plan,
        Class::Link,
        Class::Capture,
    ];

    #[test]
    fn the_gravest_fault_gives_the_exit_code_and_every_code_is_told() {
        let check = |class: Class, good| Check {
            name: class.name(),
            good,
            code: if good { 0 } else { class as u8 },
            finding: String::new(),
            advice: String::new(),
            plays: None,
            class,
        };
        let all = |faults: &[Class]| ALL.map(|class| check(class, !faults.contains(&class)));
        assert_eq!(exit_code(&all(&[])), 0);
        assert_eq!(exit_code(&all(&[Class::Capture])), 17);
        assert_eq!(exit_code(&all(&[Class::Capture, Class::Link, Class::Storage])), 12);
        for class in ALL {
            let code = (class as u8).to_string();
            assert!(EXIT_CODES.contains(&code), "{code}");
            for readme in [include_str!("../../../README.md"), include_str!("../../../firmware-config/README.md")] {
                assert!(readme.contains(&format!("{code} ")), "{code} stands in no README");
            }
        }
    }
}
