//! Where a bulletin, schedule, programme or calendar counts, and so who may see and change it.
//!
//! A bulletin belongs to one area. A schedule counts wherever its targets are: who changes it needs the right in all of them, before
//! and after the change. Programmes and calendars have no place of their own: what no schedule names is any editor's; what some
//! schedules name, theirs who could change all of these. What comes from above is seen below: approved bulletins, and schedules.

use std::collections::{BTreeMap, BTreeSet};

use super::Problem;
use super::bulletins::BulletinView;
use crate::center::app::App;
use crate::center::people::person::Person;
use crate::center::store::{BulletinRow, Histories, StoreError, VersionRow};
use crate::domain::area::AreaTree;
use crate::domain::ids::{AreaCode, BulletinId, ScheduleId, SpeakerId};
use crate::domain::role::Right;
use crate::domain::schedule::{ScheduleText, Target};

/// A bulletin, for somebody who has one of these rights where it belongs. Who does not even see it is told that it is not there.
pub async fn bulletin_for(
    app: &App,
    person: &Person,
    rights: &[Right],
    id: &BulletinId,
) -> Result<BulletinRow, Problem> {
    let row = app.store.bulletin(id).await?;
    let tree = app.store.areas().await?;
    let path = tree.path(&row.area).map_err(Problem::internal)?;
    if rights.iter().any(|right| person.may(*right, &path)) {
        return Ok(row);
    }
    let revisions = app.store.revisions(id).await?;
    let approved = revisions.iter().any(|revision| revision.state.name() == "approved");
    match rights.first() {
        Some(right) if person.sees(&tree, &row.area) || (approved && person.stands_below(&tree, &row.area)) => {
            Err(super::guard::elsewhere(*right, &row.area))
        }
        _ => Err(StoreError::NotFound(format!("bulletin {id}")).into()),
    }
}

/// As much of a bulletin as somebody sees: all of it in their own areas, what was approved where it comes from above.
pub fn seen(person: &Person, tree: &AreaTree, mut view: BulletinView) -> Option<BulletinView> {
    let area: AreaCode = view.area.parse().ok()?;
    if person.sees(tree, &area) {
        return Some(view);
    }
    view.revisions.retain(|revision| revision.state == "approved");
    (!view.revisions.is_empty() && person.stands_below(tree, &area)).then_some(view)
}

/// Everything that places are looked up in.
pub struct Places {
    pub tree: AreaTree,
    speakers: BTreeMap<SpeakerId, AreaCode>,
}

impl Places {
    pub async fn load(app: &App) -> Result<Self, Problem> {
        let speakers = app.store.speakers("", i64::MAX).await?;
        let speakers = speakers.into_iter().map(|row| (row.id, row.area)).collect();
        Ok(Self { tree: app.store.areas().await?, speakers })
    }

    /// The areas that a schedule reaches into, or speaks for. What is no longer there reaches nobody.
    fn of(&self, text: &ScheduleText) -> BTreeSet<AreaCode> {
        let target = |text: &String| match text.parse() {
            Ok(Target::Area(code)) => Some(code),
            Ok(Target::Speaker(id)) => self.speakers.get(&id).cloned(),
            Err(_) => None,
        };
        let owner = text.area.as_ref().and_then(|area| area.parse().ok());
        text.targets.iter().filter_map(target).chain(owner).filter(|code| self.tree.get(code).is_some()).collect()
    }

    /// A refusal unless they may edit wherever this schedule counts.
    pub fn demand(&self, person: &Person, text: &ScheduleText) -> Result<(), Problem> {
        person.filters();
        self.of(text).iter().try_for_each(|area| person.demand(Right::EditContent, &self.tree, area))
    }

    /// Whether it plays in some area of theirs.
    pub fn shows(&self, person: &Person, text: &ScheduleText) -> bool {
        person.filters();
        self.of(text).iter().any(|area| person.sees(&self.tree, area) || person.stands_below(&self.tree, area))
    }

    /// A refusal unless they may edit wherever the schedules count that rule now, or will, and of which `named` holds.
    pub fn demand_all(
        &self,
        person: &Person,
        schedules: &Histories<ScheduleId, ScheduleText>,
        now_ms: i64,
        named: impl Fn(&ScheduleText) -> bool,
    ) -> Result<(), Problem> {
        person.filters();
        let texts = schedules.values().flat_map(|versions| ruling(versions, now_ms));
        texts.filter(|text| named(text)).try_for_each(|text| self.demand(person, text))
    }
}

/// Not only the newest version: an older one rules until the edit lock is over. One that was overtaken before it began never does.
pub fn ruling<T>(versions: &[VersionRow<T>], now_ms: i64) -> impl Iterator<Item = &T> {
    let rules = move |index: usize| {
        let until_ms = versions[index].effective_ms.max(now_ms);
        versions[index + 1..].iter().all(|later| later.effective_ms > until_ms)
    };
    versions.iter().enumerate().filter(move |(index, _)| rules(*index)).filter_map(|(_, row)| row.value.as_ref())
}

pub fn names_programme(text: &ScheduleText, programme: &str) -> bool {
    let others =
        text.instead_on.iter().map(|one| &one.programme).chain(text.exceptions.iter().map(|one| &one.programme));
    std::iter::once(&text.programme).chain(others).any(|named| named.as_deref() == Some(programme))
}

/// Whether its days change with this calendar; the calendar `vn` amends the public holidays.
pub fn names_calendar(text: &ScheduleText, calendar: &str) -> bool {
    let amended = format!("holidays:{calendar}");
    needs_calendar(text, calendar) || text.days().any(|day| *day == amended)
}

/// Whether it cannot be read without this calendar.
pub fn needs_calendar(text: &ScheduleText, calendar: &str) -> bool {
    let name = format!("calendar:{calendar}");
    text.days().any(|day| *day == name)
}
