//! The board on the pole: keeps its plan, media and records on disk, plays on the second, and says what happened.
//!
//! [`engine`] decides everything and does nothing; [`run`] does what it says. Sound has threads of its own and never waits for
//! the network or the disk.

pub mod clock;
pub mod config;
pub mod doctor;
pub mod engine;
pub mod enroll;
pub mod identity;
pub mod lan;
pub mod link;
pub mod neighbours;
pub mod os;
pub mod path;
pub mod play;
pub mod player;
pub mod post;
pub mod renewal;
pub mod run;
pub mod selftest;
pub mod status;
pub mod store;
pub mod tls;
pub mod unsaved;
pub mod vitals;
pub mod volume;
pub mod watchdog;
