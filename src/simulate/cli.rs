//! `loaxa simulate`: arguments in, progress on stderr, a report out. Beside it stand the center's own commands, which see no boards.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory as _, FromArgMatches as _, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use super::counters::Counters;
use super::fleet::Settings;
use super::join::Join;
use super::linkmodel::LinkModel;
use super::scenario::{Ended, Tell, WholeWay, look_on};
use super::{plot, report::Report};
use crate::center::cli::{self, Place};
use crate::center::trial::COMMAND;
use crate::domain::ids::{AreaCode, SpeakerId};
use crate::trial;

const NAME: &str = "simulate";
const ABOUT: &str = "Simulate many speakers, to learn what a center and its network must carry";
const MORE: &str = "\
Each simulated speaker is a real controller (its engine, its MQTT connection, its store) without sound and in one process with the \
others. Its records say that the content was ready, never that anything sounded.\n\n\
Without --center, a center is made in a temporary directory for this simulation only: the speakers are enrolled, connect, get a plan \
and one bulletin, and with --play they play it and report. With --center, the speakers are added to that center, where they stay, \
and what happens is looked at for a while.\n\n\
Links: lan adds nothing. 4g: 40 ms each way and up to 60 ms more, 2 Mbit/s to the speaker and 1 from it, a loss of 5 s about every 30 \
minutes. flaky: 80 ms and up to 200 ms more, 400 kbit/s and 200, a loss of 3 to 30 s about every 2 minutes.";

/// How the speakers are connected.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum LinkKind {
    Lan,
    #[value(name = "4g")]
    Mobile,
    Flaky,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum MediaPlace {
    Shared,
    Each,
}

#[derive(Args)]
pub struct Simulate {
    /// How many speakers
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=99_999))]
    speakers: u32,
    /// How they are connected
    #[arg(long, value_enum, default_value = "lan")]
    link: LinkKind,
    /// The same number gives the same losses, delays and clocks again
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    seed: u64,
    /// How wrong the speakers' clocks run at most, in parts per million
    #[arg(long, default_value_t = 50.0, value_name = "PPM", value_parser = ppm)]
    ppm: f64,
    /// Keep what the speakers store here, so that the same speakers can come again; a temporary directory if not given
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Whether all speakers keep media files in one place, or each its own
    #[arg(long, value_enum, default_value = "shared")]
    media: MediaPlace,
    /// Draw how far the speakers had come over time, as SVG
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// With --center: the area under which the speakers are added
    #[arg(long, value_name = "CODE")]
    area: Option<AreaCode>,
    /// With --center: add the speakers, which stay there afterwards
    #[arg(long)]
    yes: bool,
    /// With --center: how long to look on (60 if not given)
    #[arg(long = "for", value_name = "SECONDS")]
    seconds: Option<u64>,
    /// With --center: what the speakers' names begin with ("sim-" if not given)
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
    /// With --center: where the broker is, if speakers have passwords
    #[arg(long, value_name = "URL")]
    mqtt: Option<String>,
    /// With --center: the certificate authority of that broker (PEM file)
    #[arg(long, value_name = "FILE")]
    mqtt_ca: Option<PathBuf>,
    /// Without --center: the size of the bulletin (1000 if not given)
    #[arg(long, value_name = "KB", value_parser = clap::value_parser!(u64).range(6..=50_000))]
    bulletin_kb: Option<u64>,
    /// Without --center: have the bulletin played and reported, too
    #[arg(long)]
    play: bool,
    /// Without --center: no TLS, and passwords instead of enrolment
    #[arg(long)]
    plain: bool,
    /// Without --center: how long each stage may take (600 if not given)
    #[arg(long, value_name = "SECONDS")]
    within: Option<u64>,
}

fn ppm(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(ppm) if (0.0..=100.0).contains(&ppm) => Ok(ppm),
        _ => Err("from 0 to 100; controllers reckon with no more".into()),
    }
}

/// Everything that `loaxa` can be told.
pub enum Arguments {
    Center(Box<cli::Arguments>),
    Simulate(Box<Simulate>, Box<Place>),
    /// For the center alone, which starts it.
    TrialSpeaker,
}

impl Arguments {
    /// Reads the command line; bad usage ends the program with 2.
    pub fn parse() -> Self {
        let own =
            Simulate::augment_args(clap::Command::new(NAME)).about(ABOUT).long_about(format!("{ABOUT}\n\n{MORE}"));
        let mut command = cli::Arguments::command().subcommand(own).subcommand(clap::Command::new(COMMAND).hide(true));
        let matches = command.get_matches_mut();
        let read = match matches.subcommand() {
            Some((NAME, own)) => Simulate::read(own),
            Some((COMMAND, _)) => Ok(Self::TrialSpeaker),
            _ => cli::Arguments::from_arg_matches(&matches).map(|arguments| Self::Center(Box::new(arguments))),
        };
        read.unwrap_or_else(|error| error.format(&mut command).exit())
    }
}

/// Performs what the arguments say. An error is one line for the user.
pub fn main(arguments: Arguments) -> Result<(), String> {
    match arguments {
        Arguments::Center(arguments) => cli::main(*arguments),
        Arguments::TrialSpeaker => trial::main(),
        Arguments::Simulate(simulate, place) => {
            let runtime = tokio::runtime::Runtime::new().map_err(|e| e.to_string())?;
            let done = runtime.block_on(simulate.run(&place));
            // A conversion that was begun for nothing is not waited for.
            runtime.shutdown_background();
            done
        }
    }
}

