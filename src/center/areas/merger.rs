//! Mergers of units: what "these became part of that one" changes, what of it the authority has to sign, and what is in the way.
//!
//! A unit that became part of another keeps its code and stands below it from then on, ended. So its speakers, schedules, bulletins and
//! records go along without a row of them being rewritten, and what was approved for it counts where it counted. Boards follow by the trust
//! list (`domain/moved.rs`); this works out which entries that needs, and checks of every speaker that it gets where the tree says.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{stands_below, tree};
use crate::center::app::App;
use crate::center::datadir::TRUST_VALID_MS;
use crate::center::store::{AreaEdit, AreaRow, MergerRows, Pin, PinRow, Span, StoreError};
use crate::domain::approval::Role;
use crate::domain::area::{Area, AreaTree};
use crate::domain::hours::HoursStatement;
use crate::domain::ids::{AreaCode, SpeakerId};
use crate::domain::moved::Moved;
use crate::domain::role::Grant;
use crate::domain::trust::{MAX_ENTRIES, TrustList};
use crate::protocol::limits::TRUST_BYTES;

/// Units of one merger at most, and how many names an answer holds of each kind.
const MOST_UNITS: usize = 500;
const NAMES: usize = 100;

/// What somebody wants merged.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MergerWish)]
pub struct Wish {
    pub moves: Vec<Move>,
    /// From when on, as YYYY-MM-DD; today where absent.
    #[serde(default)]
    pub date: Option<String>,
    /// Whether accounts of the old units get the same roles in the new one.
    #[serde(default = "yes")]
    pub accounts: bool,
    /// Go on though some boards run a program too old to understand it; they take no new plan until they are updated.
    #[serde(default)]
    pub even_old_boards: bool,
}

fn yes() -> bool {
    true
}

/// Units, or single speakers, that go to one unit.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MergerMove)]
pub struct Move {
    pub into: String,
    #[serde(default)]
    pub from: Vec<String>,
    /// Single speakers of a unit that is divided.
    #[serde(default)]
    pub speakers: Vec<String>,
    /// The units stay what they are, and only stand below another one.
    #[serde(default)]
    pub keep: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MovedUnit {
    pub code: String,
    pub title: String,
    /// The unit above it, before and after.
    pub was_below: Option<String>,
    pub into: String,
    pub into_title: String,
    /// It stays what it is.
    pub kept: bool,
    /// Speakers that go along, in it and below.
    pub speakers: u32,
    pub bulletins: u32,
    /// Windows of its own lawful hours, which go on binding its speakers beside those of the new unit.
    pub hours: Vec<String>,
}

/// Something with a name, and how it stands before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = MergerNamed)]
pub struct Named {
    pub id: String,
    pub title: String,
    pub before: Vec<String>,
    pub after: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = MergerMany)]
pub struct Many {
    pub count: u32,
    /// The first hundred.
    pub first: Vec<Named>,
}

/// Why a merger cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = MergerObstacle)]
pub enum Obstacle {
    /// Nothing is to be moved.
    Nothing,
    TooMany,
    UnknownUnit,
    UnknownSpeaker,
    /// The unit has ended already.
    Ended,
    /// The top of the tree stays where it is.
    Top,
    /// The new unit would stand below what becomes part of it.
    Circle,
    /// It is named twice.
    Twice,
    /// The date is none, or lies ahead.
    Date,
    /// The authority's list would be too long; merge fewer at once, or enrol boards anew.
    ListFull,
    /// Boards whose program is too old, and would take no plan any more.
    OldBoards,
    /// A board that would not get where the tree says; it has to be enrolled anew first.
    Astray,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = MergerInTheWay)]
pub struct InTheWay {
    pub what: Obstacle,
    /// What it is about: codes of units, ids of speakers, a date.
    pub about: Vec<String>,
}

impl InTheWay {
    fn new(what: Obstacle, about: impl IntoIterator<Item = impl ToString>) -> Self {
        Self { what, about: about.into_iter().map(|one| one.to_string()).collect() }
    }

