//! What the timetables say for an area or a speaker: one row for each occurrence, with what became of it on how many speakers.
//!
//! The rows come from the rules and what is said of them from the timetables that plans are made of, so that the calendar on the screen
//! and the pole cannot disagree.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use chrono::{DateTime, Datelike, NaiveDate, NaiveTime};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use super::people::speaker_for;
use super::reach::Places;
use crate::center::app::{App, now_ms};
use crate::center::people::person::Person;
use crate::center::planner::{Material, fleet_in};
use crate::center::store::StoreError;
use crate::domain::DAY_MS;
use crate::domain::calendar::Days;
use crate::domain::calendar::lunar::{LunarDate, lunar_date};
use crate::domain::fleet::Fleet;
use crate::domain::ids::{AreaCode, OccurrenceId, ScheduleId, SpeakerId};
use crate::domain::plan::LATEST_MS;
use crate::domain::role::Right;
use crate::domain::schedule::rule::{EARLIEST_MS, Exception, instant};
use crate::domain::schedule::{Schedule, Target};
use crate::domain::series::Play;
use crate::domain::timetable::{Profile, Timetable, Window};

const MOST_DAYS: i64 = 62;
const MOST_ROWS: usize = 5_000;
/// How long something of which nothing is known is shown to last.
const SHOWN_MS: i64 = 60_000;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// An area's code: what plays there and below. Or `speaker`.
    area: Option<String>,
    /// A speaker's id.
    speaker: Option<String>,
    /// Unix ms.
    from_ms: i64,
    /// At most 62 days after `from_ms`.
    until_ms: i64,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct OccurrencesView {
    /// The site's; days are days there.
    pub time_zone: String,
    pub now_ms: i64,
    /// What starts before that stays as it is, unless an edit is made at once.
    pub locked_until_ms: i64,
    pub days: Vec<DayView>,
    /// In order of start.
    pub occurrences: Vec<OccurrenceView>,
    /// Whether there are more than are told.
    pub more: bool,
    /// Speakers in the area.
    pub speakers: usize,
}

/// One local day.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct DayView {
    /// Year-month-day.
    pub date: String,
    pub start_ms: i64,
    pub end_ms: i64,
    /// 0 is Sunday.
    pub weekday: u32,
    pub lunar: Option<LunarView>,
    /// A day off by law.
    pub holiday: bool,
    /// When it is lawful to broadcast.
    pub lawful: Vec<Stretch>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LunarView {
    pub day: u32,
    pub month: u32,
    pub leap: bool,
    pub year: i32,
}

