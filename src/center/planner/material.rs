//! Everything that plans are made of, read from the store as it stands now.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tracing::warn;

use super::PlanError;
use crate::center::app::{App, now_ms};
use crate::center::authority::{Trust, by_approver, certificates};
use crate::center::store::{CertificateRow, Histories, Intake, RevisionRow, SpeakerRow, VersionRow};
use crate::domain::approval::{Approval, Certificate, Ticket};
use crate::domain::area::AreaTree;
use crate::domain::bulletin::Language;
use crate::domain::calendar::Calendars;
use crate::domain::fleet::named_speakers;
use crate::domain::hours::{Hours, HoursStatement};
use crate::domain::ids::{AreaCode, BulletinId, KeyId, MediaHash, ProgrammeId, ScheduleId, SpeakerId};
use crate::domain::neighbours::{Spot, offsets};
use crate::domain::priority::Priority;
use crate::domain::programme::{Item, Programme, ProgrammeText};
use crate::domain::schedule::{Schedule, ScheduleText};
use crate::domain::script::{Approved, Cue, Script, Voice};
use crate::domain::series::{History, Series, Version};
use crate::domain::timetable::{Place, Profile, World};
use crate::protocol::envelope::Envelope;

/// The newest approved revisions of a bulletin that are looked at; older ones have long been replaced.
const REVISIONS: usize = 4;
const SPEAKERS_AT_ONCE: i64 = 1000;

#[derive(Debug)]
pub struct Material {
    pub world: World,
    pub areas: AreaTree,
    pub calendars: Calendars,
    pub speakers: BTreeMap<SpeakerId, SpeakerRow>,
    pub voices: Voices,
    pub certificates: BTreeMap<KeyId, CertificateRow>,
    /// Sounds that are approved as emergencies, and where: speakers keep them at hand.
    pub standby: Vec<(MediaHash, Vec<AreaCode>)>,
    /// The signed approvals by bulletin and revision.
    pub approvals: BTreeMap<(BulletinId, u32), Vec<Envelope>>,
    /// The signed tickets that are not over, with the media that they name.
    pub tickets: Vec<(Ticket, Envelope)>,
    pub trust: Arc<Trust>,
    /// The signed lawful hours by area.
    pub hours: BTreeMap<AreaCode, Envelope>,
    /// Changes whenever a certificate, the lawful hours or the trust list do.
    pub statements: [u8; 32],
    stagger: BTreeMap<SpeakerId, i64>,
}

/// The versions of every bulletin: by the name that programmes use, that one first.
#[derive(Debug, Default)]
pub struct Voices {
    by_bulletin: BTreeMap<BulletinId, Vec<Voice>>,
}

impl Voices {
    /// The versions of a bulletin, itself first.
    pub fn of(&self, bulletin: &BulletinId) -> &[Voice] {
        self.by_bulletin.get(bulletin).map_or(&[], Vec::as_slice)
    }

    /// A programme with what there is for it now.
    pub fn resolve(&self, programme: &Programme) -> Script {
        let cue = |item: &Item| match item {
            Item::Sound { kind, bulletin } => {
                Cue::Sound { kind: *kind, voices: self.by_bulletin.get(bulletin).cloned().unwrap_or_default() }
            }
            Item::Pause { ms } => Cue::Pause { ms: *ms },
            Item::Relay { source, ms } => Cue::Relay { source: source.clone(), ms: *ms },
        };
        Script { cues: programme.items.iter().map(cue).collect() }
    }
}