    /// In words, for the command line.
    pub fn words(&self) -> String {
        let about = self.about.join(", ");
        match self.what {
            Obstacle::Nothing => "nothing is to be moved: name old units that are not the new one".into(),
            Obstacle::TooMany => format!("more than {MOST_UNITS} units at once; do it in parts"),
            Obstacle::UnknownUnit => {
                format!("there is no unit {about}: loaxa area list; bring new ones in first: loaxa area import FILE")
            }
            Obstacle::UnknownSpeaker => format!("there is no speaker {about}"),
            Obstacle::Ended => format!("{about} has ended already"),
            Obstacle::Top => format!("{about} is the top of this center's tree and stays there"),
            Obstacle::Circle => format!("{about} would stand below itself"),
            Obstacle::Twice => format!("{about} is named twice"),
            Obstacle::Date => {
                format!("{about}: write a day that has come, as YYYY-MM-DD; a merger is entered on its day or after it")
            }
            Obstacle::ListFull => format!(
                "the authority's list would hold more than {MAX_ENTRIES} entries or 48 KiB: merge fewer units at once"
            ),
            Obstacle::OldBoards => format!(
                "the boards of {about} run a program that does not know mergers and would take no plan any more: update them first (or --even-old-boards)"
            ),
            Obstacle::Astray => format!(
                "the boards of {about} were enrolled for another place than the tree says; enrol them anew first"
            ),
        }
    }
}

/// What a merger would do.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct MergerView {
    pub date: String,
    pub units: Vec<MovedUnit>,
    /// Speakers that go along; `before` and `after` are their paths.
    pub speakers: Many,
    /// Accounts and tokens that get other roles.
    pub accounts: Many,
    pub tokens: u32,
    /// Schedules that are aimed at an old unit, or belong to it: they go on sounding where they sound.
    pub schedules: Many,
    /// Approvers whose certificates name an old unit: they go on counting there, and not in the rest of the new one.
    pub approvers: Many,
    pub in_the_way: Vec<InTheWay>,
    /// The trust list that the authority has to sign; absent where no board has to be told.
    #[schema(value_type = Option<Object>)]
    pub statement: Option<TrustList>,
    /// What has to be typed to have it done: it cannot be undone by a button.
    pub confirm: String,
}

/// A merger that was worked out: what it would do, and what is to be written for it.
#[derive(Debug, Default)]
pub struct Merger {
    pub view: MergerView,
    pub rows: MergerRows,
}

/// A wish in which everything is known.
#[derive(Debug, Default)]
struct Read {
    /// Old units in order, each with what it goes to and whether it stays what it is.
    units: Vec<(AreaCode, AreaCode, bool)>,
    speakers: Vec<(SpeakerId, AreaCode)>,
}

/// Works out what a merger would do, as things stand.
pub async fn look(app: &App, wish: &Wish, today: chrono::NaiveDate, now_ms: i64) -> Result<Merger, StoreError> {
    let rows = app.store.area_rows().await?;
    let pins = app.store.pins().await?;
    let trust = app.trust();
    let mut merger = Merger::default();
    let said = wish.date.clone().unwrap_or_else(|| today.to_string());
    match said.parse::<chrono::NaiveDate>() {
        Ok(date) if date <= today => merger.view.date = date.to_string(),
        _ => merger.view.in_the_way.push(InTheWay::new(Obstacle::Date, [said])),
    }
    let read = read(wish, &rows, &pins, &app.site.area, &mut merger.view.in_the_way);
    let Some(first) = read.units.first().map(|(_, into, _)| into).or(read.speakers.first().map(|(_, into)| into))
    else {
        return Ok(merger);
    };
    merger.view.confirm = first.to_string();
    let (old, new) = (tree(&rows), moved_tree(&rows, &read));
    let lost = rows.iter().map(|row| &row.area.code).filter(|code| new.path(code).is_err());
    let lost: Vec<&AreaCode> = lost.filter(|code| read.units.iter().any(|(from, ..)| from == *code)).collect();
    if !lost.is_empty() {
        merger.view.in_the_way.push(InTheWay::new(Obstacle::Circle, lost));
        return Ok(merger);
    }
    let tops: Vec<AreaCode> = read.units.iter().map(|(from, ..)| from.clone()).collect();
    let here = Ground { rows: &rows, pins: &pins, old: &old, new: &new, read: &read };
    merger.rows.areas = here.edits(&merger.view.date);
    merger.rows.speakers = read.speakers.clone();
    here.speakers(&mut merger);
    here.units(app, &mut merger).await?;
    here.list(&trust.list, wish.even_old_boards, &mut merger, now_ms);
    let moves: BTreeMap<&AreaCode, &AreaCode> =
        read.units.iter().filter(|(.., keep)| !keep).map(|(from, into, _)| (from, into)).collect();
    people(app, wish.accounts, &moves, &mut merger).await?;
    naming(app, &tops, &mut merger).await?;
    Ok(merger)
}

