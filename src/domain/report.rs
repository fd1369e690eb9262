//! What a report says of an area and a time: sums of plays, each told once, so that the parts of a whole always add up to it. Reads nothing.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::AddAssign;

use chrono::{Datelike, Months, NaiveDate};
use serde::Serialize;

use super::area::AreaTree;
use super::field::Field;
use super::ids::{AreaCode, SpeakerId};
use super::priority::Priority;

/// Longest time that one report is asked for: five years.
pub const LONGEST_DAYS: i64 = 5 * 366;
/// A series has a point for every day up to this many days, above that one for every month.
const DAYS_SHOWN: i64 = 92;
/// Speakers named as the worst.
const WORST: usize = 20;
/// A start counts as on time within this, as on the air at once (an urgent message) within that.
pub const ON_TIME_MS: i64 = 1_000;
pub const PROMPT_MS: i64 = 10_000;
/// Bounds by which start errors are counted, in ms; the last one takes all that is beyond.
pub const ERROR_BOUNDS_MS: [i64; 14] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 86_400_000];
/// The language of the majority; `zxx` is sound without speech, and `und` nobody knows.
const MAJORITY: [&str; 3] = ["vie", "zxx", "und"];

/// Plays added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema))]
pub struct Sums {
    pub plays: i64,
    /// Played to the end: as planned, or from a late beginning on.
    pub complete: i64,
    /// Something left the converter, with a measured level.
    pub sounded: i64,
    /// Heard back over a line or microphone.
    pub heard_back: i64,
    /// Started within a second of the planned instant.
    pub on_time: i64,
    /// No record came.
    pub unreported: i64,
    /// Emergencies; how many of them sounded; and within ten seconds.
    pub urgent: i64,
    pub urgent_sounded: i64,
    pub urgent_prompt: i64,
    /// How much was to sound, and how much did, in ms of all speakers together.
    pub requested_ms: i64,
    pub heard_ms: i64,
}

impl AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        self.plays += other.plays;
        self.complete += other.complete;
        self.sounded += other.sounded;
        self.heard_back += other.heard_back;
        self.on_time += other.on_time;
        self.unreported += other.unreported;
        self.urgent += other.urgent;
        self.urgent_sounded += other.urgent_sounded;
        self.urgent_prompt += other.urgent_prompt;
        self.requested_ms += other.requested_ms;
        self.heard_ms += other.heard_ms;
    }
}

impl Sums {
    /// Plays that ran to their end, in percent of all.
    pub fn success_percent(&self) -> Option<f64> {
        percent(self.complete, self.plays)
    }
}

/// Plays that have all this in common, on one day or in one month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Total {
    /// 20261123, or 202611.
    pub period: i64,
    pub area: AreaCode,
    pub field: Field,
    pub language: String,
    pub priority: Priority,
    /// played, late, partial, missed or unreported.
    pub outcome: String,
    /// Empty where it was simply played.
    pub reason: String,
    pub plays: i64,
    pub sounded: i64,
    pub heard_back: i64,
    pub on_time: i64,
    pub prompt: i64,
    pub requested_ms: i64,
    pub heard_ms: i64,
}

impl Total {
    pub fn sums(&self) -> Sums {
        let when = |is: bool, count: i64| if is { count } else { 0 };
        let urgent = self.priority == Priority::Emergency;
        Sums {
            plays: self.plays,
            complete: when(matches!(self.outcome.as_str(), "played" | "late"), self.plays),
            sounded: self.sounded,
            heard_back: self.heard_back,
            on_time: self.on_time,
            unreported: when(self.outcome == "unreported", self.plays),
            urgent: when(urgent, self.plays),
            urgent_sounded: when(urgent, self.sounded),
            urgent_prompt: when(urgent, self.prompt),
            requested_ms: self.requested_ms,
            heard_ms: self.heard_ms,
        }
    }
}

/// One speaker's plays in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpeakerTotal {
    pub speaker: SpeakerId,
    pub area: AreaCode,
    pub plays: i64,
    pub complete: i64,
    pub sounded: i64,
    /// Missed or unreported.
    pub silent: i64,
    pub requested_ms: i64,
    pub heard_ms: i64,
}

/// A speaker as it stands now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub speaker: SpeakerId,
    pub title: String,
    pub area: AreaCode,
    pub online: bool,
}

