//! Gets plans and media to the speakers: plans to whoever lacks theirs, media once for all who want it.

mod carousel;
mod plans;

use std::collections::HashMap;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::Duration;

use chrono::Timelike as _;
use rumqttc::{AsyncClient, QoS};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tracing::{info, warn};

use super::app::{App, now_ms};
use super::link::Asked;
use super::store::StoreError;
use crate::domain::ids::{AreaCode, MediaHash, SpeakerId};
use crate::protocol::chunks::chunk_hash;
use crate::protocol::topics::{self, Down};
pub use carousel::{Carousel, Limits, Moment, Next, Pace, Wanted};
pub use plans::PlanBook;

/// How often it is looked whether a plan has to go out again.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Plans are read so many at a time.
const PLANS_AT_ONCE: usize = 50;

/// Sends each speaker its newest plan, whenever the bell rings and some speaker lacks one.
pub async fn send_plans(app: Arc<App>, client: AsyncClient, mut connections: watch::Receiver<u64>) {
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            () = app.publish_bell.notified() => {}
            _ = look.tick() => {}
            changed = connections.changed() => {
                if changed.is_err() {
                    return;
                }
                with_book(&app, PlanBook::broker_came_back);
            }
        }
        match send_due_plans(&app, &client).await {
            Ok(0) => {}
            Ok(sent) => info!("{sent} plans sent"),
            Err(error) => {
                warn!("plans cannot be sent: {error}");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn send_due_plans(app: &App, client: &AsyncClient) -> Result<usize, StoreError> {
    let mut due = with_book(app, |book| book.due(now_ms()));
    due.retain(|(speaker, _)| !app.gate.is_disabled(speaker));
    let mut sent = 0;
    // Some at a time: all of them together may be more than fits into memory.
    for part in due.chunks(PLANS_AT_ONCE) {
        for plan in app.store.plans_by_number(part).await? {
            let topic = topics::down(&app.site.site, &plan.speaker, Down::Plan);
            if client.publish(topic, QoS::AtLeastOnce, false, plan.body.into_bytes()).await.is_err() {
                return Ok(sent);
            }
            with_book(app, |book| book.sent(&plan.speaker, plan.number, now_ms()));
            sent += 1;
        }
    }
    Ok(sent)
}

pub fn with_book<T>(app: &App, act: impl FnOnce(&mut PlanBook) -> T) -> T {
    act(&mut app.plan_book.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
}

/// What the configuration says of pace; areas as `CODE=PACE`.
pub fn limits(config: &super::config::Mqtt) -> Result<Limits, String> {
    let all = Pace {
        kbytes_per_s: config.media_kbytes_per_s.max(1),
        window: Pace::parse(&config.media_window).map_err(|e| format!("mqtt.media_window: {e}"))?.window,
    };
    let area = |text: &String| {
        let (code, pace) = text.split_once('=').ok_or_else(|| format!("{text:?} is not of the form CODE=PACE"))?;
        let code: AreaCode = code.trim().parse().map_err(|e| format!("{text:?}: {e}"))?;
        Ok((code, Pace::parse(pace.trim())?))
    };
    let areas: Result<_, String> = config.media_areas.iter().map(area).collect();
    let areas = areas.map_err(|e| format!("mqtt.media_areas: {e}"))?;
    Ok(Limits { all, uplink_kbytes_per_s: config.media_uplink_kbytes_per_s, areas })
}

/// Sends the chunks that are wanted.
pub async fn run_carousel(app: Arc<App>, limits: Limits, client: AsyncClient, mut asked: mpsc::Receiver<Asked>) {
    let mut places = Places { known: HashMap::new(), wanted: !limits.areas.is_empty(), read: None };
    let mut carousel = Carousel::new(limits);
    let mut allowance = Allowance::default();
    let clock = Clock::new(&app);
    let mut batch = vec![];
    let mut open = Open::default();
    let mut turn = 0u32;
    loop {
        let next = carousel.next(clock.now());
        turn = turn.wrapping_add(1);
        // Counting them all for each chunk would cost more than the chunk.
        if turn.is_multiple_of(64) || !matches!(next, Next::Send { .. }) {
            let (files, chunks) = carousel.ahead();
            app.pulse.sends(files, chunks);
        }
        match next {
            Next::Send { media, index } => {
                match open.chunk(&app, &media, index) {
                    Ok(chunk) => {
                        let bytes = chunk.len();
                        let topic = topics::chunk(&app.site.site, &media, index as u32);
                        if client.publish(topic, QoS::AtMostOnce, false, chunk).await.is_err() {
                            return;
                        }
                        carousel.sent(&media, index, bytes, clock.now());
                    }
                    Err(problem) => {
                        warn!("media {media} cannot be sent: {problem}");
                        carousel.forget(&media);
                    }
                }
                while let Ok(one) = asked.try_recv() {
                    batch.push(one);
                }
            }
            Next::Wait(until_ms) => {
                let wait_ms = (until_ms - clock.now().mono_ms).clamp(1, 60_000) as u64;
                let _ = tokio::time::timeout(Duration::from_millis(wait_ms), asked.recv_many(&mut batch, 1000)).await;
            }
            Next::Idle => {
                open.0.clear();
                if asked.recv_many(&mut batch, 1000).await == 0 {
                    return;
                }
            }
        }
        for one in batch.drain(..) {
            take(&app, &mut carousel, (&mut places, &mut allowance), &one, clock.now()).await;
        }
    }
}

async fn take(
    app: &App,
    carousel: &mut Carousel,
    (places, allowance): (&mut Places, &mut Allowance),
    asked: &Asked,
    now: Moment,
) {
    let want = &asked.want;
    // A board may ask for what was withdrawn meanwhile, and a stranger for anything.
    let Ok(list) = app.chunk_list(&want.media) else { return };
    if want.missing.ones().any(|index| index >= list.chunks.len()) {
        return warn!("{} wants more of media {} than there is", asked.speaker, want.media);
    }
    let wanted_bytes = want.missing.ones().map(|index| list.chunk_len(index) as u64).sum();
    if !allowance.spend(&asked.speaker, wanted_bytes, now.mono_ms) {
        return app.gate.denials.note(asked.speaker.as_str(), "asks for more media than it can need");
    }
    let areas = places.of(app, &asked.speaker).await;
    let wanted = Wanted {
        speaker: &asked.speaker,
        areas,
        media: want.media,
        missing: &want.missing,
        due_ms: want.due_ms.unwrap_or(i64::MAX).max(now.unix_ms),
        // A board's word alone does not put it before all others.
        urgent: want.urgent && app.standby.read().is_ok_and(|standby| standby.contains(&want.media)),
    };
    carousel.want(&wanted, now);
}

/// Where speakers are, read when it matters: only where some area has a pace of its own.
struct Places {
    known: HashMap<SpeakerId, Vec<AreaCode>>,
    wanted: bool,
    read: Option<Instant>,
}

impl Places {
    async fn of(&mut self, app: &App, speaker: &SpeakerId) -> &[AreaCode] {
        let stale = |read: &Instant| read.elapsed() > Duration::from_secs(60);
        if self.wanted && !self.known.contains_key(speaker) && self.read.as_ref().is_none_or(stale) {
            self.read = Some(Instant::now());
            match app.speaker_areas().await {
                Ok(known) => self.known = known,
                Err(error) => warn!("where speakers are cannot be read: {error}"),
            }
        }
        self.known.get(speaker).map_or(&[], Vec::as_slice)
    }
}

/// Bytes of media that one speaker may ask for within an hour: days of sound, and far less than would keep others waiting.
const ASKED_BYTES: u64 = 512 * 1024 * 1024;

/// What each speaker has asked for in this hour.
#[derive(Default)]
struct Allowance {
    hour: i64,
    asked_bytes: HashMap<SpeakerId, u64>,
}

impl Allowance {
    fn spend(&mut self, speaker: &SpeakerId, bytes: u64, mono_ms: i64) -> bool {
        if mono_ms / 3_600_000 != self.hour {
            (self.hour, self.asked_bytes) = (mono_ms / 3_600_000, HashMap::new());
        }
        let asked = self.asked_bytes.entry(speaker.clone()).or_default();
        *asked = asked.saturating_add(bytes);
        *asked <= ASKED_BYTES
    }
}

/// Files that are being sent, each found to be whole when it was opened.
#[derive(Default)]
struct Open(HashMap<MediaHash, std::fs::File>);

const OPEN_FILES: usize = 16;

impl Open {
    /// A chunk, if the disk still holds what was approved.
    fn chunk(&mut self, app: &App, media: &MediaHash, index: usize) -> Result<Vec<u8>, String> {
        let list = app.chunk_list(media).map_err(|e| e.to_string())?;
        let expected = list.chunks.get(index).ok_or("it has no such chunk")?;
        if !self.0.contains_key(media) {
            // None of a damaged file is worth sending: nobody could finish it.
            tokio::task::block_in_place(|| app.media.check(media)).map_err(|e| e.to_string())?;
            if self.0.len() >= OPEN_FILES {
                self.0.clear();
            }
            self.0.insert(*media, std::fs::File::open(app.media.path(media)).map_err(|e| e.to_string())?);
        }
        let Some(file) = self.0.get(media) else { return Err("it is not open".into()) };
        let mut chunk = vec![0; list.chunk_len(index)];
        file.read_exact_at(&mut chunk, index as u64 * u64::from(list.chunk_bytes)).map_err(|e| e.to_string())?;
        if chunk_hash(&chunk) != *expected {
            return Err("its file is damaged; restore it from a backup, or approve the bulletin anew".into());
        }
        Ok(chunk)
    }
}

struct Clock {
    start: Instant,
    zone: chrono_tz::Tz,
}

impl Clock {
    fn new(app: &App) -> Self {
        Self { start: Instant::now(), zone: app.site.time_zone.parse().unwrap_or(chrono_tz::Asia::Ho_Chi_Minh) }
    }

    fn now(&self) -> Moment {
        let unix_ms = now_ms();
        let local = chrono::DateTime::from_timestamp_millis(unix_ms).map(|utc| utc.with_timezone(&self.zone).time());
        Moment {
            mono_ms: self.start.elapsed().as_millis() as i64,
            unix_ms,
            minute: local.map_or(0, |time| time.num_seconds_from_midnight() / 60),
        }
    }
}
