//! Takes in what speakers say: their state, and the records of what they played. Acknowledges records only once they are stored.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rumqttc::{AsyncClient, QoS};
use tokio::sync::mpsc;
use tracing::warn;

use super::app::{App, Change, now_ms};
use super::delivery::with_book;
use super::enrolment;
use super::link::Heard;
use super::planner::HIGHEST_BELIEVED;
use super::store::StoreError;
use crate::domain::DAY_MS;
use crate::domain::ids::{OccurrenceId, SpeakerId};
use crate::domain::record::PlaybackRecord;
use crate::domain::standing::Turn;
use crate::protocol::limits::RECORDS_PER_REPORT;
use crate::protocol::message::{self, Ack, Renew, State};
use crate::protocol::topics::{self, Down};

/// Messages stored in one transaction.
const BATCH: usize = 1000;
/// Records of plays that began longer ago, or are to begin later than this, are not stored: no honest board has such.
const OLDEST_MS: i64 = 40 * DAY_MS;
const AHEAD_MS: i64 = 3_600_000;

pub async fn run(app: Arc<App>, client: AsyncClient, mut heard: mpsc::Receiver<Heard>) {
    let mut batch = vec![];
    while heard.recv_many(&mut batch, BATCH).await > 0 {
        let (mut records, mut states, mut renewals) = (vec![], BTreeMap::new(), vec![]);
        for message in batch.drain(..) {
            match message {
                Heard::Report { speaker, payload } => read_report(&speaker, &payload, &mut records),
                Heard::Renew { speaker, payload } => renewals.push((speaker, payload)),
                Heard::State { speaker, payload } => read_state(speaker, &payload, &mut states),
            }
        }
        store_states(&app, states).await;
        store_records(&app, &client, records).await;
        for (speaker, payload) in renewals {
            renew(&app, &client, &speaker, &payload).await;
        }
    }
}

/// Gives a connected speaker its next certificate.
async fn renew(app: &App, client: &AsyncClient, speaker: &SpeakerId, payload: &[u8]) {
    let asked: Renew = match message::parse(payload) {
        Ok(asked) => asked,
        Err(error) => return warn!("{speaker} asked for a certificate in words that cannot be read: {error}"),
    };
    match enrolment::renew(app, speaker, &asked, now_ms()).await {
        Ok(Some(renewed)) => {
            let topic = topics::down(&app.site.site, speaker, Down::Certificate);
            let _ = client.publish(topic, QoS::AtLeastOnce, false, message::bytes(&renewed)).await;
        }
        Ok(None) => {}
        Err(error) => warn!("{speaker} cannot be given a certificate: {error}"),
    }
}

fn read_report(speaker: &SpeakerId, payload: &[u8], records: &mut Vec<PlaybackRecord>) {
    match message::parse_report(payload) {
        // A speaker speaks for itself alone.
        Ok(report) => records.extend(report.records.into_iter().filter(|record| record.speaker == *speaker)),
        Err(error) => warn!("{speaker} sent a report that cannot be read: {error}"),
    }
}

/// Of several states of one speaker in a batch the newest counts.
fn read_state(speaker: SpeakerId, payload: &[u8], states: &mut BTreeMap<SpeakerId, State>) {
    match message::parse::<State>(payload) {
        Ok(state) => {
            if states.get(&speaker).is_none_or(|old| old.birth <= state.birth) {
                states.insert(speaker, state);
            }
        }
        Err(error) => warn!("{speaker} sent a state that cannot be read: {error}"),
    }
}