/// Everything that a report is made of, in any order and of any areas.
#[derive(Debug, Clone, Default)]
pub struct Material {
    pub totals: Vec<Total>,
    /// Sums by day or month and area, without more detail.
    pub series: Vec<(i64, AreaCode, Sums)>,
    pub speakers: Vec<SpeakerTotal>,
    /// Plays by area and the bound that their start error kept within.
    pub errors: Vec<(AreaCode, i64, i64)>,
    /// Days on which something was due on a speaker and nothing sounded.
    pub silent_days: Vec<(SpeakerId, AreaCode, i64)>,
    pub standing: Vec<Standing>,
    /// Units that were no more at the end of the time: merged, replaced. What sounded there counts, the unit does not.
    pub ended: BTreeSet<AreaCode>,
}

impl Material {
    /// Makes one of what was read of the same speaker and area from several periods.
    pub fn join_speakers(&mut self) {
        let mut joined: BTreeMap<(SpeakerId, AreaCode), SpeakerTotal> = BTreeMap::new();
        for one in self.speakers.drain(..) {
            match joined.entry((one.speaker.clone(), one.area.clone())) {
                Entry::Vacant(entry) => {
                    entry.insert(one);
                }
                Entry::Occupied(mut entry) => entry.get_mut().add(&one),
            }
        }
        self.speakers = joined.into_values().collect();
    }
}

impl SpeakerTotal {
    fn add(&mut self, other: &Self) {
        self.plays += other.plays;
        self.complete += other.complete;
        self.sounded += other.sounded;
        self.silent += other.silent;
        self.requested_ms += other.requested_ms;
        self.heard_ms += other.heard_ms;
    }
}

/// What a report is about: whole days, both included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    pub area: AreaCode,
    pub from: NaiveDate,
    pub to: NaiveDate,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema))]
pub struct Report {
    pub sums: Sums,
    pub coverage: Coverage,
    /// The units right below, and the area itself where speakers stand in none of them.
    pub areas: Vec<AreaLine>,
    pub fields: Vec<Line>,
    pub languages: Vec<Line>,
    pub priorities: Vec<Line>,
    /// What was not simply played, by how it ended and why; most first.
    pub reasons: Vec<ReasonLine>,
    /// By day, or by month where it is long.
    pub series: Vec<Line>,
    /// Speakers with the most plays that did not run to their end.
    pub worst: Vec<SpeakerLine>,
    pub figures: Vec<Figure>,
}

/// How many there are, and how many of them sounded at least once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema))]
pub struct Coverage {
    pub speakers: i64,
    pub speakers_sounded: i64,
    /// Units in which speakers stand.
    pub communes: i64,
    pub communes_sounded: i64,
    pub online: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema))]
pub struct Line {
    /// A field, a language, a priority, a day (20261123) or a month (202611).
    pub key: String,
    pub sums: Sums,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema))]
pub struct AreaLine {
    pub code: String,
    pub title: String,
    pub sums: Sums,
    pub coverage: Coverage,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema))]
pub struct ReasonLine {
    pub outcome: String,
    pub reason: String,
    pub plays: i64,
    /// What was to sound and did not.
    pub lost_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema))]
pub struct SpeakerLine {
    pub speaker: String,
    pub title: String,
    pub area: String,
    pub area_title: String,
    pub plays: i64,
    pub complete: i64,
    pub silent: i64,
    pub requested_ms: i64,
    pub heard_ms: i64,
}

/// One figure of the measurement index (bộ chỉ số).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema))]
pub struct Figure {
    pub id: FigureId,
    /// Absent where there is nothing to measure.
    pub value: Option<f64>,
    pub unit: Unit,
    /// What is divided by what.
    pub part: f64,
    pub whole: f64,
    /// The plays that speak against it, or for it, as filters of the list of plays; absent where it does not rest on plays.
    pub evidence: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema))]
pub enum Unit {
    Percent,
    Ms,
    Hours,
    Days,
}

/// The figures, in the order in which they are told. Each is the quotient of its `part` and `whole`, in percent where so said, but for the
/// median.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema))]
pub enum FigureId {
    /// Units in which at least one speaker sounded, of all that have none below them.
    CommunesSounding,
    /// Speakers on line now, of all.
    SpeakersOnline,
    /// Speakers that sounded at least once, of all.
    SpeakersSounding,
    /// Plays proven to have sounded, of all.
    PlaysSounded,
    /// Plays that ran to their end, of all.
    PlaysComplete,
    /// Plays that started within a second, of all.
    PlaysOnTime,
    /// Plays with a record, of all.
    PlaysReported,
    /// The bound that half of all measured start errors keep within.
    StartErrorMedian,
    /// Emergencies that sounded within ten seconds, of all.
    UrgentPrompt,
    /// Hours that the average speaker of a unit sounded, on the average of units.
    HoursPerCommune,
    /// Time sounded in languages of minorities, of all.
    MinorityLanguages,
    /// Days without a sound though something was due, by uninterrupted silences.
    SilenceLength,
}

