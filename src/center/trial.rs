//! Speakers that the center runs itself, on its own machine, so that an office can hear itself before the first board is on its pole.
//!
//! Each is a real controller in a process of its own: it is enrolled by a code, keeps its own store, checks every signature and reports as
//! all others do. What that process does, `src/trial/` says, which sees both sides; here it is only started, heard, and ended. Its standard
//! input is its leash: when this program ends, however it ends, so does the speaker. What a trial speaker is known by over restarts is its
//! directory, `trial/<id>`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use super::app::{App, Change, now_ms};
use super::broker::reachable;
use super::config::TrialSpeakers;
use super::enrolment;
use crate::domain::DAY_MS;
use crate::domain::ids::SpeakerId;

/// The command that starts one; for this program alone, so it is hidden from people.
pub const COMMAND: &str = "trial-speaker";
/// Where it puts what it plays, when there is no sound device.
pub const SOUND_FILE: &str = "sound.wav";
/// More of them would be load, and no trial.
pub const MOST: usize = 3;
/// How long one may take to end when it is told to, and to come again when it ended by itself.
const ENDING: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_secs(1);
const AGAIN_AT_MOST: Duration = Duration::from_secs(60);
/// As clap ends a program that was told something unknown.
const BAD_USAGE: i32 = 2;

/// What the process is told first, in one line.
#[derive(Debug, Serialize, Deserialize)]
pub struct Order {
    /// The API and the broker, as this machine reaches them now.
    pub center: String,
    pub mqtt: String,
    pub dir: PathBuf,
    pub out: Out,
}

/// Where its sound is to go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Out {
    /// The machine's sound device if it has one, else a file.
    #[default]
    Auto,
    File,
}

/// What the process says, a line each.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// It has no identity yet: a code is to follow, in a line.
    WantsCode,
    Runs(Sounding),
    Failed {
        problem: String,
    },
}

/// Where its sound really goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sounding {
    Device(String),
    File,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    Starting,
    Runs(Sounding),
    /// It ended, for this reason, and is begun again.
    Failed(String),
}

/// Those that there are.
#[derive(Debug, Default)]
pub struct Trials(Mutex<BTreeMap<SpeakerId, Trial>>);

#[derive(Debug)]
struct Trial {
    state: State,
    stop: watch::Sender<bool>,
    keeper: Option<JoinHandle<()>>,
}

impl Trials {
    pub fn states(&self) -> Vec<(SpeakerId, State)> {
        let states = |trials: &BTreeMap<SpeakerId, Trial>| {
            trials.iter().map(|(id, trial)| (id.clone(), trial.state.clone())).collect()
        };
        self.0.lock().map(|trials| states(&trials)).unwrap_or_default()
    }

    pub fn state(&self, id: &SpeakerId) -> Option<State> {
        self.0.lock().ok()?.get(id).map(|trial| trial.state.clone())
    }

    /// A place for one more, and what it hears when it is to end.
    fn take_place(&self, id: &SpeakerId) -> Option<watch::Receiver<bool>> {
        let mut trials = self.0.lock().ok()?;
        if trials.len() >= MOST && !trials.contains_key(id) {
            return None;
        }
        let (stop, stopped) = watch::channel(false);
        trials.insert(id.clone(), Trial { state: State::Starting, stop, keeper: None });
        Some(stopped)
    }

    fn set(&self, id: &SpeakerId, state: State) {
        if let Ok(mut trials) = self.0.lock()
            && let Some(trial) = trials.get_mut(id)
        {
            trial.state = state;
        }
    }
}

/// Why there can be no trial speakers here, in the words of the person who asks for one.
pub fn refusal(app: &App) -> Option<&'static str> {
    // Behind a proxy everybody comes from here.
    let local = app.bound.get().is_some_and(|bound| bound.http.ip().is_loopback()) && !app.config.http.behind_proxy;
    match app.config.trial.speakers {
        TrialSpeakers::Never => Some("trial speakers are switched off here (trial.speakers = \"never\")"),
        TrialSpeakers::Loopback if !local => Some(
            "a trial speaker plays on the center's own machine, and this center is reached from others; its configuration can allow it \
             all the same: trial.speakers = \"always\"",
        ),
        _ if !app.enrols() => Some(
            "trial speakers are enrolled like boards, and here speakers have passwords (mqtt.tls = false, or mqtt.broker)",
        ),
        _ => None,
    }
}

