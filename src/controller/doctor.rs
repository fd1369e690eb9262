//! `loaxa-controller doctor`: plain answers about sound, clock, disk, link and keys, for somebody on a ladder.

use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use cpal::traits::{DeviceTrait, HostTrait};
use serde::Serialize;

use super::config::{Broker, Config, TrustSystem};
use super::identity::{self, Credentials};
use super::os;
use super::player::output::Target;
use super::store::Store;
use crate::protocol::trust::{self, Reading};

#[derive(Debug, Serialize)]
pub struct Check {
    pub name: &'static str,
    pub good: bool,
    pub finding: String,
}

fn check(name: &'static str, result: Result<String, String>) -> Check {
    match result {
        Ok(finding) => Check { name, good: true, finding },
        Err(finding) => Check { name, good: false, finding },
    }
}

/// Looks at everything once; changes nothing and plays nothing.
pub fn examine(config: &Config) -> Vec<Check> {
    vec![
        check("keys", keys(config)),
        check("sound", sound(config)),
        check("clock", clock(config)),
        check("store", store(config)),
        check("link", link(config)),
        check("certificate", certificate(config)),
    ]
}

fn keys(config: &Config) -> Result<String, String> {
    let anchor = config.anchor()?;
    Ok(format!("speaker {} of site {}, authority key pinned", anchor.speaker, anchor.site))
}

fn sound(config: &Config) -> Result<String, String> {
    match Target::parse(&config.audio.out, &config.audio.device)? {
        Target::Null => Err("audio.out is null: nothing will be heard".into()),
        Target::Wav(path) => Ok(format!("goes to the file {}", path.display())),
        Target::Device(None) => {
            let device = cpal::default_host().default_output_device().ok_or("no sound device was found")?;
            let offers = device.supported_output_configs().map_err(|e| format!("the device cannot be asked: {e}"))?;
            let name = device.description().map_or_else(|_| "the default device".to_owned(), |d| d.name().to_owned());
            if offers.count() == 0 { Err(format!("{name} offers no format; is it plugged in?")) } else { Ok(name) }
        }
        Target::Device(Some(name)) => {
            let mut devices = cpal::default_host().output_devices().map_err(|e| e.to_string())?;
            let matches = |d: &cpal::Device| {
                d.id().is_ok_and(|id| id.to_string().ends_with(&name))
                    || d.description().is_ok_and(|d| d.name() == name)
            };
            if devices.any(|device| matches(&device)) {
                Ok(name)
            } else {
                Err(format!("there is no sound device {name:?}"))
            }
        }
    }
}

fn clock(config: &Config) -> Result<String, String> {
    match (config.clock.trust_system, os::system_clock_error_ns()) {
        (TrustSystem::Never, _) => Ok("the system clock is not used; time comes from the center".into()),
        (_, Some(error_ns)) => Ok(format!("the system clock is synchronised, within {:.1} ms", error_ns as f64 / 1e6)),
        (TrustSystem::Always, None) => {
            Ok("the system clock is trusted by configuration, though nothing keeps it".into())
        }
        (TrustSystem::WhenSynchronised, None) => {
            Ok("nothing keeps the system clock; time comes from the center when there is a link".into())
        }
    }
}

fn store(config: &Config) -> Result<String, String> {
    let dir = &config.store.dir;
    if !dir.join("plays").is_dir() {
        return Ok(format!("{}: nothing yet; it is made when loaxa-controller first runs", dir.display()));
    }
    match Store::open(dir, &os::boot_id()) {
        Ok((_store, contents)) => {
            let outbox = contents.plays.values().filter(|play| !play.begun && !play.acknowledged).count();
            let plan = match contents.plan {
                None => "no plan yet".to_owned(),
                Some(bytes) => {
                    match trust::verify(&bytes, &config.anchor()?, &contents.counters.ratchet, Reading::Stored, None) {
                        Ok(plan) => {
                            format!("plan {} with {} occurrences", plan.plan().number, plan.plan().occurrences.len())
                        }
                        Err(refusal) => return Err(format!("the stored plan is not usable: {refusal}")),
                    }
                }
            };
            Ok(format!("{}: {plan}, {outbox} records waiting to be sent", dir.display()))
        }
        Err(error) if error.to_string().contains("already running") => {
            Ok(format!("{}: in use by the running controller", dir.display()))
        }
        Err(error) => Err(format!("{} cannot be used: {error}", dir.display())),
    }
}

/// When the certificate of the connection ends, by the system's clock, since doctor has no other.
fn certificate(config: &Config) -> Result<String, String> {
    let dir = identity::dir(config);
    if !dir.join("client.pem").is_file() {
        return Ok("none: this board signs in with a password".into());
    }
    let credentials = Credentials::load(&dir)?;
    let days = |ms: i64| ms.div_euclid(crate::domain::DAY_MS);
    let end = chrono::DateTime::from_timestamp_millis(credentials.valid_until_ms);
    let end = end.map(|end| end.format("%Y-%m-%d").to_string()).unwrap_or_default();
    let left_ms = credentials.valid_until_ms - os::system_unix_ns() / 1_000_000;
    if os::system_clock_error_ns().is_some() && left_ms < 0 {
        return Err(format!("valid until {end}, which is past: enroll this board again with a new code"));
    }
    Ok(format!(
        "valid until {end}, {} days by this board's clock; renewed by itself while there is a link",
        days(left_ms)
    ))
}

fn link(config: &Config) -> Result<String, String> {
    let Broker { host, port, .. } = config.broker()?;
    let address = format!("{host}:{port}");
    let resolved = (host.as_str(), port).to_socket_addrs().map_err(|e| format!("{host} is not known: {e}"))?;
    let mut problem = "no address".to_owned();
    for candidate in resolved {
        match TcpStream::connect_timeout(&candidate, Duration::from_secs(5)) {
            Ok(_) => return Ok(format!("the broker at {address} answers")),
            Err(error) => problem = error.to_string(),
        }
    }
    Err(format!("the broker at {address} does not answer: {problem}"))
}
