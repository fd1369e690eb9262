//! The server of a culture centre: takes bulletins in, has them approved, plans, delivers, and keeps the account.
//!
//! Each stage of the way is a row in the store that the next stage picks up, so a crash anywhere resumes there.

pub mod accept;
pub mod api;
pub mod app;
pub mod areas;
pub mod audit;
pub mod authority;
pub mod broker;
pub mod bulletin_plays;
pub mod cli;
pub mod client;
pub mod commands;
pub mod config;
pub mod conversion;
pub mod datadir;
pub mod delivery;
pub mod enrolment;
pub mod exchange;
pub mod founding;
pub mod front;
pub mod gate;
pub mod http;
pub mod ingest;
pub mod intake;
pub mod link;
pub mod media;
pub mod overview;
pub mod passwords;
pub mod people;
pub mod planner;
pub mod plays;
pub mod pulse;
pub mod rate;
pub mod readiness;
pub mod reports;
pub mod schedule_file;
pub mod serve;
pub mod standing;
pub mod store;
pub mod tls;
pub mod trial;
pub mod verify;