/// The periods to be read for a time: whole months where they lie in it, days at its edges. Each from and to, both included.
pub fn spans(from: NaiveDate, to: NaiveDate) -> Vec<(i64, i64)> {
    if from > to {
        return vec![];
    }
    let first = |date: NaiveDate| date.with_day(1).unwrap_or(date);
    let next = |date: NaiveDate| first(date).checked_add_months(Months::new(1)).unwrap_or(NaiveDate::MAX);
    let begin = if from == first(from) { from } else { next(from) };
    let after = to.succ_opt().unwrap_or(to);
    let end = first(after);
    if begin >= end {
        return vec![(day_number(from), day_number(to))];
    }
    let mut spans = vec![];
    if from < begin
        && let Some(last) = begin.pred_opt()
    {
        spans.push((day_number(from), day_number(last)));
    }
    if let Some(last) = end.pred_opt() {
        spans.push((month_number(begin), month_number(last)));
    }
    if end < after {
        spans.push((day_number(end), day_number(to)));
    }
    spans
}

/// The periods of a series: days where the time is short.
pub fn series_spans(from: NaiveDate, to: NaiveDate) -> Vec<(i64, i64)> {
    if (to - from).num_days() < DAYS_SHOWN { vec![(day_number(from), day_number(to))] } else { spans(from, to) }
}

/// 20261123.
pub fn day_number(day: NaiveDate) -> i64 {
    month_number(day) * 100 + i64::from(day.day())
}

/// 202611.
pub fn month_number(day: NaiveDate) -> i64 {
    i64::from(day.year()) * 100 + i64::from(day.month())
}

/// The day of such a number.
pub fn day_of(number: i64) -> Option<NaiveDate> {
    let part = |of: i64| u32::try_from(of % 100).ok();
    NaiveDate::from_ymd_opt(i32::try_from(number / 10_000).ok()?, part(number / 100)?, part(number)?)
}

/// Makes the report of what the material says of the scope; what lies elsewhere is passed over.
pub fn report(tree: &AreaTree, scope: &Scope, material: &Material) -> Report {
    let places = Places::new(tree, scope, &material.ended);
    let mut whole = Sums::default();
    let mut areas: BTreeMap<AreaCode, Sums> = BTreeMap::new();
    let (mut fields, mut languages, mut priorities) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut reasons: BTreeMap<(&str, &str), (i64, i64)> = BTreeMap::new();
    for total in &material.totals {
        let Some(child) = places.child(&total.area) else { continue };
        let sums = total.sums();
        whole += sums;
        *areas.entry(child.clone()).or_default() += sums;
        *fields.entry(total.field.as_str().to_owned()).or_insert_with(Sums::default) += sums;
        *languages.entry(total.language.clone()).or_insert_with(Sums::default) += sums;
        *priorities.entry(total.priority.as_str().to_owned()).or_insert_with(Sums::default) += sums;
        if total.outcome != "played" {
            let entry = reasons.entry((&total.outcome, &total.reason)).or_default();
            entry.0 += total.plays;
            entry.1 += (total.requested_ms - total.heard_ms).max(0);
        }
    }
    let cover = coverage(&places, material);
    let all = cover.values().fold(Coverage::default(), |mut sum, one| {
        sum.add(one);
        sum
    });
    let mut reasons: Vec<ReasonLine> = reasons
        .into_iter()
        .map(|((outcome, reason), (plays, lost_ms))| ReasonLine {
            outcome: outcome.into(),
            reason: reason.into(),
            plays,
            lost_ms,
        })
        .collect();
    reasons.sort_by_key(|line| std::cmp::Reverse(line.plays));
    let codes: BTreeSet<&AreaCode> = areas.keys().chain(cover.keys()).collect();
    let area_lines = codes.into_iter().map(|code| AreaLine {
        code: code.to_string(),
        title: tree.get(code).map(|area| area.title.clone()).unwrap_or_default(),
        sums: areas.get(code).copied().unwrap_or_default(),
        coverage: cover.get(code).copied().unwrap_or_default(),
    });
    let languages = lines(languages);
    Report {
        areas: area_lines.collect(),
        figures: figures(&places, material, &whole, &all, &languages),
        series: series(&places, scope, material),
        worst: worst(tree, &places, material),
        sums: whole,
        coverage: all,
        fields: lines(fields),
        languages,
        priorities: lines(priorities),
        reasons,
    }
}

