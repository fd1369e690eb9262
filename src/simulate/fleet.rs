//! A fleet of simulated boards: starts them, waits on what they come to, makes some of them flap, ends them in good order.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::board::{Board, BoardClock};
use super::counters::{Counters, Snapshot};
use super::join::Member;
use super::life::Life;
use super::linkmodel::{LinkModel, Random};
use super::media::Pool;
use crate::controller::os;

/// Boards that connect for the first time at once, unless told otherwise: the center lets 256 from one address stand at its door.
const CONNECTING: usize = 128;
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// How long all the goodbyes may take.
const ENDING: Duration = Duration::from_secs(15);
/// Open files that are not connections.
const OTHER_FILES: u64 = 200;

/// How the boards of a fleet are.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the shared media and the fleet's lock are; the boards' own directories are their members'.
    pub dir: PathBuf,
    pub link: LinkModel,
    /// Rate errors of the boards' clocks are spread evenly up to this, either way.
    pub ppm: f64,
    /// Whether each board keeps its own media files.
    pub own_media: bool,
    /// How many may be connecting for the first time; after a power cut all do at once.
    pub connecting: usize,
    pub seed: u64,
}

impl Settings {
    /// On a plain network, with clocks up to 50 ppm off and shared media.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir, link: LinkModel::LAN, ppm: 50.0, own_media: false, connecting: CONNECTING, seed: 1 }
    }
}

/// A part of the boards loses its connection again and again, whatever the link model says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flap {
    /// Which part of them, 0 to 1; always the same boards for the same seed.
    pub fraction: f64,
    /// A connection holds so long on average.
    pub every_s: f64,
    /// And stays away between this and that.
    pub outage_s: (f64, f64),
}

/// What all boards are told.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Orders {
    pub flap: Option<Flap>,
    pub stop: bool,
}

/// Boards that live. Dropping it tears them off; [`Fleet::stop`] lets them say goodbye.
pub struct Fleet {
    counters: Arc<Counters>,
    orders: watch::Sender<Orders>,
    boards: JoinSet<()>,
    // Two fleets on one directory would be the same boards twice.
    _lock: File,
}

impl Fleet {
    /// Starts all boards; they connect a bounded number at a time. Needs a tokio runtime.
    pub fn start(members: Vec<Member>, settings: Settings) -> Result<Self, String> {
        raise_file_limit(members.len())?;
        let lock = lock(&settings.dir)?;
        let unusable = |e: std::io::Error| format!("the store {} cannot be used: {e}", settings.dir.display());
        let pool = match settings.own_media {
            true => None,
            false => Some(Pool::open(settings.dir.join("media")).map_err(unusable)?),
        };
        let counters = Arc::new(Counters::new(members.len()));
        let (orders, told) = watch::channel(Orders::default());
        let turns = Arc::new(Semaphore::new(settings.connecting));
        let mut boards = JoinSet::new();
        for (index, member) in members.into_iter().enumerate() {
            let mut random = Random::of_board(settings.seed, index);
            let now_ns = os::mono_ns();
            let clock = BoardClock::new(settings.ppm, now_ns, &mut random);
            // What an engine wants of its link before it is connected is nothing: it subscribes when it is.
            let (board, _) = Board::start(index, &member, pool.clone(), clock, now_ns, counters.clone())?;
            let life = Life::new(board, member, settings.link, random, counters.clone());
            boards.spawn(life.live(turns.clone(), told.clone()));
        }
        Ok(Self { counters, orders, boards, _lock: lock })
    }

    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    pub fn now(&self) -> Snapshot {
        self.counters.now()
    }

    /// Waits until `met`; an error says what was waited for and how far it got.
    pub async fn wait(
        &self,
        what: &str,
        longest: Duration,
        mut met: impl FnMut(&Snapshot) -> bool,
    ) -> Result<(), String> {
        let until = tokio::time::Instant::now() + longest;
        loop {
            let now = self.now();
            if met(&now) {
                return Ok(());
            }
            if tokio::time::Instant::now() > until {
                return Err(format!(
                    "waited {} s in vain for {what}: of {} speakers {} are connected, {} have a plan, {} all content; \
                     {} of {} records were acknowledged",
                    longest.as_secs(),
                    now.speakers,
                    now.connected,
                    now.with_plan,
                    now.whole_boards,
                    now.records_acknowledged,
                    now.records_made
                ));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Makes a part of the boards lose their connections again and again, or no longer.
    pub fn flap(&self, flap: Option<Flap>) {
        self.orders.send_modify(|orders| orders.flap = flap);
    }

    /// Ends all boards in good order. What they have counted stays.
    pub async fn stop(mut self) -> Arc<Counters> {
        self.orders.send_modify(|orders| orders.stop = true);
        let _ = tokio::time::timeout(ENDING, async { while self.boards.join_next().await.is_some() {} }).await;
        self.counters.clone()
    }
}

fn lock(dir: &Path) -> Result<File, String> {
    let locked = || -> std::io::Result<File> {
        fs::create_dir_all(dir)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(dir.join("lock"))?;
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| std::io::Error::other("another simulation is running on it"))?;
        Ok(lock)
    };
    locked().map_err(|e| format!("the store {} cannot be used: {e}", dir.display()))
}

/// Each board takes one connection.
fn raise_file_limit(boards: usize) -> Result<(), String> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let (most, wanted) = (getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX), boards as u64 + OTHER_FILES);
    if most < wanted {
        return Err(format!(
            "{boards} speakers need {wanted} open files, and this system allows {most}: raise it (ulimit -n) or simulate fewer"
        ));
    }
    Ok(())
}
