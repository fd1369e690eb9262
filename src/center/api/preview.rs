//! What is being written and not yet kept: what a rule means, what is wrong with it and what it would do, and what fits into a programme.
//!
//! The answers come from the functions that plans are made by. Nothing is changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Datelike};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problem;
use super::occurrences::LunarView;
use super::reach::{Places, names_programme, ruling};
use super::schedules::{calendars_of, check_size, missing_references, next_version};
use crate::center::app::{App, now_ms};
use crate::center::people::person::{Person, Visit};
use crate::center::planner::Material;
use crate::center::planner::check::{self, Edits, Finding};
use crate::center::store::{Intake, RevisionRow};
use crate::domain::DAY_MS;
use crate::domain::calendar::lunar::lunar_date;
use crate::domain::ids::{AreaCode, BulletinId, ProgrammeId, ScheduleId};
use crate::domain::priority::Priority;
use crate::domain::programme::{Item, ItemText, MAX_ITEMS, ProgrammeText};
use crate::domain::schedule::faults::faults;
use crate::domain::schedule::wording::{Named, day_in_words, in_words};
use crate::domain::schedule::{Schedule, ScheduleError, ScheduleText, Target};
use crate::domain::script::{Limit, Occasion};
use crate::domain::sentence::Sentence;

/// Starts that are foretold.
const UPCOMING: usize = 10;
/// How far ahead they are looked for.
const AHEAD_MS: i64 = 10 * 366 * DAY_MS;
const NEW: &str = "ban-nhap";

/// A schedule that is being written.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleDraft {
    /// Of the schedule that is being changed; absent for a new one.
    pub id: Option<String>,
    pub rule: ScheduleText,
    #[serde(default)]
    pub at_once: bool,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct SchedulePreview {
    pub faults: Vec<FieldFault>,
    /// The rule in one sentence, where it can be read.
    pub in_words: Option<Sentence>,
    /// The next starts, at most ten, as far as the rule can be read.
    pub upcoming: Vec<Upcoming>,
    /// From when on it would rule. Absent while there are faults.
    pub effective_ms: Option<i64>,
    /// Whether it is not in the store already.
    pub is_new: bool,
    /// False where it is just what is in the store.
    pub differs: bool,
    pub findings: Vec<Finding>,
    /// What its programme lasts, where it has no length of its own.
    pub programme_ms: Option<i64>,
}

/// What is wrong, and with which field.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct FieldFault {
    pub field: String,
    pub value: String,
    pub vi: String,
    pub en: String,
}

impl From<&ScheduleError> for FieldFault {
    fn from(error: &ScheduleError) -> Self {
        let Sentence { vi, en } = error.in_words();
        Self { field: error.field.into(), value: error.value.clone(), vi, en }
    }
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Upcoming {
    pub start_ms: i64,
    /// Equal to the start where nothing is known of its length.
    pub end_ms: i64,
    /// In the schedule's zone: year-month-dayThour:minute:second.
    pub local: String,
    /// 0 is Sunday.
    pub weekday: u32,
    pub lunar: Option<LunarView>,
    /// The day in words, with its lunar date.
    pub day: Sentence,
    /// An exception put it there.
    pub moved: bool,
    /// Another programme than the usual one.
    pub programme: Option<String>,
}

/// What a schedule that is being written means, and would do
#[utoipa::path(post, path = "/api/v1/preview/schedule", request_body = ScheduleDraft,
    responses((status = 200, body = SchedulePreview), (status = 400, body = Problem)))]