impl Material {
    pub async fn load(app: &App) -> Result<Self, PlanError> {
        let trust = app.trust();
        let certificates = certificates(app).await?;
        let tickets: Vec<_> = app.store.tickets(now_ms()).await?;
        let tickets: Vec<_> = tickets.iter().filter_map(|one| Some((by_approver(one, &certificates)?, one))).collect();
        let mut approvals: BTreeMap<(BulletinId, u32), Vec<Envelope>> = BTreeMap::new();
        for (bulletin, revision, envelope) in app.store.approvals().await? {
            approvals.entry((bulletin, revision)).or_default().push(envelope);
        }
        let mut approved: BTreeMap<BulletinId, Vec<Arc<Approved>>> = BTreeMap::new();
        for row in app.store.approved_revisions().await? {
            let known = approved.entry(row.bulletin.clone()).or_default();
            if known.len() >= REVISIONS {
                continue;
            }
            let envelopes = approvals.get(&(row.bulletin.clone(), row.revision)).map_or(&[][..], Vec::as_slice);
            let Some(item) = read_approved(&row, envelopes, &tickets, &certificates, &trust) else {
                warn!("no approval of bulletin {} revision {} verifies; it is not planned", row.bulletin, row.revision);
                continue;
            };
            known.push(Arc::new(item));
        }
        let standby = standby(approved.values().flatten(), now_ms());
        let tickets = tickets.into_iter().map(|((ticket, _), envelope)| (ticket, envelope.clone())).collect();
        let voices = voices(app.store.voices().await?, &approved);
        let texts = app.store.calendars().await?;
        let calendars = Calendars::new(&texts).unwrap_or_else(|error| {
            warn!("calendars are left out: {error}");
            Calendars::default()
        });
        let (areas, places, hours) = places(app).await?;
        let world = World {
            series: series(app.store.schedule_histories().await?, &calendars),
            programmes: programmes(app.store.programme_histories().await?, &voices),
            places,
            edit_lock_ms: app.config.plan.edit_lock_ms(),
        };
        let mut speakers = BTreeMap::new();
        let mut after = String::new();
        loop {
            let page = app.store.speakers(&after, SPEAKERS_AT_ONCE).await?;
            let Some(last) = page.last() else { break };
            after = last.id.to_string();
            speakers.extend(page.into_iter().map(|row| (row.id.clone(), row)));
        }
        let spot = |row: &SpeakerRow| {
            let (latitude, longitude) = row.traits.place?;
            Some((row.id.clone(), Spot { latitude, longitude, step_with: row.traits.step_with.clone() }))
        };
        let plan = &app.config.plan;
        let spots = speakers.values().filter_map(spot).collect();
        let stagger = offsets(&spots, f64::from(plan.neighbour_m), i64::from(plan.stagger_ms));
        let said = certificates.values().map(|row| &row.envelope).chain(hours.values());
        let statements = fingerprint(said.chain(&trust.list_envelope).chain(&trust.successions), &standby);
        Ok(Self {
            world,
            areas,
            calendars,
            speakers,
            voices,
            certificates,
            approvals,
            standby,
            tickets,
            trust,
            hours,
            statements,
            stagger,
        })
    }

    pub fn areas_of(&self, speaker: &SpeakerRow) -> Vec<AreaCode> {
        self.areas.path(&speaker.area).unwrap_or_default()
    }

    /// What every speaker is, as far as its timetable goes. `world` may be another than the stored one.
    pub fn profiles(&self, world: &World) -> BTreeMap<SpeakerId, Profile> {
        let named = named_speakers(world);
        let profile = |row: &SpeakerRow| Profile {
            areas: self.areas_of(row),
            languages: row.traits.languages.clone(),
            offset_ms: self.stagger.get(&row.id).copied().unwrap_or(0),
            alone: named.contains(&row.id).then(|| row.id.clone()),
        };
        self.speakers.iter().map(|(id, row)| (id.clone(), profile(row))).collect()
    }
}

fn fingerprint<'a>(envelopes: impl Iterator<Item = &'a Envelope>, standby: &[(MediaHash, Vec<AreaCode>)]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for envelope in envelopes {
        hasher.update(envelope.payload.as_bytes());
        envelope.signatures.iter().for_each(|signature| hasher.update(signature.sig.as_bytes()));
    }
    for (media, areas) in standby {
        hasher.update(media.0);
        areas.iter().for_each(|area| hasher.update(area.as_str().as_bytes()));
    }
    hasher.finalize().into()
}

fn voices(
    rows: Vec<(BulletinId, Language, Option<BulletinId>)>,
    approved: &BTreeMap<BulletinId, Vec<Arc<Approved>>>,
) -> Voices {
    let voice = |bulletin: &BulletinId, language: &Language| Voice {
        bulletin: bulletin.clone(),
        language: language.clone(),
        approved: approved.get(bulletin).cloned().unwrap_or_default(),
    };
    let mut by_bulletin: BTreeMap<BulletinId, Vec<Voice>> =
        rows.iter().map(|(id, language, _)| (id.clone(), vec![voice(id, language)])).collect();
    for (id, language, of) in &rows {
        if let Some(versions) = of.as_ref().and_then(|of| by_bulletin.get_mut(of)) {
            versions.push(voice(id, language));
        }
    }
    Voices { by_bulletin }
}

/// The area tree with what areas say of themselves; hours that the authority did not sign are worth nothing.
async fn places(app: &App) -> Result<(AreaTree, BTreeMap<AreaCode, Place>, BTreeMap<AreaCode, Envelope>), PlanError> {
    let (mut places, mut hours, mut areas) = (BTreeMap::new(), BTreeMap::new(), vec![]);
    for row in app.store.area_rows().await? {
        let (code, parent) = (row.area.code.clone(), row.area.parent.clone());
        areas.push(row.area);
        let read = row.hours.and_then(|envelope| {
            let statement: HoursStatement = envelope.open(&app.trust().authority).ok()?;
            let good = statement.site == app.site.site && statement.area == code;
            Some((Hours::new(&statement).ok().filter(|_| good)?, envelope))
        });
        let place = Place {
            own_first: row.own_first,
            hours: read.as_ref().map(|(hours, _)| hours.clone()),
            is_part: row.span.replaced_by.is_some() && row.span.replaced_by == parent,
        };
        if let Some((_, envelope)) = read {
            hours.insert(code.clone(), envelope);
        }
        if place != Place::default() {
            places.insert(code, place);
        }
    }
    Ok((AreaTree::new(areas), places, hours))
}