fn read(wish: &Wish, rows: &[AreaRow], pins: &[PinRow], top: &AreaCode, in_the_way: &mut Vec<InTheWay>) -> Read {
    let known: BTreeMap<&str, &AreaRow> = rows.iter().map(|row| (row.area.code.as_str(), row)).collect();
    let mut read = Read::default();
    let mut say = |what, about: &str| in_the_way.push(InTheWay::new(what, [about]));
    if wish.moves.iter().map(|one| one.from.len() + one.speakers.len()).sum::<usize>() > MOST_UNITS {
        say(Obstacle::TooMany, "");
        return read;
    }
    for one in &wish.moves {
        let into = match known.get(one.into.as_str()) {
            None => {
                say(Obstacle::UnknownUnit, &one.into);
                continue;
            }
            Some(row) if row.span.valid_to.is_some() => {
                say(Obstacle::Ended, &one.into);
                continue;
            }
            Some(row) => &row.area.code,
        };
        // The new unit often has the code of one of the old ones; that one is there already.
        for from in one.from.iter().filter(|from| *from != into.as_str()) {
            match known.get(from.as_str()) {
                None => say(Obstacle::UnknownUnit, from),
                Some(row) if row.area.code == *top => say(Obstacle::Top, from),
                Some(row) if row.span.valid_to.is_some() && !one.keep => say(Obstacle::Ended, from),
                Some(row) if read.units.iter().any(|(known, ..)| *known == row.area.code) => say(Obstacle::Twice, from),
                Some(row) => read.units.push((row.area.code.clone(), into.clone(), one.keep)),
            }
        }
        for speaker in &one.speakers {
            match pins.iter().find(|pin| pin.speaker.as_str() == speaker) {
                None => say(Obstacle::UnknownSpeaker, speaker),
                Some(pin) if read.speakers.iter().any(|(known, _)| *known == pin.speaker) => {
                    say(Obstacle::Twice, speaker)
                }
                Some(pin) => read.speakers.push((pin.speaker.clone(), into.clone())),
            }
        }
    }
    if read.units.is_empty() && read.speakers.is_empty() && in_the_way.is_empty() {
        in_the_way.push(InTheWay::new(Obstacle::Nothing, [""; 0]));
    }
    read
}

fn moved_tree(rows: &[AreaRow], read: &Read) -> AreaTree {
    AreaTree::new(rows.iter().map(|row| match read.units.iter().find(|(from, ..)| *from == row.area.code) {
        Some((_, into, _)) => Area { parent: Some(into.clone()), ..row.area.clone() },
        None => row.area.clone(),
    }))
}

/// What a merger is worked out on.
struct Ground<'a> {
    rows: &'a [AreaRow],
    pins: &'a [PinRow],
    old: &'a AreaTree,
    new: &'a AreaTree,
    read: &'a Read,
}

