//! `loaxa simulate`: thousands of boards in one process, for benchmarks and for planning what a center's machine must carry.
//!
//! Each board is the real engine, link and store of [`crate::controller`]; what is left out is the sound, and by default the
//! waiting for the disk. The one place that sees both center and controller, and neither sees it.
//!
//! A bench starts a fleet like this, and drops it or calls [`fleet::Fleet::stop`] at its end:
//!
//! ```no_run
//! # async fn bench(client: loaxa::center::client::Client) -> Result<(), String> {
//! use loaxa::simulate::{fleet::{Fleet, Settings}, join::{Join, join}};
//! let joining = Join::new("/tmp/fleet".into(), 1_000, "66");
//! let members = join(client.into(), joining, |_| ()).await?;
//! let fleet = Fleet::start(members, Settings::new("/tmp/fleet".into()))?;
//! fleet.wait("all to connect", std::time::Duration::from_secs(60), |now| now.connected == 1_000).await?;
//! # Ok(()) }
//! ```

pub mod board;
pub mod cli;
pub mod counters;
pub mod fleet;
pub mod join;
mod life;
pub mod linkmodel;
pub mod media;
pub mod plot;
pub mod report;
pub mod scenario;
pub mod scratch;
pub mod silence;