impl Simulate {
    fn read(matches: &ArgMatches) -> Result<Arguments, clap::Error> {
        let (this, place) = (Self::from_arg_matches(matches)?, Place::from_arg_matches(matches)?);
        let refuse = |why: String| Err(clap::Error::raw(ErrorKind::ArgumentConflict, why + "\n"));
        if matches.value_source("data") == Some(ValueSource::CommandLine) {
            return refuse("simulate knows no --data: give --center URL and --token of a running center".into());
        }
        let given = |name: &&str| matches.value_source(name) == Some(ValueSource::CommandLine);
        let (with, without) =
            (["area", "yes", "seconds", "prefix", "mqtt", "mqtt_ca"], ["bulletin_kb", "play", "plain", "within"]);
        let flag = |name: &str| format!("--{}", if name == "seconds" { "for".into() } else { name.replace('_', "-") });
        match &place.center {
            None => {
                if let Some(name) = with.iter().find(|name| given(name)) {
                    return refuse(format!("{} needs --center URL", flag(name)));
                }
            }
            Some(_) => {
                if let Some(name) = without.iter().find(|name| given(name)) {
                    return refuse(format!("{} is for a simulation without --center", flag(name)));
                }
                if this.area.is_none() {
                    return refuse("--center needs --area CODE: under which area are the speakers to be added?".into());
                }
            }
        }
        let first = format!("{}00001", this.prefix());
        if let Err(error) = first.parse::<SpeakerId>() {
            return refuse(format!("--prefix: {error}"));
        }
        Ok(Arguments::Simulate(Box::new(this), Box::new(place)))
    }

    fn prefix(&self) -> &str {
        self.prefix.as_deref().unwrap_or("sim-")
    }

    async fn run(&self, place: &Place) -> Result<(), String> {
        let (link, model) = match self.link {
            LinkKind::Lan => ("lan", LinkModel::LAN),
            LinkKind::Mobile => ("4g", LinkModel::MOBILE_4G),
            LinkKind::Flaky => ("flaky", LinkModel::FLAKY),
        };
        let temporary = tempfile::Builder::new().prefix("loaxa-boards").tempdir().map_err(|e| e.to_string())?;
        let dir = self.store.clone().unwrap_or_else(|| temporary.path().to_owned());
        let own_media = matches!(self.media, MediaPlace::Each);
        let settings =
            Settings { link: model, ppm: self.ppm, own_media, seed: self.seed, ..Settings::new(dir.clone()) };
        let progress = Progress::new(self.speakers);
        let ended = match &place.center {
            None => self.whole_way()?.go(settings, link, &progress, signal()).await,
            Some(url) => {
                let client = Arc::new(place.client().await?);
                let joining = self.joining(dir, url)?;
                let length = Duration::from_secs(self.seconds.unwrap_or(60));
                look_on(client, joining, settings, link, length, &progress, signal()).await
            }
        };
        progress.clear();
        let Ended { report, counters, failure } = ended?;
        if let Some(path) = &self.plot {
            plot::write(path, &counters)?;
        }
        place.answer(&report, Report::text)?;
        failure.map_or(Ok(()), Err)
    }

    fn whole_way(&self) -> Result<WholeWay, String> {
        Ok(WholeWay {
            program: std::env::current_exe().map_err(|e| format!("this program cannot find itself: {e}"))?,
            speakers: self.speakers as usize,
            bulletin_kb: self.bulletin_kb.unwrap_or(1_000),
            play: self.play,
            plain: self.plain,
            within: Duration::from_secs(self.within.unwrap_or(600)),
        })
    }

    fn joining(&self, dir: PathBuf, url: &str) -> Result<Join, String> {
        let area = self.area.as_ref().map(ToString::to_string).unwrap_or_default();
        let mut joining = Join::new(dir, self.speakers as usize, &area);
        joining.prefix = self.prefix().to_owned();
        (joining.url, joining.mqtt, joining.mqtt_ca) = (Some(url.to_owned()), self.mqtt.clone(), self.mqtt_ca.clone());
        let new = joining.new_boards();
        if new > 0 && !self.yes {
            let (first, last) = (joining.id(0), joining.id(joining.speakers - 1));
            return Err(format!(
                "{new} of the speakers {first} to {last} would be added under {area} at {url}, and stay there: say --yes for that"
            ));
        }
        Ok(joining)
    }
}

/// Ready at SIGINT or SIGTERM; never, if they cannot be heard.
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// A line on a terminal that moves; elsewhere a line for each stage.
struct Progress {
    bar: ProgressBar,
    speakers: u32,
    terminal: bool,
}

impl Progress {
    fn new(speakers: u32) -> Self {
        let bar = ProgressBar::new_spinner().with_style(ProgressStyle::default_spinner());
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar, speakers, terminal: std::io::stderr().is_terminal() }
    }

    fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

impl Tell for Progress {
    fn stage(&self, what: &str) {
        self.bar.set_prefix(what.to_owned());
        self.bar.set_message(what.to_owned());
        if !self.terminal {
            eprintln!("{what}");
        }
    }

    fn joined(&self, speakers: usize) {
        self.bar.set_message(format!("{}: {speakers} of {}", self.bar.prefix(), self.speakers));
    }

    fn lives(&self, counters: &Arc<Counters>) {
        let (bar, counters) = (self.bar.clone(), counters.clone());
        tokio::spawn(async move {
            while !bar.is_finished() {
                let now = counters.now();
                bar.set_message(format!(
                    "{}: connected {}, with plan {}, all content {}, records {} of {}",
                    bar.prefix(),
                    now.connected,
                    now.with_plan,
                    now.whole_boards,
                    now.records_acknowledged,
                    now.records_made
                ));
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        });
    }
}