impl Ground<'_> {
    fn edits(&self, date: &str) -> Vec<AreaEdit> {
        let edit = |(from, into, keep): &(AreaCode, AreaCode, bool)| {
            let row = self.rows.iter().find(|row| row.area.code == *from)?;
            let ended = Span {
                valid_to: Some(date.to_owned()),
                replaced_by: Some(into.clone()),
                valid_from: row.span.valid_from.clone(),
            };
            Some(AreaEdit {
                code: from.clone(),
                parent: Some(into.clone()),
                title: row.area.title.clone(),
                span: if *keep { row.span.clone() } else { ended },
            })
        };
        self.read.units.iter().filter_map(edit).collect()
    }

    /// Where a speaker's row says that it stands, before and after.
    fn paths(&self, pin: &PinRow) -> (Vec<AreaCode>, Vec<AreaCode>) {
        let alone = self.read.speakers.iter().find(|(speaker, _)| *speaker == pin.speaker);
        let area = alone.map_or(&pin.area, |(_, into)| into);
        (self.old.path(&pin.area).unwrap_or_default(), self.new.path(area).unwrap_or_default())
    }

    /// What its board was told: as written down, or else what the tree says until now.
    fn pin(&self, pin: &PinRow) -> Pin {
        let before = || Pin { areas: self.old.path(&pin.area).unwrap_or_default(), trust: 0 };
        pin.pinned.clone().unwrap_or_else(before)
    }

    fn speakers(&self, merger: &mut Merger) {
        for pin in self.pins {
            let (before, after) = self.paths(pin);
            if before == after {
                continue;
            }
            if pin.pinned.is_none() {
                merger.rows.pins.push((pin.speaker.clone(), self.pin(pin)));
            }
            merger.view.speakers.add(named(&pin.speaker, &pin.title, &before, &after));
        }
    }

    async fn units(&self, app: &App, merger: &mut Merger) -> Result<(), StoreError> {
        let authority = app.trust().authority;
        let bulletins = app.store.bulletins_by_area().await?;
        let windows = |row: &AreaRow| {
            let said = row.hours.as_ref().and_then(|envelope| envelope.open::<HoursStatement>(&authority).ok());
            said.map(|said| said.windows.iter().map(|(from, to)| format!("{from}-{to}")).collect()).unwrap_or_default()
        };
        for (from, into, kept) in &self.read.units {
            let Some(row) = self.rows.iter().find(|row| row.area.code == *from) else { continue };
            let top = std::slice::from_ref(from);
            let speakers = self.pins.iter().filter(|pin| stands_below(self.old, &pin.area, top)).count() as u32;
            let own = bulletins.iter().filter(|(area, _)| stands_below(self.old, area, top));
            merger.view.units.push(MovedUnit {
                code: from.to_string(),
                title: row.area.title.clone(),
                was_below: row.area.parent.as_ref().map(AreaCode::to_string),
                into: into.to_string(),
                into_title: self.old.get(into).map(|area| area.title.clone()).unwrap_or_default(),
                kept: *kept,
                speakers,
                bulletins: own.map(|(_, count)| count).sum(),
                hours: windows(row),
            });
        }
        Ok(())
    }

    /// The trust list by which boards follow, if any has to.
    fn list(&self, known: &TrustList, even_old_boards: bool, merger: &mut Merger, now_ms: i64) {
        let moves = |pin: &&PinRow| {
            let (before, after) = self.paths(pin);
            before != after
        };
        let concerned: Vec<&PinRow> = self.pins.iter().filter(moves).collect();
        if concerned.is_empty() {
            return;
        }
        let version = (now_ms.max(0) as u64 / 1000).max(known.version + 1);
        let mut list = TrustList { version, made_ms: now_ms, valid_until_ms: now_ms + TRUST_VALID_MS, ..known.clone() };
        let mut by_place: BTreeMap<&AreaCode, (Vec<AreaCode>, Vec<SpeakerId>)> = BTreeMap::new();
        for (from, into, _) in &self.read.units {
            let top = std::slice::from_ref(from);
            if concerned.iter().any(|pin| stands_below(self.old, &pin.area, top)) {
                by_place.entry(into).or_default().0.push(from.clone());
            }
        }
        for (speaker, into) in &self.read.speakers {
            by_place.entry(into).or_default().1.push(speaker.clone());
        }
        // Single speakers first: what they are led away from may move after them.
        let entry = |into: &AreaCode, areas: Vec<AreaCode>, speakers: Vec<SpeakerId>| {
            let below = self.new.path(into).unwrap_or_default();
            Moved { since: version, hours: self.hours(&below), areas, speakers, below }
        };
        let alone = by_place.iter().filter(|(_, (_, speakers))| !speakers.is_empty());
        list.moved.extend(alone.map(|(into, (_, speakers))| entry(into, vec![], speakers.clone())));
        let units = by_place.iter().filter(|(_, (areas, _))| !areas.is_empty());
        list.moved.extend(units.map(|(into, (areas, _))| entry(into, areas.clone(), vec![])));
        let bytes = serde_json::to_vec(&list).map_or(usize::MAX, |bytes| bytes.len());
        if list.entries() > MAX_ENTRIES || bytes > TRUST_BYTES / 4 * 3 || !list.is_sound() {
            merger.view.in_the_way.push(InTheWay::new(Obstacle::ListFull, [""; 0]));
            return;
        }
        // Of every speaker, not of those alone that are to move.
        let astray = self.pins.iter().filter(|pin| {
            let Pin { areas, trust } = self.pin(pin);
            let goes = list.standing(&pin.speaker, &areas, trust).path;
            let stood = known.standing(&pin.speaker, &areas, trust).path;
            goes != self.paths(pin).1 && (goes != stood || concerned.iter().any(|one| one.speaker == pin.speaker))
        });
        let astray: Vec<&SpeakerId> = astray.map(|pin| &pin.speaker).take(NAMES).collect();
        if !astray.is_empty() {
            merger.view.in_the_way.push(InTheWay::new(Obstacle::Astray, astray));
        }
        let old = self.pins.iter().filter(|pin| pin.told.as_ref().is_some_and(Vec::is_empty));
        let old: Vec<&SpeakerId> = old.map(|pin| &pin.speaker).take(NAMES).collect();
        if !old.is_empty() && !even_old_boards {
            merger.view.in_the_way.push(InTheWay::new(Obstacle::OldBoards, old));
        }
        merger.view.statement = Some(list);
    }

    /// The versions of the lawful hours on a path, which boards that come there are to ask for at least.
    fn hours(&self, path: &[AreaCode]) -> BTreeMap<AreaCode, u64> {
        let said = self.rows.iter().filter(|row| path.contains(&row.area.code));
        let version = |row: &AreaRow| {
            let statement = row.hours.as_ref()?.peek::<HoursStatement>().ok()?;
            Some((row.area.code.clone(), statement.version))
        };
        said.filter_map(version).collect()
    }
}

