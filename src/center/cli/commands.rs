//! Telling all speakers of an area something at once.

use clap::Subcommand;
use reqwest::Method;
use serde_json::json;

use super::Place;
use crate::center::api::Told;

#[derive(Subcommand)]
pub enum Command {
    /// Have an approved bulletin sound now, whatever is on. An approver signs for it first: loaxa bulletin ticket
    Emergency {
        /// Every speaker in this area and below
        #[arg(long, value_name = "CODE")]
        area: String,
        bulletin: String,
        /// How often, with a second between
        #[arg(long, default_value_t = 1)]
        times: u32,
    },
    /// End what is on the air
    Stop {
        area: String,
        /// Emergencies too
        #[arg(long)]
        emergencies: bool,
    },
    /// Play louder or quieter than planned until told otherwise; 0 is as planned. Emergencies keep their volume
    Volume {
        area: String,
        #[arg(long, allow_hyphen_values = true, value_name = "DB")]
        db: f32,
    },
    /// Have them say how they are now
    Refresh { area: String },
}

pub async fn command(place: &Place, command: Command) -> Result<(), String> {
    let (area, wish) = match command {
        Command::Emergency { area, bulletin, times } => {
            (area, json!({ "emergency": { "bulletin": bulletin, "times": times } }))
        }
        Command::Stop { area, emergencies } => (area, json!({ "stop": { "emergencies": emergencies } })),
        Command::Volume { area, db } => (area, json!({ "volume": { "db": db } })),
        Command::Refresh { area } => (area, json!({ "refresh": {} })),
    };
    let client = place.client().await?;
    let told = client.send::<Told>(Method::POST, &format!("/areas/{area}/command"), &wish).await;
    let closed = client.close().await;
    let told = told?;
    closed?;
    place.answer(&told, |told| {
        let away = told.speakers.saturating_sub(told.online);
        let heard = format!("told to {} of {} speakers in area {}", told.online, told.speakers, told.area);
        match (&told.occurrence, away) {
            (_, 0) => heard,
            (Some(_), away) => format!("{heard}; {away} are off line, and hear it if they come while it lasts"),
            (None, away) => format!("{heard}; {away} are off line and do not hear it"),
        }
    })
}