/// Versions as the domain has them: one that is overtaken before it took effect never rules.
fn history<A, B>(rows: Vec<VersionRow<A>>, mut read: impl FnMut(A) -> Option<B>) -> History<B> {
    let mut history = History::default();
    for row in rows {
        history.versions.retain(|version: &Version<B>| version.effective_ms < row.effective_ms);
        let value = row.value.and_then(&mut read).map(Arc::new);
        let (made_ms, effective_ms, ends_now) = (row.made_ms, row.effective_ms, row.ends_now);
        history.versions.push(Version { made_ms, effective_ms, value, ends_now });
    }
    history
}

pub fn one_series(id: &ScheduleId, rows: Vec<VersionRow<ScheduleText>>, calendars: &Calendars) -> Series {
    let read = |text: ScheduleText| match Schedule::new(id.clone(), &text, calendars) {
        Ok(schedule) => Some(schedule),
        Err(error) => {
            warn!("schedule {id} is left out: {error}");
            None
        }
    };
    Series { id: id.clone(), history: history(rows, read) }
}

fn series(rows: Histories<ScheduleId, ScheduleText>, calendars: &Calendars) -> Vec<Arc<Series>> {
    rows.into_iter().map(|(id, versions)| Arc::new(one_series(&id, versions, calendars))).collect()
}

pub fn one_programme(id: &ProgrammeId, rows: Vec<VersionRow<ProgrammeText>>, voices: &Voices) -> History<Script> {
    history(rows, |text: ProgrammeText| text.check(id.as_str()).ok().map(|programme| voices.resolve(&programme)))
}

fn programmes(
    rows: Histories<ProgrammeId, ProgrammeText>,
    voices: &Voices,
) -> BTreeMap<ProgrammeId, Arc<History<Script>>> {
    let one = |(id, versions): (ProgrammeId, _)| {
        let history = one_programme(&id, versions, voices);
        (id, Arc::new(history))
    };
    rows.into_iter().map(one).collect()
}

/// What may be wanted at any moment: the newest approved revision of each bulletin, if it may sound as an emergency.
fn standby<'a>(approved: impl Iterator<Item = &'a Arc<Approved>>, now_ms: i64) -> Vec<(MediaHash, Vec<AreaCode>)> {
    let mut newest: BTreeMap<&BulletinId, &Arc<Approved>> = BTreeMap::new();
    for item in approved {
        let known = newest.entry(&item.bulletin).or_insert(item);
        if item.revision > known.revision {
            *known = item;
        }
    }
    let urgent = |item: &&&Arc<Approved>| {
        let good = |(approval, _): &(Approval, Certificate)| {
            approval.highest == Priority::Emergency && approval.valid_until_ms > now_ms
        };
        item.approvals.iter().any(good)
    };
    let areas = |item: &Approved| item.approvals.iter().flat_map(|(approval, _)| approval.areas.clone()).collect();
    newest.values().filter(urgent).map(|item| (item.media, areas(item))).collect()
}

fn read_approved(
    row: &RevisionRow,
    envelopes: &[Envelope],
    tickets: &[((Ticket, Certificate), &Envelope)],
    certificates: &BTreeMap<KeyId, CertificateRow>,
    trust: &Trust,
) -> Option<Approved> {
    let Intake::Ready(sound) = &row.intake else { return None };
    let same = |(approval, _): &(Approval, Certificate)| {
        (&approval.bulletin, approval.revision, approval.media) == (&row.bulletin, row.revision, sound.media)
    };
    let approvals: Vec<_> = envelopes.iter().filter_map(|one| by_approver(one, certificates)).filter(same).collect();
    let names = |((ticket, _), _): &&((Ticket, Certificate), &Envelope)| ticket.media.contains(&sound.media);
    Some(Approved {
        bulletin: row.bulletin.clone(),
        revision: row.revision,
        title: approvals.first()?.0.title.clone(),
        media: sound.media,
        duration_ms: sound.duration_ms,
        gain_db: sound.gain_db,
        tickets: tickets.iter().filter(names).map(|(ticket, _)| ticket.clone()).collect(),
        approvals,
        trust: trust.list.clone(),
    })
}