impl Many {
    fn add(&mut self, one: Named) {
        self.count += 1;
        if self.first.len() < NAMES {
            self.first.push(one);
        }
    }
}

fn named<T: ToString>(id: &impl ToString, title: &str, before: &[T], after: &[T]) -> Named {
    let texts = |list: &[T]| list.iter().map(T::to_string).collect();
    Named { id: id.to_string(), title: title.to_owned(), before: texts(before), after: texts(after) }
}

/// Roles in an old unit become the same roles in the new one.
async fn people(
    app: &App,
    wanted: bool,
    moves: &BTreeMap<&AreaCode, &AreaCode>,
    merger: &mut Merger,
) -> Result<(), StoreError> {
    let after = |grants: &[Grant]| -> Option<Vec<Grant>> {
        let moved = |grant: &Grant| Grant {
            area: moves.get(&grant.area).map_or(&grant.area, |into| into).to_owned().clone(),
            ..*grant
        };
        let new: BTreeSet<Grant> = grants.iter().map(moved).collect();
        grants.iter().any(|grant| moves.contains_key(&grant.area)).then(|| new.into_iter().collect())
    };
    if !wanted {
        return Ok(());
    }
    for account in app.store.accounts("", i64::MAX).await? {
        if let Some(grants) = after(&account.grants) {
            merger.view.accounts.add(named(&account.name, &account.title, &account.grants, &grants));
            merger.rows.accounts.push((account.name, account.grants, grants));
        }
    }
    for token in app.store.tokens().await?.into_iter().filter(|token| token.revoked_ms.is_none()) {
        if let Some(grants) = after(&token.grants) {
            merger.view.tokens += 1;
            merger.rows.tokens.push((token.id, grants));
        }
    }
    Ok(())
}

/// What names the old units and goes on as it is.
async fn naming(app: &App, tops: &[AreaCode], merger: &mut Merger) -> Result<(), StoreError> {
    let names = |text: &str| tops.iter().any(|top| top.as_str() == text);
    for (id, text) in app.store.schedules().await? {
        if text.targets.iter().any(|target| names(target)) || text.area.as_deref().is_some_and(names) {
            merger.view.schedules.add(named(&id, &text.title, &text.targets, &text.targets));
        }
    }
    let trust = app.trust();
    for row in app.store.certificates().await? {
        let counts = row.certificate.role == Role::Approver && !trust.list.is_revoked(&row.key);
        if counts && row.certificate.areas.iter().any(|area| tops.contains(area)) {
            let areas = &row.certificate.areas;
            merger.view.approvers.add(named(&row.key, &row.certificate.title, areas, areas));
        }
    }
    Ok(())
}