async fn store_states(app: &App, states: BTreeMap<SpeakerId, State>) {
    if states.is_empty() {
        return;
    }
    // A birth number beyond what the store holds is no honest one, and would spoil the batch.
    let now_ms = now_ms();
    let mut facts = vec![];
    let mut rows: Vec<(SpeakerId, State, Vec<Turn>)> = vec![];
    for (speaker, state) in states.into_iter().filter(|(_, state)| i64::try_from(state.birth).is_ok()) {
        let turned = app.last_words.turned(&speaker, &state, now_ms);
        rows.push((speaker, state, turned.turns.clone()));
        facts.push(turned);
    }
    let states = rows;
    let taken = match app.store.set_states(&states, now_ms).await {
        Ok(taken) => taken,
        // Heartbeats tell them again.
        Err(error) => return warn!("the states of {} speakers cannot be stored: {error}", states.len()),
    };
    for (((speaker, ..), turned), _) in states.iter().zip(facts).zip(&taken).filter(|(_, taken)| **taken) {
        app.last_words.took(speaker, turned, now_ms);
    }
    let (mut lacks, mut is_ahead, mut is_new) = (false, false, false);
    with_book(app, |book| {
        for ((speaker, state, _), _) in states.iter().zip(&taken).filter(|(_, taken)| **taken) {
            let accepted = state.detail.as_ref().and_then(|detail| detail.plan);
            let accepted = accepted.filter(|number| *number < HIGHEST_BELIEVED);
            let heard = book.heard(speaker, state.birth, state.online, accepted);
            lacks |= heard.lacks;
            is_ahead |= heard.is_ahead;
            is_new |= heard.is_new;
        }
    });
    if lacks {
        app.publish_bell.notify_one();
    }
    if is_new {
        app.commands.bell.notify_one();
    }
    if is_ahead && with_book(app, |book| book.may_overtake(now_ms)) {
        // It knows a plan that this store does not: the store is an older copy, and has to go beyond it.
        app.plan_bell.notify_one();
    }
    if taken.contains(&true) {
        app.changed(Change::Speakers);
    }
}

async fn store_records(app: &App, client: &AsyncClient, records: Vec<PlaybackRecord>) {
    if records.is_empty() {
        return;
    }
    let (records, strange): (Vec<_>, Vec<_>) =
        records.into_iter().partition(|record| is_credible(record.start_ms, now_ms()));
    if !records.is_empty() {
        if let Err(error) = store_patiently(app, &records).await {
            // Not acknowledged, so they come again.
            warn!("{} records cannot be stored: {error}", records.len());
            return;
        }
        app.failures.note(&records, now_ms());
        app.changed(Change::Plays);
        app.account_bell.notify_one();
    }
    let mut dropped: BTreeMap<&SpeakerId, u32> = BTreeMap::new();
    strange.iter().for_each(|record| *dropped.entry(&record.speaker).or_default() += 1);
    for (speaker, count) in dropped {
        warn!("{speaker} sent {count} records of plays over 40 days ago or over an hour ahead; they are not kept");
    }
    let mut acks: BTreeMap<SpeakerId, Vec<OccurrenceId>> = BTreeMap::new();
    // Those that are not kept as well: else they would come again for ever.
    for record in records.into_iter().chain(strange) {
        acks.entry(record.speaker).or_default().push(record.occurrence);
    }
    for (speaker, occurrences) in acks {
        let topic = topics::down(&app.site.site, &speaker, Down::Ack);
        for part in occurrences.chunks(RECORDS_PER_REPORT) {
            let ack = message::bytes(&Ack { occurrences: part.to_vec() });
            let _ = client.publish(topic.as_str(), QoS::AtLeastOnce, false, ack).await;
        }
    }
}

fn is_credible(start_ms: i64, now_ms: i64) -> bool {
    (now_ms - OLDEST_MS..=now_ms + AHEAD_MS).contains(&start_ms)
}

async fn store_patiently(app: &App, records: &[PlaybackRecord]) -> Result<(), StoreError> {
    match app.store.add_records(records, now_ms()).await {
        Ok(()) => Ok(()),
        Err(first) => {
            warn!("records: {first}; trying once more");
            tokio::time::sleep(Duration::from_millis(200)).await;
            app.store.add_records(records, now_ms()).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_kept_from_forty_days_back_to_an_hour_ahead() {
        let now_ms = 1_790_000_000_000;
        for kept in [now_ms, now_ms - OLDEST_MS, now_ms + AHEAD_MS] {
            assert!(is_credible(kept, now_ms), "{kept}");
        }
        for strange in [0, now_ms - OLDEST_MS - 1, now_ms + AHEAD_MS + 1, i64::MIN, i64::MAX] {
            assert!(!is_credible(strange, now_ms), "{strange}");
        }
    }
}