pub async fn schedule(
    State(app): State<Arc<App>>,
    person: Person,
    visit: Visit,
    Json(draft): Json<ScheduleDraft>,
) -> Result<Json<SchedulePreview>, Problem> {
    visit.changed_nothing();
    person.filters();
    let id: ScheduleId =
        draft.id.as_deref().unwrap_or(NEW).parse().map_err(|e| Problem::bad_request(format!("{e}")))?;
    let (now_ms, calendars) = (now_ms(), calendars_of(&app).await?);
    let (mut errors, readable) = faults(&id, &draft.rule, &calendars);
    let programmes = app.store.programmes().await?;
    let mut schedules = app.store.schedule_histories().await?;
    let known = schedules.remove(&id).filter(|_| draft.id.is_some()).unwrap_or_default();
    if let Some((schedule, _)) = &readable {
        errors.extend(check_size(schedule, &draft.rule).err());
        let names = programmes.keys().cloned().collect();
        let told: BTreeSet<&str> = errors.iter().map(|error| error.field).collect();
        let missing = missing_references(&app, schedule, &names).await?;
        let missing: Vec<_> = missing.into_iter().filter(|one| !told.contains(one.field)).collect();
        errors.extend(missing);
    }
    let places = Places::load(&app).await?;
    if !errors.iter().any(|error| error.field == "targets")
        && let Some(denied) = ruling(&known, now_ms).chain([&draft.rule]).find_map(|t| places.demand(&person, t).err())
    {
        errors.push(ScheduleError { field: "targets", value: draft.rule.targets.join(", "), problem: denied.detail });
    }
    let material = Material::load(&app).await?;
    let is_new = known.last().is_none_or(|last| last.value.is_none());
    let mut preview = SchedulePreview {
        faults: errors.iter().map(FieldFault::from).collect(),
        in_words: None,
        upcoming: vec![],
        effective_ms: None,
        is_new,
        differs: true,
        findings: vec![],
        programme_ms: None,
    };
    let mut from_ms = now_ms;
    if errors.is_empty() {
        let at_once = draft.at_once || draft.rule.priority.as_deref() == Some("emergency");
        let version = next_version(&app, &known, draft.rule.clone(), at_once, now_ms);
        let effective_ms = version.as_ref().or(known.last()).map_or(now_ms, |version| version.effective_ms);
        preview.differs = version.is_some();
        preview.effective_ms = Some(effective_ms);
        from_ms = from_ms.max(effective_ms);
        let edits = Edits { schedules: BTreeMap::from([(id, version)]), ..Edits::default() };
        preview.findings = check::consider_in(&app, &material, edits, now_ms).await?;
    }
    if let Some((schedule, text)) = &readable {
        let titles = app.store.calendars().await?;
        let title = |named: Named<'_>| match named {
            Named::Calendar(name) => titles.get(&name.parse().ok()?).map(|calendar| calendar.title.clone()),
            Named::Programme(name) => programmes.get(&name.parse().ok()?).map(|programme| programme.title.clone()),
        };
        let title = |named: Named<'_>| title(named).filter(|title| !title.is_empty());
        preview.in_words = Some(in_words(text, &schedule.rule, &title));
        tokio::task::block_in_place(|| foretell(&mut preview, &material, schedule, from_ms));
    }
    Ok(Json(preview))
}

fn foretell(preview: &mut SchedulePreview, material: &Material, schedule: &Schedule, from_ms: i64) {
    let zone = schedule.rule.time_zone;
    let starts = schedule.rule.starts(from_ms, from_ms + AHEAD_MS, UPCOMING);
    let mut lengths: BTreeMap<Option<usize>, Option<i64>> = BTreeMap::new();
    for start in starts {
        let length = *lengths.entry(start.programme).or_insert_with(|| {
            let programme = schedule.programme_of(start.programme)?;
            length_ms(material, schedule, programme, start.start_ms)
        });
        if start.programme.is_none() {
            preview.programme_ms = length;
        }
        let Some(local) = DateTime::from_timestamp_millis(start.start_ms).map(|time| time.with_timezone(&zone)) else {
            continue;
        };
        let length_ms = schedule.duration_ms.or(length).unwrap_or(0);
        preview.upcoming.push(Upcoming {
            start_ms: start.start_ms,
            end_ms: start.start_ms + length_ms,
            local: local.format("%Y-%m-%dT%H:%M:%S").to_string(),
            weekday: local.weekday().num_days_from_sunday(),
            lunar: lunar_date(local.date_naive()).map(LunarView::from),
            day: day_in_words(local.date_naive()),
            moved: start.nominal_ms != start.start_ms,
            programme: start.programme.and_then(|_| schedule.programme_of(start.programme)).map(ToString::to_string),
        });
    }
}