/// Most plays first.
fn lines(sums: BTreeMap<String, Sums>) -> Vec<Line> {
    let mut lines: Vec<_> = sums.into_iter().map(|(key, sums)| Line { key, sums }).collect();
    lines.sort_by_key(|line| std::cmp::Reverse(line.sums.plays));
    lines
}

/// Which unit right below the scope's area each area belongs to.
struct Places {
    children: BTreeMap<AreaCode, AreaCode>,
    /// Units that have none below them: communes, whatever they are called.
    lowest: i64,
}

impl Places {
    fn new(tree: &AreaTree, scope: &Scope, ended: &BTreeSet<AreaCode>) -> Self {
        let child = |code: &AreaCode| {
            let path = tree.path(code).ok()?;
            let at = path.iter().position(|one| *one == scope.area)?;
            Some(path.get(at + 1).unwrap_or(&scope.area).clone())
        };
        let parents: BTreeSet<&AreaCode> = tree.iter().filter_map(|area| area.parent.as_ref()).collect();
        let is_lowest = |code: &&AreaCode| !parents.contains(*code) && !ended.contains(*code);
        let children: BTreeMap<AreaCode, AreaCode> =
            tree.iter().filter_map(|area| Some((area.code.clone(), child(&area.code)?))).collect();
        Self { lowest: children.keys().filter(is_lowest).count() as i64, children }
    }

    fn child(&self, area: &AreaCode) -> Option<&AreaCode> {
        self.children.get(area)
    }
}

impl Coverage {
    fn add(&mut self, other: &Self) {
        self.speakers += other.speakers;
        self.speakers_sounded += other.speakers_sounded;
        self.communes += other.communes;
        self.communes_sounded += other.communes_sounded;
        self.online += other.online;
    }
}

/// By unit right below. A speaker that moved within the time counts where it stands now.
fn coverage(places: &Places, material: &Material) -> BTreeMap<AreaCode, Coverage> {
    let sounded: BTreeSet<&SpeakerId> =
        material.speakers.iter().filter(|total| total.sounded > 0).map(|total| &total.speaker).collect();
    let mut cover: BTreeMap<AreaCode, Coverage> = BTreeMap::new();
    let mut communes: BTreeMap<&AreaCode, bool> = BTreeMap::new();
    for one in &material.standing {
        let Some(child) = places.child(&one.area) else { continue };
        let entry = cover.entry(child.clone()).or_default();
        let has = sounded.contains(&one.speaker);
        entry.speakers += 1;
        entry.speakers_sounded += i64::from(has);
        entry.online += i64::from(one.online);
        *communes.entry(&one.area).or_default() |= has;
    }
    for (code, has) in communes {
        let Some(entry) = places.child(code).and_then(|child| cover.get_mut(child)) else { continue };
        entry.communes += 1;
        entry.communes_sounded += i64::from(has);
    }
    cover
}

fn series(places: &Places, scope: &Scope, material: &Material) -> Vec<Line> {
    let by_month = (scope.to - scope.from).num_days() >= DAYS_SHOWN;
    let mut points: BTreeMap<i64, Sums> = BTreeMap::new();
    let inside = material.series.iter().filter(|(_, area, _)| places.child(area).is_some());
    for (period, _, sums) in inside {
        let point = if by_month && *period > 1_000_000 { period / 100 } else { *period };
        *points.entry(point).or_default() += *sums;
    }
    points.into_iter().map(|(period, sums)| Line { key: period.to_string(), sums }).collect()
}

fn worst(tree: &AreaTree, places: &Places, material: &Material) -> Vec<SpeakerLine> {
    let titles: BTreeMap<&SpeakerId, &str> =
        material.standing.iter().map(|one| (&one.speaker, one.title.as_str())).collect();
    let mut all: Vec<&SpeakerTotal> =
        material.speakers.iter().filter(|one| places.child(&one.area).is_some() && one.complete < one.plays).collect();
    all.sort_by_key(|one| (std::cmp::Reverse(one.plays - one.complete), &one.speaker));
    let line = |one: &SpeakerTotal| SpeakerLine {
        speaker: one.speaker.to_string(),
        title: titles.get(&one.speaker).map_or_else(|| one.speaker.to_string(), |title| (*title).to_owned()),
        area: one.area.to_string(),
        area_title: tree.get(&one.area).map(|area| area.title.clone()).unwrap_or_default(),
        plays: one.plays,
        complete: one.complete,
        silent: one.silent,
        requested_ms: one.requested_ms,
        heard_ms: one.heard_ms,
    };
    all.into_iter().take(WORST).map(line).collect()
}

