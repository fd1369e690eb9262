//! What a simulation goes through: the whole way at a scratch center, or a while at a given one. Knows no arguments and no terminal.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::counters::Counters;
use super::fleet::{Fleet, Settings};
use super::join::{Join, join};
use super::report::{CenterReport, Report};
use super::scratch::{self, Scratch};
use crate::center::client::Client;

/// The content is delivered for a play that is still far, so that delivery alone is timed.
const LATER_MS: i64 = 86_400_000;
/// Until a play begins: what planning and publishing may take at least, and for each speaker.
const NOTICE_MS: i64 = 20_000;
const NOTICE_PER_SPEAKER_MS: i64 = 2;
/// The broadcast form is 48 kbit/s.
const BYTES_PER_S: u64 = 6_000;

/// What is told on the way.
pub trait Tell {
    /// A stage begins.
    fn stage(&self, what: &str);
    /// So many speakers were brought to the center.
    fn joined(&self, speakers: usize);
    /// The boards live from now on.
    fn lives(&self, counters: &Arc<Counters>);
}

/// A report, and why the scenario did not come to its end, if so.
#[derive(Debug)]
pub struct Ended {
    pub report: Report,
    pub counters: Arc<Counters>,
    pub failure: Option<String>,
}

/// The whole way at a center that is made for it.
#[derive(Debug, Clone)]
pub struct WholeWay {
    pub program: PathBuf,
    pub speakers: usize,
    pub bulletin_kb: u64,
    pub play: bool,
    /// Without TLS, with passwords.
    pub plain: bool,
    /// How long each stage may take.
    pub within: Duration,
}

impl WholeWay {
    /// Goes it until `stop` is ready, or to the end.
    pub async fn go(
        self,
        settings: Settings,
        link: &str,
        tell: &impl Tell,
        stop: impl Future<Output = ()>,
    ) -> Result<Ended, String> {
        tokio::pin!(stop);
        let (seed, dir) = (settings.seed, settings.dir.clone());
        let prepared = async {
            tell.stage("making a scratch center with an approved bulletin");
            let (program, plain, kilobytes) = (self.program.clone(), self.plain, self.bulletin_kb);
            let made = tokio::task::spawn_blocking(move || -> Result<_, String> {
                let scratch = Scratch::start(&program, plain)?;
                let bytes = scratch.add_bulletin(kilobytes)?;
                Ok((scratch, bytes))
            });
            let (scratch, bulletin_bytes) = made.await.map_err(|e| e.to_string())??;
            let client = Arc::new(scratch.client().await?);
            tell.stage("adding and enrolling the speakers");
            let mut joining = Join::new(dir, self.speakers, "");
            joining.areas = scratch::add_areas(&client, self.speakers).await?;
            (joining.url, joining.mqtt) = (Some(scratch.http.clone()), Some(scratch.mqtt.clone()));
            let members = join(client.clone(), joining, |joined| tell.joined(joined)).await?;
            Ok::<_, String>((scratch, client, bulletin_bytes, members))
        };
        let (scratch, client, bulletin_bytes, members) = tokio::select! {
            prepared = prepared => prepared?,
            () = &mut stop => return Err("stopped before the boards were there; there is nothing to report".into()),
        };
        let before = scratch.process();
        let fleet = Fleet::start(members, settings)?;
        tell.lives(fleet.counters());
        let way = self.way(&fleet, &client, bulletin_bytes, tell);
        let ended = tokio::select! {
            done = way => done.map(|()| "done"),
            () = stop => Ok("interrupted"),
        };
        let word = *ended.as_ref().unwrap_or(&"failed");
        let mut report = Report::of(fleet.counters(), link, seed, word);
        report.center = before.zip(scratch.process()).map(|(before, after)| {
            let (cpu_s, speakers) = (after.cpu_s - before.cpu_s, self.speakers as f64);
            CenterReport {
                bulletin_bytes,
                cpu_s,
                cpu_ms_per_speaker: cpu_s * 1000.0 / speakers,
                rss_kb: after.rss_kb,
                rss_kb_per_speaker: after.rss_kb.saturating_sub(before.rss_kb) as f64 / speakers,
            }
        });
        Ok(Ended { report, counters: fleet.stop().await, failure: ended.err() })
    }

    async fn way(&self, fleet: &Fleet, client: &Client, bulletin_bytes: u64, tell: &impl Tell) -> Result<(), String> {
        let all = self.speakers as u64;
        tell.stage("connecting");
        fleet.wait("all to connect", self.within, |now| now.ever_connected == all).await?;
        fleet.wait("the first plans", self.within, |now| now.with_plan == all).await?;
        tell.stage("delivering plans and content");
        // The plans of the beginning hold nothing yet; they are not what is timed.
        fleet.counters().forget_delivery();
        fleet.counters().mark();
        scratch::schedule(client, "later", LATER_MS).await?;
        fleet.wait("the content", self.within, |now| now.whole_boards == all).await?;
        if self.play {
            tell.stage("a play, and its records");
            let notice_ms = NOTICE_MS + NOTICE_PER_SPEAKER_MS * self.speakers as i64;
            fleet.counters().mark();
            scratch::schedule(client, "now", notice_ms).await?;
            let longest = Duration::from_millis(notice_ms.unsigned_abs())
                + Duration::from_secs(bulletin_bytes / BYTES_PER_S)
                + self.within;
            fleet.wait("the records", longest, |now| now.records_acknowledged >= all).await?;
        }
        Ok(())
    }
}

/// Connects speakers to a given center, adding those that the store does not know, and looks on until `stop` or for a while.
pub async fn look_on(
    client: Arc<Client>,
    joining: Join,
    settings: Settings,
    link: &str,
    length: Duration,
    tell: &impl Tell,
    stop: impl Future<Output = ()>,
) -> Result<Ended, String> {
    tokio::pin!(stop);
    tell.stage("adding and enrolling the speakers");
    let members = tokio::select! {
        members = join(client, joining, |joined| tell.joined(joined)) => members?,
        () = &mut stop => return Err("stopped before all speakers were added; those that were stay at the center".into()),
    };
    let seed = settings.seed;
    let fleet = Fleet::start(members, settings)?;
    tell.lives(fleet.counters());
    tell.stage(&format!("running for {} s", length.as_secs()));
    let word = tokio::select! {
        () = tokio::time::sleep(length) => "done",
        () = stop => "interrupted",
    };
    let report = Report::of(fleet.counters(), link, seed, word);
    Ok(Ended { report, counters: fleet.stop().await, failure: None })
}