/// What of a programme would sound where the schedule goes first.
fn length_ms(material: &Material, schedule: &Schedule, programme: &ProgrammeId, at_ms: i64) -> Option<i64> {
    let areas = schedule.targets.first().and_then(|target| match target {
        Target::Area(code) => material.areas.path(code).ok(),
        Target::Speaker(id) => material.speakers.get(id).map(|row| material.areas_of(row)),
    });
    let script = material.world.programmes.get(programme)?.at(at_ms)?.clone();
    let composed = script.compose(&Occasion {
        priority: schedule.priority,
        start_ms: at_ms,
        limit_ms: schedule.duration_ms.unwrap_or(DAY_MS),
        limited_by: Limit::Slot,
        fill: schedule.duration_ms.is_some(),
        areas: &areas.unwrap_or_default(),
        languages: &[],
    });
    composed.content.map(|content| content.length_ms)
}

/// A programme that is being written.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProgrammeDraft {
    /// Of the programme that is being changed; absent for a new one.
    pub id: Option<String>,
    pub programme: ProgrammeText,
    /// The slot that it is to fit into.
    pub slot_s: Option<u32>,
    /// Where it is to be heard; the whole site where absent.
    pub area: Option<String>,
    pub priority: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ProgrammePreview {
    /// `title`, `items`, or `items.3` for the fourth.
    pub faults: Vec<FieldFault>,
    /// As in the draft.
    pub items: Vec<ItemView>,
    /// All of it, as far as lengths are known; filler and bed take no time of their own.
    pub total_ms: i64,
    pub fit: Option<Fit>,
    pub effective_ms: Option<i64>,
    pub findings: Vec<Finding>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ItemView {
    /// bulletin, tune, opening, closing, filler, bed, pause or relay.
    pub kind: String,
    pub bulletin: Option<String>,
    /// Of the bulletin, or the relay's source.
    pub title: Option<String>,
    pub language: Option<String>,
    /// Absent where nobody knows: a file that is still being converted.
    pub length_ms: Option<i64>,
    /// approved, submitted, draft, returned, withdrawn; absent for what has no approval.
    pub state: Option<String>,
    /// To listen to, at /api/v1/media/{hash}.
    pub media: Option<String>,
    /// In other languages.
    pub versions: Vec<VersionView>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct VersionView {
    pub bulletin: String,
    pub language: String,
    pub approved: bool,
    pub length_ms: Option<i64>,
}

/// What of it sounds in the slot.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Fit {
    pub slot_ms: i64,
    pub sounding_ms: i64,
    /// In the order in which they sound.
    pub sounds: Vec<FitSound>,
    pub left_out: Vec<Sentence>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct FitSound {
    pub bulletin: String,
    pub at_ms: i64,
    pub length_ms: i64,
}

/// What a programme that is being written holds, what of it fits a slot, and what it would do
#[utoipa::path(post, path = "/api/v1/preview/programme", request_body = ProgrammeDraft,
    responses((status = 200, body = ProgrammePreview), (status = 400, body = Problem)))]
