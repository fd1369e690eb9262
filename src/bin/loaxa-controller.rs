//! The controller's program: arguments in, exit code out.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use loaxa::controller::config::Config;
use loaxa::controller::doctor::{Lang, Tone};
use loaxa::controller::{doctor, enroll, identity, play, run, selftest};
use loaxa::settings::{self, Settings};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Plays approved bulletins on one cluster of loudspeakers.
#[derive(Parser)]
#[command(name = "loaxa-controller", version = env!("CARGO_PKG_VERSION"))]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Keep to the plan until told to stop
    Run(Configured),
    /// Become a speaker of a center, with the code that its operator has
    Enroll {
        /// The center's address, such as https://loa.xa.vn:8080
        #[arg(long, value_name = "URL")]
        center: String,
        /// The code, as it was read out: dashes, spaces and case do not matter
        #[arg(long)]
        code: String,
        #[command(flatten)]
        configured: Configured,
        /// Also where this board is enrolled already
        #[arg(long)]
        force: bool,
        #[arg(long)]
        json: bool,
    },
    /// Play one file now
    Play {
        file: PathBuf,
        /// cpal, wav:PATH or null
        #[arg(long, default_value = "cpal")]
        out: String,
        /// Sound device; the default one if not given
        #[arg(long, default_value = "")]
        device: String,
        #[arg(long)]
        json: bool,
    },
    /// Look at keys, certificate, storage, sound, clock, plan, link and capture; play a short tone
    #[command(after_help = doctor::EXIT_CODES)]
    Doctor {
        #[command(flatten)]
        configured: Configured,
        /// vi or en; Vietnamese if not given, unless LC_ALL or LANG is English
        #[arg(long, value_parser = Lang::parse)]
        lang: Option<Lang>,
        /// Play the tone between 22:00 and 05:00 too
        #[arg(long)]
        tone: bool,
        /// Play no tone
        #[arg(long, conflicts_with = "tone")]
        no_tone: bool,
        #[arg(long)]
        json: bool,
    },
    /// Play a short quiet sweep and say whether audio.capture heard it, and how that compares with installation
    #[command(after_help = selftest::EXIT_CODES)]
    Selftest {
        #[command(flatten)]
        configured: Configured,
        /// Keep what is heard as that of the installation
        #[arg(long)]
        baseline: bool,
        /// vi or en; Vietnamese if not given, unless LC_ALL or LANG is English
        #[arg(long, value_parser = Lang::parse)]
        lang: Option<Lang>,
        /// Between 22:00 and 05:00 too
        #[arg(long)]
        tone: bool,
        #[arg(long)]
        json: bool,
    },
    /// Show the effective configuration and where each value came from
    Config(Configured),
}

#[derive(clap::Args)]
struct Configured {
    /// TOML file; /etc/loaxa/controller.toml if that is there. firmware-config/controller.toml explains every key
    #[arg(long)]
    config: Option<PathBuf>,
    /// cpal, wav:PATH or null
    #[arg(long)]
    out: Option<String>,
}

impl Configured {
    fn load(self) -> Result<Settings<Config>, String> {
        let flags = self.out.map(|out| ("audio.out", out));
        let usual = PathBuf::from("/etc/loaxa/controller.toml");
        let config = self.config.or_else(|| usual.is_file().then_some(usual));
        settings::load(config.as_deref(), std::env::vars(), flags).map_err(|e| e.to_string())
    }
}

fn main() -> ExitCode {
    match perform(Arguments::parse().command) {
        Ok(code) => code,
        Err(message) => {
            eprintln!("loaxa-controller: {message}");
            ExitCode::FAILURE
        }
    }
}

fn perform(command: Command) -> Result<ExitCode, String> {
    match command {
        Command::Run(configured) => {
            let settings = configured.load()?;
            log_to_stderr(&settings.values.log.level)?;
            let mut config = settings.values;
            identity::complete(&mut config)?;
            run::run(&config)?;
        }
        Command::Enroll { center, code, configured, force, json } => {
            log_to_stderr("error")?;
            let learnt = enroll::enroll(&configured.load()?.values, &center, &code, force)?;
            if json {
                println!("{}", serde_json::to_string(&learnt).map_err(|e| e.to_string())?);
            } else {
                println!("this board is speaker {} of site {} now", learnt.speaker, learnt.site);
                println!("authority  {}  (compare with the office's paper)", learnt.fingerprint);
                println!("broker     {}", learnt.mqtt);
                println!("kept in    {}", learnt.directory);
            }
        }
        Command::Play { file, out, device, json } => {
            log_to_stderr("error")?;
            let played = play::play(&file, &out, &device, None)?;
            if json {
                println!("{}", serde_json::to_string(&played).map_err(|e| e.to_string())?);
            } else {
                println!(
                    "{} frames, {:.3} s, level {:.1} dBFS, peak {:.1} dBFS, {} damaged packets, {:.3} s lost",
                    played.frames,
                    played.seconds,
                    played.level_dbfs,
                    played.peak_dbfs,
                    played.damaged_packets,
                    played.lost_seconds
                );
            }
        }
        Command::Doctor { configured, lang, tone, no_tone, json } => {
            log_to_stderr("off")?;
            let mut config = configured.load()?.values;
            let identity = identity::complete(&mut config);
            let lang = lang.unwrap_or_else(usual_lang);
            let tone = match (tone, no_tone) {
                (true, _) => Tone::Always,
                (_, true) => Tone::Never,
                _ => Tone::ByDay,
            };
            let checks = doctor::examine(&config, identity, lang, tone)?;
            if json {
                println!("{}", serde_json::to_string(&checks).map_err(|e| e.to_string())?);
            } else {
                println!("{}", doctor::show(&checks, lang));
            }
            return Ok(ExitCode::from(doctor::exit_code(&checks)));
        }
        Command::Selftest { configured, baseline, lang, tone, json } => {
            log_to_stderr("off")?;
            let tone = if tone { Tone::Always } else { Tone::ByDay };
            let told = selftest::selftest(&configured.load()?.values, lang.unwrap_or_else(usual_lang), tone, baseline)?;
            if json {
                println!("{}", serde_json::to_string(&told).map_err(|e| e.to_string())?);
            } else {
                println!("{}", doctor::show_one(&told.finding, &told.advice));
            }
            return Ok(ExitCode::from(told.code));
        }
        Command::Config(configured) => println!("{}", settings::show(&configured.load()?, &["center.password"])),
    }
    Ok(ExitCode::SUCCESS)
}

fn usual_lang() -> Lang {
    let said = |name| std::env::var(name).ok();
    Lang::from_environment(said("LC_ALL"), said("LANG"))
}

fn log_to_stderr(level: &str) -> Result<(), String> {
    // By name and level alone: the other filter brings regular expressions with it, half a megabyte of the program.
    let filter: Targets = format!("warn,loaxa={level}").parse().map_err(|e| format!("log.level: {e}"))?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    tracing_subscriber::registry().with(lines).with(filter).init();
    Ok(())
}
