//! Gets plans and media to the speakers: plans as retained messages, media once for all who want it.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use rumqttc::{AsyncClient, QoS};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{info, warn};

use super::app::App;
use crate::domain::ids::{MediaHash, SpeakerId};
use crate::protocol::chunks::Bitmap;
use crate::protocol::message::Want;
use crate::protocol::topics::{self, Down};

/// Publishes every speaker's newest plan whenever the bell rings, which the broker's connection and the planner do.
///
/// After a connection all of them go out, since a broker may have forgotten; otherwise only those that are new.
pub async fn publish_plans(app: Arc<App>, client: AsyncClient, mut connections: tokio::sync::watch::Receiver<u64>) {
    let mut published: HashMap<SpeakerId, u64> = HashMap::new();
    loop {
        tokio::select! {
            () = app.publish_bell.notified() => {}
            changed = connections.changed() => {
                if changed.is_err() {
                    return;
                }
                published.clear();
            }
        }
        let (mut sent, mut failed) = (0, None);
        let newest = app.store.newest_numbers().await.unwrap_or_else(|error| {
            failed = Some(error);
            vec![]
        });
        for (speaker, number, ..) in newest {
            if published.get(&speaker) == Some(&number) || app.gate.is_disabled(&speaker) {
                continue;
            }
            // One at a time: all of them together may be more than fits into memory.
            let plan = match app.store.newest_plan(&speaker).await {
                Ok(Some(plan)) => plan,
                Ok(None) => continue,
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            };
            let topic = topics::down(&app.site.site, &plan.speaker, Down::Plan);
            if client.publish(topic, QoS::AtLeastOnce, true, plan.body.into_bytes()).await.is_err() {
                return;
            }
            published.insert(plan.speaker, plan.number);
            sent += 1;
        }
        if sent > 0 {
            info!("{sent} plans published");
        }
        if let Some(error) = failed {
            warn!("plans cannot be published: {error}");
            tokio::time::sleep(Duration::from_secs(1)).await;
            app.publish_bell.notify_one();
        }
    }
}

/// Wants that come within this are answered together.
const GATHER: Duration = Duration::from_millis(200);

/// What is to be sent of each file.
#[derive(Debug, Default)]
pub struct Carousel {
    wanted: BTreeMap<MediaHash, Bitmap>,
    last: Option<MediaHash>,
}

impl Carousel {
    pub fn add(&mut self, want: &Want) {
        self.wanted.entry(want.media).or_default().merge(&want.missing);
    }

    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Takes one file and the union of what is missing of it; in turn, so that no file starves another.
    pub fn take(&mut self) -> Option<(MediaHash, Bitmap)> {
        let after = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.wanted.range((after, Bound::Unbounded)).next().or_else(|| self.wanted.iter().next());
        let media = *next?.0;
        self.last = Some(media);
        self.wanted.remove(&media).map(|missing| (media, missing))
    }
}

/// Sends the chunks that are wanted, each once for all who want it at the time, no faster than configured.
pub async fn run_carousel(app: Arc<App>, client: AsyncClient, mut wants: mpsc::Receiver<Want>) {
    let mut pace = Pace::new(app.config.mqtt.media_kbytes_per_s.max(1) * 1024);
    let mut carousel = Carousel::default();
    while let Some(first) = wants.recv().await {
        carousel.add(&first);
        let until = Instant::now() + GATHER;
        while let Ok(Some(want)) = tokio::time::timeout_at(until, wants.recv()).await {
            carousel.add(&want);
        }
        while let Some((media, missing)) = carousel.take() {
            if let Err(error) = send(&app, &client, &mut pace, &media, &missing).await {
                warn!("media {media} cannot be sent: {error}");
            }
            // Wants that came meanwhile join the round.
            while let Ok(want) = wants.try_recv() {
                carousel.add(&want);
            }
        }
    }
}

async fn send(
    app: &App,
    client: &AsyncClient,
    pace: &mut Pace,
    media: &MediaHash,
    missing: &Bitmap,
) -> Result<(), String> {
    let bytes = app.media.read(media).map_err(|e| e.to_string())?;
    let list = app.chunk_list(media).map_err(|e| e.to_string())?;
    for index in missing.ones().filter(|index| *index < list.chunks.len()) {
        let start = index * list.chunk_bytes as usize;
        let chunk = &bytes[start..start + list.chunk_len(index)];
        pace.wait(chunk.len()).await;
        let topic = topics::chunk(&app.site.site, media, index as u32);
        client.publish(topic, QoS::AtMostOnce, false, chunk.to_vec()).await.map_err(|e| e.to_string())?;
    }
    Ok(())
}

/// A byte rate, kept over time.
#[derive(Debug)]
struct Pace {
    bytes_per_s: u64,
    next: Instant,
}

impl Pace {
    fn new(bytes_per_s: u64) -> Self {
        Self { bytes_per_s, next: Instant::now() }
    }

    async fn wait(&mut self, bytes: usize) {
        let now = Instant::now();
        self.next = self.next.max(now);
        tokio::time::sleep_until(self.next).await;
        self.next += Duration::from_secs_f64(bytes as f64 / self.bytes_per_s as f64);
    }
}