pub async fn programme(
    State(app): State<Arc<App>>,
    person: Person,
    visit: Visit,
    Json(draft): Json<ProgrammeDraft>,
) -> Result<Json<ProgrammePreview>, Problem> {
    visit.changed_nothing();
    person.filters();
    let now_ms = now_ms();
    let material = Material::load(&app).await?;
    let name = draft.id.as_deref().unwrap_or(NEW);
    if draft.programme.items.len() > MAX_ITEMS {
        return Err(Problem::bad_request(format!(
            "items: {} of them, more than {MAX_ITEMS}",
            draft.programme.items.len()
        )));
    }
    let mut faults = vec![];
    let mut items = vec![];
    let mut told: BTreeMap<BulletinId, ItemView> = BTreeMap::new();
    for (index, text) in draft.programme.items.iter().enumerate() {
        let alone = ProgrammeText { title: String::new(), items: vec![text.clone()] };
        let item = match alone.check(name) {
            Ok(programme) => programme.items.into_iter().next(),
            Err(problem) => {
                faults.push(item_fault(index, text, problem));
                None
            }
        };
        let view = item_view(&app, &person, &material, item.as_ref(), text, &mut told).await?;
        if view.bulletin.is_some() && view.title.is_none() {
            faults.push(FieldFault {
                field: format!("items.{index}"),
                value: view.bulletin.clone().unwrap_or_default(),
                vi: "không có bản tin này".into(),
                en: "there is no such bulletin".into(),
            });
        }
        if let Some(Item::Relay { source, .. }) = &item
            && let Err(refused) = app.relays.check(source)
        {
            faults.push(FieldFault {
                field: format!("items.{index}"),
                value: source.clone(),
                vi: "nguồn tiếp sóng này không nằm trong danh sách được phép của trung tâm".into(),
                en: refused.to_string(),
            });
        }
        items.push(view);
    }
    if draft.programme.items.is_empty() {
        faults.push(FieldFault {
            field: "items".into(),
            value: String::new(),
            vi: "chương trình chưa có mục nào: thêm ít nhất một bản tin".into(),
            en: "the programme is empty: add a bulletin at least".into(),
        });
    } else if faults.is_empty()
        && let Err(problem) = draft.programme.check(name)
    {
        let vi = "tên chương trình dài quá 200 ký tự hoặc có ký tự lạ, hay có quá 200 mục".into();
        faults.push(FieldFault { field: "title".into(), value: String::new(), vi, en: problem });
    }
    let counts = |item: &&ItemView| !matches!(item.kind.as_str(), "filler" | "bed" | "relay");
    let total_ms = items.iter().filter(counts).filter_map(|item| item.length_ms).sum();
    let mut preview = ProgrammePreview { faults, items, total_ms, fit: None, effective_ms: None, findings: vec![] };
    if preview.faults.is_empty()
        && let Ok(programme) = draft.programme.check(name)
    {
        preview.fit = fit(&app, &material, &draft, &material.voices.resolve(&programme), now_ms)?;
        let known = app.store.programme_histories().await?.remove(&programme.id).filter(|_| draft.id.is_some());
        let known = known.unwrap_or_default();
        let places = Places::load(&app).await?;
        let schedules = app.store.schedule_histories().await?;
        let denied = places.demand_all(&person, &schedules, now_ms, |text| names_programme(text, name)).err();
        let may = denied.is_none();
        if let Some(denied) = denied.filter(|_| draft.id.is_some()) {
            let vi = "chương trình này đang phát ở nơi không thuộc quyền của bạn".into();
            preview.faults.push(FieldFault { field: "id".into(), value: name.into(), vi, en: denied.detail });
        }
        let version = next_version(&app, &known, programme.text(), false, now_ms);
        preview.effective_ms = Some(version.as_ref().or(known.last()).map_or(now_ms, |version| version.effective_ms));
        // What it would do elsewhere is not theirs to read.
        if draft.id.is_some() && may {
            let edits = Edits { programmes: BTreeMap::from([(programme.id, version)]), ..Edits::default() };
            preview.findings = check::consider_in(&app, &material, edits, now_ms).await?;
        }
    }
    Ok(Json(preview))
}

fn item_fault(index: usize, text: &ItemText, problem: String) -> FieldFault {
    let vi = match text {
        ItemText::Pause(_) => "khoảng lặng dài từ 1 đến 3600 giây",
        ItemText::Relay(_) => "nguồn tiếp sóng viết như https://… hoặc line:1, dài từ 1 đến 720 phút",
        _ => "tên bản tin không đúng",
    };
    FieldFault { field: format!("items.{index}"), value: String::new(), vi: vi.into(), en: problem }
}