impl From<LunarDate> for LunarView {
    fn from(date: LunarDate) -> Self {
        Self { day: date.day, month: date.month, leap: date.leap, year: date.year }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stretch {
    pub from_ms: i64,
    pub until_ms: i64,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct OccurrenceView {
    pub id: String,
    pub schedule: String,
    pub title: String,
    pub priority: String,
    pub programme: Option<String>,
    /// The local time by which an exception names it: when it would usually start.
    pub at: String,
    pub time_zone: String,
    pub start_ms: i64,
    /// The end of its slot, or of what would sound in it.
    pub end_ms: i64,
    /// usual, moved, extra or replaced (another programme).
    pub kind: String,
    /// How many it is meant for here, and on how many anything of it sounds.
    pub reached: usize,
    pub sounding: usize,
    pub remarks: Vec<RemarkView>,
    /// Whether who asks may change its schedule.
    pub editable: bool,
    /// Within the edit lock, or past.
    pub locked: bool,
}

/// Why it is not, or not wholly, as its rule asks.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RemarkView {
    /// As in findings.
    pub code: String,
    pub speakers: usize,
    pub vi: String,
    pub en: String,
}

/// What plays in an area or on a speaker, occurrence by occurrence
#[utoipa::path(get, path = "/api/v1/occurrences", params(Wanted),
    responses((status = 200, body = OccurrencesView), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub async fn list(
    State(app): State<Arc<App>>,
    person: Person,
    Query(wanted): Query<Wanted>,
) -> Result<Json<OccurrencesView>, Problem> {
    let window = Window {
        from_ms: wanted.from_ms.clamp(EARLIEST_MS + 2 * DAY_MS, LATEST_MS - 2 * DAY_MS),
        until_ms: wanted.until_ms.clamp(EARLIEST_MS + 2 * DAY_MS, LATEST_MS - 2 * DAY_MS),
    };
    if !(1..=MOST_DAYS * DAY_MS).contains(&window.until_ms.saturating_sub(window.from_ms)) {
        return Err(Problem::bad_request(format!("ask for at most {MOST_DAYS} days, from_ms before until_ms")));
    }
    let material = Material::load(&app).await?;
    let place = place(&app, &person, &material, &wanted).await?;
    let (now_ms, lock_ms) = (now_ms(), app.config.plan.edit_lock_ms());
    let fleet = fleet_in(&app, &material, window, now_ms, |speaker, profile| place.holds(speaker, profile)).await;
    let zone: Tz = app.site.time_zone.parse().unwrap_or(chrono_tz::UTC);
    let places = Places::load(&app).await?;
    let texts = app.store.schedules().await?;
    let editable: BTreeSet<ScheduleId> = texts
        .iter()
        .filter(|(_, text)| places.demand(&person, text).is_ok())
        .map(|(schedule, _)| schedule.clone())
        .collect();
    let view = tokio::task::block_in_place(|| {
        let (groups, tables) = inside(&fleet, &place);
        let mut rows = rows(&material, &place, window, lock_ms);
        let more = rows.len() > MOST_ROWS;
        rows.truncate(MOST_ROWS);
        let found = found(&material, &tables, window);
        let occurrences = rows.into_iter().filter_map(|row| {
            let view = view(&row, &found, &groups, now_ms + lock_ms, editable.contains(&row.schedule.id));
            (view.end_ms > window.from_ms).then_some(view)
        });
        OccurrencesView {
            time_zone: zone.to_string(),
            now_ms,
            locked_until_ms: now_ms + lock_ms,
            days: days(&material, &place, window, zone),
            occurrences: occurrences.collect(),
            more,
            speakers: groups.iter().map(|(_, speakers)| speakers).sum(),
        }
    });
    Ok(Json(view))
}

/// Where one looks.
struct Place {
    /// From the widest unit down.
    path: Vec<AreaCode>,
    speaker: Option<SpeakerId>,
    /// Speakers that some schedule may name.
    inside: BTreeSet<SpeakerId>,
}

impl Place {
    fn area(&self) -> Option<&AreaCode> {
        self.path.last()
    }

    fn holds(&self, speaker: &SpeakerId, profile: &Profile) -> bool {
        match &self.speaker {
            Some(wanted) => wanted == speaker,
            None => self.area().is_some_and(|area| profile.areas.contains(area)),
        }
    }

    /// Whether a schedule plays here, or somewhere below.
    fn meets(&self, schedule: &Schedule, material: &Material) -> bool {
        schedule.targets.iter().any(|target| match target {
            Target::Area(code) if self.path.contains(code) => true,
            Target::Area(code) => {
                self.speaker.is_none()
                    && material.areas.path(code).is_ok_and(|path| self.area().is_some_and(|area| path.contains(area)))
            }
            Target::Speaker(id) => self.inside.contains(id),
        })
    }
}

async fn place(app: &App, person: &Person, material: &Material, wanted: &Wanted) -> Result<Place, Problem> {
    match (&wanted.area, &wanted.speaker) {
        (None, Some(speaker)) => {
            let row = speaker_for(app, person, Right::See, speaker).await?;
            let path = material.areas_of(&row);
            Ok(Place { path, speaker: Some(row.id.clone()), inside: BTreeSet::from([row.id]) })
        }
        (Some(code), None) => {
            let code: AreaCode = code.parse().map_err(|e| Problem::bad_request(format!("{e}")))?;
            material.areas.get(&code).ok_or_else(|| StoreError::NotFound(format!("area {code}")))?;
            person.demand(Right::See, &material.areas, &code)?;
            let below = material.speakers.values().filter(|row| material.areas_of(row).contains(&code));
            let inside = below.map(|row| row.id.clone()).collect();
            let path = material.areas.path(&code).map_err(|e| Problem::bad_request(e.to_string()))?;
            Ok(Place { path, speaker: None, inside })
        }
        _ => Err(Problem::bad_request("name an area or a speaker: ?area=24133 or ?speaker=loa-cho")),
    }
}

/// Speakers of one kind together, and timetables with how many speakers have them.
type Groups = Vec<(Arc<Profile>, usize)>;
type Tables = Vec<(Arc<Timetable>, usize)>;

fn inside(fleet: &Fleet, place: &Place) -> (Groups, Tables) {
    let mut groups: BTreeMap<Arc<Profile>, (usize, Option<Arc<Timetable>>)> = BTreeMap::new();
    for (speaker, profile) in fleet.speakers().filter(|(speaker, profile)| place.holds(speaker, profile)) {
        let group = groups.entry(profile.clone()).or_insert_with(|| (0, fleet.timetable(speaker).cloned()));
        group.0 += 1;
    }
    let tables = groups.values().filter_map(|(speakers, table)| Some((table.clone()?, *speakers))).collect();
    (groups.into_iter().map(|(profile, (speakers, _))| (profile, speakers)).collect(), tables)
}

/// One play that a rule asks for.
struct Row {
    schedule: Arc<Schedule>,
    play: Play,
}

fn rows(material: &Material, place: &Place, window: Window, lock_ms: i64) -> Vec<Row> {
    let mut rows = vec![];
    for series in &material.world.series {
        // What began before may still be on the air.
        for reign in series.reigns(window.from_ms - DAY_MS, window.until_ms, lock_ms) {
            if place.meets(&reign.schedule, material) {
                rows.extend(reign.plays.iter().map(|play| Row { schedule: reign.schedule.clone(), play: *play }));
            }
        }
    }
    let most_ms = |row: &Row| row.schedule.duration_ms.unwrap_or(DAY_MS);
    rows.retain(|row| row.play.start_ms + most_ms(row) > window.from_ms);
    rows.sort_by(|a, b| (a.play.start_ms, &a.schedule.id).cmp(&(b.play.start_ms, &b.schedule.id)));
    rows
}

/// What timetables say of one occurrence.
#[derive(Default)]
struct Found {
    sounding: usize,
    length_ms: i64,
    /// By code and clause.
    remarks: BTreeMap<(String, String), (String, usize)>,
}

type Key<'a> = (&'a ScheduleId, i64);

fn found<'a>(material: &'a Material, tables: &'a Tables, window: Window) -> HashMap<Key<'a>, Found> {
    let titles: HashMap<&ScheduleId, &str> = material
        .world
        .series
        .iter()
        .filter_map(|series| {
            let newest = series.history.versions.iter().rev().find_map(|version| version.value.as_deref())?;
            Some((&series.id, newest.title.as_str()))
        })
        .collect();
    let title = |id: &OccurrenceId| {
        let schedule = id.parts().map(|(schedule, ..)| schedule);
        schedule.as_ref().and_then(|id| titles.get(id)).map_or_else(|| id.to_string(), |title| (*title).to_owned())
    };
    let names: HashMap<&str, &ScheduleId> = titles.keys().map(|id| (id.as_str(), *id)).collect();
    let mut all: HashMap<Key<'a>, Found> = HashMap::new();
    for (table, speakers) in tables {
        let ahead = |start_ms: i64, end_ms: i64| start_ms < window.until_ms && end_ms > window.from_ms;
        for piece in table.pieces.iter().filter(|piece| ahead(piece.nominal_ms.min(piece.start_ms), piece.end_ms())) {
            let found = all.entry((&piece.schedule.id, piece.nominal_ms)).or_default();
            found.length_ms = found.length_ms.max(piece.content.length_ms);
            // Later parts are of the same play.
            if piece.part <= 1 {
                found.sounding += speakers;
            }
        }
        for remark in table.remarks.iter().filter(|remark| ahead(remark.start_ms, remark.end_ms)) {
            let Some((schedule, nominal_ms, _)) = remark.occurrence.parts() else { continue };
            let Some(schedule) = names.get(schedule.as_str()) else { continue };
            let found = all.entry((*schedule, nominal_ms)).or_default();
            let clause = remark.why.clause(&title);
            let said = found.remarks.entry((remark.why.code().to_owned(), clause.en)).or_insert((clause.vi, 0));
            said.1 += speakers;
        }
    }
    all
}

fn view(
    row: &Row,
    found: &HashMap<Key<'_>, Found>,
    groups: &Groups,
    locked_until_ms: i64,
    editable: bool,
) -> OccurrenceView {
    let (schedule, play) = (&row.schedule, row.play);
    let zone = schedule.rule.time_zone;
    let local = |ms: i64| DateTime::from_timestamp_millis(ms).map(|time| time.with_timezone(&zone).naive_local());
    let added =
        |exception: &Exception| matches!(exception, Exception::Extra { at, .. } if Some(*at) == local(play.start_ms));
    let kind = if schedule.rule.exceptions.iter().any(added) {
        "extra"
    } else if local(play.nominal_ms) != local(play.start_ms) {
        "moved"
    } else if play.other_programme.is_some() {
        "replaced"
    } else {
        "usual"
    };
    let at = local(if kind == "extra" { play.start_ms } else { play.nominal_ms });
    let found = found.get(&(&schedule.id, play.nominal_ms));
    let length_ms = schedule.duration_ms.or(found.map(|found| found.length_ms).filter(|ms| *ms > 0));
    let remarks = found.into_iter().flat_map(|found| &found.remarks);
    OccurrenceView {
        id: OccurrenceId::new(&schedule.id, play.nominal_ms).to_string(),
        schedule: schedule.id.to_string(),
        title: schedule.title.clone(),
        priority: schedule.priority.to_string(),
        programme: schedule.programme_of(play.other_programme).map(ToString::to_string),
        at: at.map(|time| time.format("%Y-%m-%dT%H:%M:%S").to_string()).unwrap_or_default(),
        time_zone: zone.to_string(),
        start_ms: play.start_ms,
        end_ms: play.start_ms + length_ms.unwrap_or(SHOWN_MS),
        kind: kind.into(),
        reached: groups.iter().filter(|(profile, _)| schedule.reaches_profile(profile)).map(|(_, count)| count).sum(),
        sounding: found.map_or(0, |found| found.sounding),
        remarks: remarks
            .map(|((code, en), (vi, speakers))| RemarkView {
                code: code.clone(),
                speakers: *speakers,
                vi: vi.clone(),
                en: en.clone(),
            })
            .collect(),
        editable,
        locked: play.start_ms < locked_until_ms,
    }
}

fn days(material: &Material, place: &Place, window: Window, zone: Tz) -> Vec<DayView> {
    let local = |ms: i64| DateTime::from_timestamp_millis(ms).map(|time| time.with_timezone(&zone).date_naive());
    let (Some(first), Some(last)) = (local(window.from_ms), local(window.until_ms - 1)) else { return vec![] };
    let openings = material.world.openings(&place.path, window);
    let midnight = |day: NaiveDate| instant(zone, day.and_time(NaiveTime::MIN)).timestamp_millis();
    let holidays = material.calendars.days("holidays:vn").ok();
    first
        .iter_days()
        .take_while(|day| *day <= last)
        .map(|day| {
            let (start_ms, end_ms) = (midnight(day), midnight(day.succ_opt().unwrap_or(day)));
            let clipped = openings.open.iter().map(|(from_ms, until_ms)| Stretch {
                from_ms: (*from_ms).max(start_ms),
                until_ms: (*until_ms).min(end_ms),
            });
            DayView {
                date: day.to_string(),
                start_ms,
                end_ms,
                weekday: day.weekday().num_days_from_sunday(),
                lunar: lunar_date(day).map(LunarView::from),
                holiday: holidays.as_ref().is_some_and(|days: &Days| days.hold(day)),
                lawful: clipped.filter(|one| one.from_ms < one.until_ms).collect(),
            }
        })
        .collect()
}