/// Begins a trial speaker; says whether there was place for one more. One that is there already is begun anew.
pub async fn begin(app: &Arc<App>, id: &SpeakerId, out: Out) -> Result<bool, String> {
    stop(app, id).await;
    let Some(stopped) = app.trials.take_place(id) else { return Ok(false) };
    let dir = dir(app, id);
    let written = || {
        std::fs::create_dir_all(&dir)?;
        super::datadir::write_whole(&dir.join(WISH), &serde_json::to_vec(&out).unwrap_or_default())
    };
    if let Err(error) = written() {
        stop(app, id).await;
        return Err(format!("{} cannot be written: {error}", dir.display()));
    }
    keep(app, id, out, stopped);
    Ok(true)
}

/// Ends a trial speaker for good: what it kept goes, and the certificate of its connection is worth nothing. What it has played stays
/// on record.
pub async fn end(app: &Arc<App>, id: &SpeakerId) -> Result<bool, String> {
    let known = is_trial(app, id);
    stop(app, id).await;
    if known {
        let dir = dir(app, id);
        app.store.drop_certificates(id).await.map_err(|e| e.to_string())?;
        app.gate.reload(&app.store, id).await.map_err(|e| e.to_string())?;
        app.gate.drop_connections(id);
        std::fs::remove_dir_all(&dir).map_err(|e| format!("{} cannot be removed: {e}", dir.display()))?;
        app.changed(Change::Speakers);
    }
    Ok(known)
}

/// Whether this speaker is one of these, and no board on a pole.
pub fn is_trial(app: &App, id: &SpeakerId) -> bool {
    dir(app, id).is_dir()
}

/// What a trial speaker without a device has put into its file.
pub fn sound_file(app: &App, id: &SpeakerId) -> PathBuf {
    dir(app, id).join(SOUND_FILE)
}

/// Begins again those that were there when the center stopped.
pub fn resume(app: &Arc<App>) {
    if refusal(app).is_some() {
        return;
    }
    for entry in std::fs::read_dir(app.data.path("trial")).into_iter().flatten().flatten() {
        let Ok(id) = entry.file_name().to_string_lossy().parse::<SpeakerId>() else { continue };
        let wish = std::fs::read_to_string(entry.path().join(WISH)).unwrap_or_default();
        if let Some(stopped) = app.trials.take_place(&id) {
            keep(app, &id, serde_json::from_str(&wish).unwrap_or_default(), stopped);
        }
    }
}

/// Ends all of them, for now.
pub async fn stop_all(app: &Arc<App>) {
    for (id, _) in app.trials.states() {
        stop(app, &id).await;
    }
}

const WISH: &str = "trial.json";

fn dir(app: &App, id: &SpeakerId) -> PathBuf {
    app.data.path("trial").join(id.as_str())
}

async fn stop(app: &App, id: &SpeakerId) {
    let trial = app.trials.0.lock().ok().and_then(|mut trials| trials.remove(id));
    if let Some(mut trial) = trial {
        let _ = trial.stop.send(true);
        if let Some(keeper) = trial.keeper.take() {
            let _ = keeper.await;
        }
    }
}

fn keep(app: &Arc<App>, id: &SpeakerId, out: Out, stopped: watch::Receiver<bool>) {
    let keeper = tokio::spawn(run(app.clone(), id.clone(), out, stopped));
    if let Ok(mut trials) = app.trials.0.lock()
        && let Some(trial) = trials.get_mut(id)
    {
        trial.keeper = Some(keeper);
    }
}