fn figures(places: &Places, material: &Material, sums: &Sums, cover: &Coverage, languages: &[Line]) -> Vec<Figure> {
    let share = |id, part: i64, whole: i64, evidence: Option<&str>| Figure {
        id,
        value: percent(part, whole),
        unit: Unit::Percent,
        part: part as f64,
        whole: whole as f64,
        evidence: evidence.map(str::to_owned),
    };
    let foreign = languages.iter().filter(|line| !MAJORITY.contains(&line.key.as_str()));
    let (minority, spoken): (Vec<_>, i64) = (foreign.collect(), sums.heard_ms);
    let named: Vec<&str> = minority.iter().map(|line| line.key.as_str()).collect();
    let minority_ms = minority.iter().map(|line| line.sums.heard_ms).sum();
    let minority_evidence = (!named.is_empty()).then(|| format!("language={}", named.join(",")));
    vec![
        share(FigureId::CommunesSounding, cover.communes_sounded, places.lowest.max(cover.communes), None),
        share(FigureId::SpeakersOnline, cover.online, cover.speakers, None),
        share(FigureId::SpeakersSounding, cover.speakers_sounded, cover.speakers, None),
        share(FigureId::PlaysSounded, sums.sounded, sums.plays, Some("evidence=scheduled,content_ready")),
        share(FigureId::PlaysComplete, sums.complete, sums.plays, Some("outcome=partial,missed,unreported")),
        share(FigureId::PlaysOnTime, sums.on_time, sums.plays, Some("on_time=false")),
        share(FigureId::PlaysReported, sums.plays - sums.unreported, sums.plays, Some("outcome=unreported")),
        median(places, material),
        share(FigureId::UrgentPrompt, sums.urgent_prompt, sums.urgent, Some("priority=emergency")),
        hours(places, material),
        share(FigureId::MinorityLanguages, minority_ms, spoken, minority_evidence.as_deref()),
        silence(places, material),
    ]
}

fn median(places: &Places, material: &Material) -> Figure {
    let mut bounds: BTreeMap<i64, i64> = BTreeMap::new();
    for (_, within_ms, plays) in material.errors.iter().filter(|(area, ..)| places.child(area).is_some()) {
        *bounds.entry(*within_ms).or_default() += plays;
    }
    let all: i64 = bounds.values().sum();
    let mut passed = 0;
    let half = bounds.iter().find(|(_, plays)| {
        passed += **plays;
        passed * 2 >= all
    });
    let value = half.map(|(within_ms, _)| *within_ms as f64);
    Figure {
        id: FigureId::StartErrorMedian,
        value,
        unit: Unit::Ms,
        part: passed as f64,
        whole: all as f64,
        evidence: Some("outcome=played,late,partial".into()),
    }
}

fn hours(places: &Places, material: &Material) -> Figure {
    let mut communes: BTreeMap<&AreaCode, (i64, i64)> = BTreeMap::new();
    for one in material.speakers.iter().filter(|one| places.child(&one.area).is_some()) {
        let entry = communes.entry(&one.area).or_default();
        *entry = (entry.0 + one.heard_ms, entry.1 + 1);
    }
    let sum: f64 = communes.values().map(|(heard_ms, speakers)| *heard_ms as f64 / *speakers as f64).sum();
    quotient(FigureId::HoursPerCommune, Unit::Hours, sum / 3_600_000.0, communes.len() as f64, "outcome=played,late")
}

fn silence(places: &Places, material: &Material) -> Figure {
    let mut days: Vec<(&SpeakerId, NaiveDate)> = material
        .silent_days
        .iter()
        .filter(|(_, area, _)| places.child(area).is_some())
        .filter_map(|(speaker, _, day)| Some((speaker, day_of(*day)?)))
        .collect();
    days.sort_unstable();
    days.dedup();
    let follows = |pair: &[(&SpeakerId, NaiveDate)]| pair[0].0 == pair[1].0 && pair[0].1.succ_opt() == Some(pair[1].1);
    let joined = days.windows(2).filter(|pair| follows(pair)).count();
    let runs = days.len() - joined;
    quotient(FigureId::SilenceLength, Unit::Days, days.len() as f64, runs as f64, "outcome=missed,unreported")
}

fn quotient(id: FigureId, unit: Unit, part: f64, whole: f64, evidence: &str) -> Figure {
    let value = (whole > 0.0).then(|| part / whole);
    Figure { id, value, unit, part, whole, evidence: Some(evidence.into()) }
}

fn percent(part: i64, whole: i64) -> Option<f64> {
    (whole > 0).then(|| part as f64 * 100.0 / whole as f64)
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
