//! The command line: what people and scripts say to a center.
//!
//! Commands go through the same API as everything else; keys are opened here, where the person sits, and never sent.

mod areas;
mod authority;
mod broker;
mod bulletins;
mod commands;
mod keys;
mod plans;
mod reports;
mod schedules;
mod setup;
mod signing;
mod speakers;
mod users;
mod verify;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use super::client::Client;
use super::config::Config;
use super::conversion;
use super::datadir::CONFIG_FILE;
use crate::settings::{self, Settings};

/// Public broadcast for communes: approved audio bulletins, delivered to loudspeakers, played on the second, accounted for.
#[derive(Parser)]
#[command(name = "loaxa", version = env!("CARGO_PKG_VERSION"), max_term_width = 100)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    place: Place,
}

/// Which center, and how to answer.
#[derive(Args, Clone)]
pub struct Place {
    /// The center's data directory
    #[arg(long, global = true, env = "LOAXA_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// A center on another machine, by URL
    #[arg(long, global = true, env = "LOAXA_CENTER", value_name = "URL")]
    pub center: Option<String>,
    /// Access token for --center
    #[arg(long, global = true, env = "LOAXA_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Certificate authority of --center (PEM file); those that this machine trusts if not given
    #[arg(long, global = true, env = "LOAXA_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Configuration file (TOML)
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Make a new center in an empty directory
    Init(setup::Init),
    /// Run the center until told to stop
    Serve(setup::Serve),
    /// Print the access token of a data directory
    Token,
    /// Show the effective configuration and where each value came from
    Config {
        /// The only thing this command does; may be left out
        #[arg(long)]
        print: bool,
    },
    /// Administrative units
    #[command(subcommand)]
    Area(setup::Area),
    /// Loudspeaker clusters
    #[command(subcommand)]
    Speaker(speakers::Speaker),
    /// Files for a broker that is not the center's own
    #[command(subcommand)]
    Broker(broker::Broker),
    /// People who sign in
    #[command(subcommand)]
    User(users::User),
    /// Tokens for machines (the data directory's own is printed by `loaxa token`)
    #[command(subcommand)]
    Tokens(users::Tokens),
    /// Look whether the audit log, media and approvals are as they were written
    Verify(verify::Verify),
    /// People who approve
    #[command(subcommand)]
    Approver(keys::Approver),
    /// What only the authority can do: revoke, renew, hand over, sign
    #[command(subcommand)]
    Authority(authority::Authority),
    /// Bulletins, from the file to the approval
    #[command(subcommand)]
    Bulletin(bulletins::Bulletin),
    /// What is played in one slot
    #[command(subcommand)]
    Programme(schedules::Programme),
    /// When it is played, and where
    #[command(subcommand)]
    Schedule(schedules::Schedule),
    /// The office's own calendars of days
    #[command(subcommand)]
    Calendar(schedules::Calendar),
    /// What speakers are told to play
    #[command(subcommand)]
    Plan(plans::Plan),
    /// Tell all speakers of an area something now
    #[command(subcommand)]
    Command(commands::Command),
    /// What really sounded
    #[command(subcommand)]
    Report(reports::Report),
    /// Convert one upload (the center calls this for itself)
    #[command(name = conversion::COMMAND, hide = true)]
    ConvertUpload {
        upload: PathBuf,
        result: PathBuf,
        #[arg(long)]
        longest_minutes: u64,
    },
}

/// Performs what the arguments say. An error is one line for the user.
pub fn main(arguments: Arguments) -> Result<(), String> {
    // Before any thread is there: it bounds its own process.
    if let Command::ConvertUpload { upload, result, longest_minutes } = &arguments.command {
        return conversion::main(upload, result, *longest_minutes);
    }
    let runtime = tokio::runtime::Runtime::new().map_err(|e| e.to_string())?;
    let place = arguments.place;
    runtime.block_on(async {
        match arguments.command {
            Command::Init(init) => setup::init(&place, init),
            Command::Serve(serve) => setup::serve(&place, serve).await,
            Command::Token => setup::token(&place),
            Command::Config { print: _ } => {
                println!("{}", settings::show(&place.settings([])?, &["store.database", "mqtt.broker"]));
                Ok(())
            }
            Command::Area(command) => setup::area(&place, command).await,
            Command::Speaker(command) => speakers::speaker(&place, command).await,
            Command::Broker(command) => broker::broker(&place, command).await,
            Command::User(command) => users::user(&place, command).await,
            Command::Tokens(command) => users::tokens(&place, command).await,
            Command::Verify(command) => verify::verify(&place, command).await,
            Command::Approver(command) => keys::approver(&place, command).await,
            Command::Authority(command) => authority::authority(&place, command).await,
            Command::Bulletin(command) => bulletins::bulletin(&place, command).await,
            Command::Programme(command) => schedules::programme(&place, command).await,
            Command::Schedule(command) => schedules::schedule(&place, command).await,
            Command::Calendar(command) => schedules::calendar(&place, command).await,
            Command::Plan(command) => plans::plan(&place, command).await,
            Command::Command(command) => commands::command(&place, command).await,
            Command::Report(command) => reports::report(&place, command).await,
            Command::ConvertUpload { .. } => Ok(()),
        }
    })
}

impl Place {
    fn settings(&self, flags: impl IntoIterator<Item = (&'static str, String)>) -> Result<Settings<Config>, String> {
        let own = self.data.as_ref().map(|dir| dir.join(CONFIG_FILE)).filter(|path| path.is_file());
        let file = self.config.as_deref().or(own.as_deref());
        settings::load(file, std::env::vars(), flags).map_err(|e| e.to_string())
    }

    fn data(&self) -> Result<PathBuf, String> {
        self.data.clone().ok_or_else(|| "say which center: --data DIR, or LOAXA_DATA".to_owned())
    }

    pub async fn client(&self) -> Result<Client, String> {
        match (&self.center, &self.data) {
            (Some(url), _) => {
                let token = self.token.as_deref().ok_or("--center needs --token, or LOAXA_TOKEN")?;
                Client::connect(url, token, self.ca.as_deref())
            }
            (None, Some(dir)) => Client::open(dir, self.settings([])?.values).await,
            (None, None) => Err("say which center: --data DIR on this machine, or --center URL --token TOKEN".into()),
        }
    }

    /// Prints `value` as JSON, or what `text` makes of it.
    pub fn answer<T: Serialize>(&self, value: &T, text: impl FnOnce(&T) -> String) -> Result<(), String> {
        let shown =
            if self.json { serde_json::to_string_pretty(value).map_err(|e| e.to_string())? } else { text(value) };
        self.print(&format!("{shown}\n"));
        Ok(())
    }

    fn print(&self, text: &str) {
        // A closed pipe (| head) is the reader's wish.
        use std::io::Write as _;
        let _ = std::io::stdout().write_all(text.as_bytes());
    }
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    table
}

/// A value for a URL's query.
pub fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