/// What there is to know of one item; a bulletin that stands in it twice is asked for once.
async fn item_view(
    app: &App,
    person: &Person,
    material: &Material,
    item: Option<&Item>,
    text: &ItemText,
    told: &mut BTreeMap<BulletinId, ItemView>,
) -> Result<ItemView, Problem> {
    let kind = match text {
        ItemText::Bulletin(_) => "bulletin",
        ItemText::Tune(_) => "tune",
        ItemText::Opening(_) => "opening",
        ItemText::Closing(_) => "closing",
        ItemText::Filler(_) => "filler",
        ItemText::Bed(_) => "bed",
        ItemText::Pause(_) => "pause",
        ItemText::Relay(_) => "relay",
    };
    let empty = ItemView {
        kind: kind.into(),
        bulletin: None,
        title: None,
        language: None,
        length_ms: None,
        state: None,
        media: None,
        versions: vec![],
    };
    Ok(match item {
        None => empty,
        Some(Item::Pause { ms }) => ItemView { length_ms: Some(*ms), ..empty },
        Some(Item::Relay { source, ms }) => ItemView { title: Some(source.clone()), length_ms: Some(*ms), ..empty },
        Some(Item::Sound { bulletin, .. }) => match told.get(bulletin) {
            Some(known) => ItemView { kind: kind.into(), ..known.clone() },
            None => {
                let view = sound_view(app, person, material, bulletin, empty).await?;
                told.insert(bulletin.clone(), view.clone());
                view
            }
        },
    })
}

async fn sound_view(
    app: &App,
    person: &Person,
    material: &Material,
    bulletin: &BulletinId,
    empty: ItemView,
) -> Result<ItemView, Problem> {
    let named = ItemView { bulletin: Some(bulletin.to_string()), ..empty };
    let Ok(row) = app.store.bulletin(bulletin).await else { return Ok(named) };
    let revisions = app.store.revisions(bulletin).await?;
    let approved = revisions.iter().rev().find(|revision| revision.state.name() == "approved");
    let whole = person.sees(&material.areas, &row.area);
    if !(whole || approved.is_some() && person.stands_below(&material.areas, &row.area)) {
        return Ok(named);
    }
    // What sounds is the newest approved revision; without one, what there is of the newest.
    let shown = approved.or(revisions.last().filter(|_| whole));
    let sound = |revision: &RevisionRow| match &revision.intake {
        Intake::Ready(sound) => Some((sound.duration_ms, sound.media)),
        Intake::Received { .. } | Intake::Refused { .. } => None,
    };
    let heard = shown.and_then(sound);
    let versions = material.voices.of(bulletin).iter().skip(1).map(|voice| VersionView {
        bulletin: voice.bulletin.to_string(),
        language: voice.language.to_string(),
        approved: !voice.approved.is_empty(),
        length_ms: voice.approved.first().map(|approved| approved.duration_ms),
    });
    Ok(ItemView {
        title: Some(row.title),
        language: Some(row.language.to_string()),
        length_ms: heard.map(|(length_ms, _)| length_ms),
        media: heard.map(|(_, media)| media.to_string()),
        state: shown.map(|revision| revision.state.name().to_owned()),
        versions: versions.collect(),
        ..named
    })
}

/// What sounds of a programme in a slot, if one is named.
fn fit(
    app: &App,
    material: &Material,
    draft: &ProgrammeDraft,
    script: &crate::domain::script::Script,
    now_ms: i64,
) -> Result<Option<Fit>, Problem> {
    let Some(slot_s) = draft.slot_s.filter(|s| (1..=86_400).contains(s)) else { return Ok(None) };
    let area: AreaCode = match &draft.area {
        Some(code) => code.parse().map_err(|e| Problem::bad_request(format!("{e}")))?,
        None => app.site.area.clone(),
    };
    let areas = material.areas.path(&area).map_err(|e| Problem::bad_request(e.to_string()))?;
    let priority = draft.priority.as_deref().map_or(Ok(Priority::Normal), str::parse);
    let priority = priority.map_err(|_| Problem::bad_request("priority: filler, normal, priority or emergency"))?;
    let slot_ms = i64::from(slot_s) * 1000;
    let composed = script.compose(&Occasion {
        priority,
        start_ms: now_ms,
        limit_ms: slot_ms,
        limited_by: Limit::Slot,
        fill: true,
        areas: &areas,
        languages: &[],
    });
    let sounds = composed.content.iter().flat_map(|content| &content.parts).map(|part| FitSound {
        bulletin: part.approved.bulletin.to_string(),
        at_ms: part.at_ms,
        length_ms: part.length_ms,
    });
    Ok(Some(Fit {
        slot_ms,
        sounding_ms: composed.content.as_ref().map_or(0, |content| content.length_ms),
        sounds: sounds.collect(),
        left_out: composed.left_out.iter().map(|why| why.clause(&|id| id.to_string())).collect(),
    }))
}