/// Begins the process again and again until it is told to stop.
async fn run(app: Arc<App>, id: SpeakerId, out: Out, mut stopped: watch::Receiver<bool>) {
    let mut again = AGAIN;
    loop {
        let ended = once(&app, &id, out, &mut stopped).await;
        if stopped.has_changed().is_err() || *stopped.borrow() {
            return;
        }
        match ended {
            Ok(()) => again = AGAIN,
            Err(Ended::Useless(why)) => {
                warn!("the trial speaker {id} cannot be run: {why}");
                return note(&app, &id, State::Failed(why));
            }
            Err(Ended::Failed(why)) => {
                warn!("the trial speaker {id} ended: {why}");
                note(&app, &id, State::Failed(why));
                again = (again * 2).min(AGAIN_AT_MOST);
            }
        }
        tokio::select! {
            () = tokio::time::sleep(again) => {}
            () = told_to_stop(&mut stopped) => return,
        }
    }
}

enum Ended {
    Failed(String),
    /// It will never be otherwise with this program.
    Useless(String),
}

impl From<std::io::Error> for Ended {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

fn note(app: &App, id: &SpeakerId, state: State) {
    app.trials.set(id, state);
    app.changed(Change::Speakers);
}

/// One life of the process. Well ended is one that was told to, or that ended in good order.
async fn once(app: &App, id: &SpeakerId, out: Out, stopped: &mut watch::Receiver<bool>) -> Result<(), Ended> {
    let bound = app.bound.get().copied().ok_or_else(|| Ended::Failed("the center is not bound yet".into()))?;
    let Some(mqtt) = bound.mqtt else { return Err(Ended::Useless("the center has no broker of its own".into())) };
    let scheme = if app.config.http.tls { "https" } else { "http" };
    let order = Order {
        center: format!("{scheme}://{}", reachable(bound.http)),
        mqtt: format!("mqtts://{}", reachable(mqtt)),
        dir: dir(app, id),
        out,
    };
    let mut child = start()?;
    let (Some(mut orders), Some(words)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(Ended::Failed("it cannot be heard".into()));
    };
    say(&mut orders, &serde_json::to_string(&order).map_err(|e| Ended::Failed(e.to_string()))?).await?;
    let (mut lines, mut problem) = (BufReader::new(words).lines(), None);
    loop {
        let line = tokio::select! {
            line = lines.next_line() => line?,
            () = told_to_stop(stopped) => {
                drop(orders);
                if tokio::time::timeout(ENDING, child.wait()).await.is_err() {
                    child.kill().await?;
                }
                return Ok(());
            }
        };
        let Some(line) = line else { break };
        match serde_json::from_str(&line).map_err(|e| Ended::Failed(format!("it said {line:?}: {e}")))? {
            Told::WantsCode => {
                let now_ms = now_ms();
                let code = enrolment::make_code(app, id, now_ms + DAY_MS, now_ms).await;
                say(&mut orders, &code.map_err(|e| Ended::Failed(e.to_string()))?.to_string()).await?;
            }
            Told::Runs(sounding) => {
                info!("the trial speaker {id} runs, with {sounding:?}");
                note(app, id, State::Runs(sounding));
            }
            Told::Failed { problem: told } => problem = Some(told),
        }
    }
    let status = child.wait().await?;
    match problem {
        Some(problem) => Err(Ended::Failed(problem)),
        None if status.success() => Ok(()),
        None if status.code() == Some(BAD_USAGE) => {
            Err(Ended::Useless("this program was built without the controller, which a trial speaker is".into()))
        }
        None => Err(Ended::Failed(format!("{status}"))),
    }
}

/// Ready when it is to end, also when nobody can say so any more.
async fn told_to_stop(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

async fn say(orders: &mut ChildStdin, line: &str) -> std::io::Result<()> {
    orders.write_all(format!("{line}\n").as_bytes()).await?;
    orders.flush().await
}

fn start() -> std::io::Result<Child> {
    // The very program that runs, even if an update has put another in its place.
    let own = Path::new("/proc/self/exe");
    let program = if own.exists() { own.to_owned() } else { std::env::current_exe()? };
    Command::new(program)
        .arg(COMMAND)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // A Ctrl-C at the terminal is the center's to answer.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}
