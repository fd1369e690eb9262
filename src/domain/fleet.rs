//! All timetables of a fleet, worked out once for each kind of speaker and kept up to date by the edit.
//!
//! Speakers that share areas, languages, offset and schedules of their own share one timetable. An edit is a new [`World`]: what
//! differs from the old one is found, and only the timetables that it can touch are made anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ids::{AreaCode, ScheduleId, SpeakerId};
use super::schedule::{Schedule, Target};
use super::timetable::{Expanded, Profile, Timetable, Window, World, timetable};

/// Every speaker with its profile, and every profile's timetable.
#[derive(Debug, Clone)]
pub struct Fleet {
    world: World,
    expanded: Expanded,
    profiles: BTreeMap<SpeakerId, Arc<Profile>>,
    tables: BTreeMap<Arc<Profile>, Arc<Timetable>>,
}

impl Fleet {
    /// Works everything out, on as many threads as `threads` says.
    pub fn new(world: World, window: Window, speakers: BTreeMap<SpeakerId, Profile>, threads: usize) -> Self {
        let expanded = Expanded::new(&world, window);
        let mut fleet = Self { world, expanded, profiles: BTreeMap::new(), tables: BTreeMap::new() };
        fleet.assign(speakers);
        let wanted: Vec<_> = fleet.profiles.values().cloned().collect::<BTreeSet<_>>().into_iter().collect();
        fleet.tables = fleet.work_out(wanted, threads);
        fleet
    }

    pub fn world(&self) -> &World {
        &self.world
    }

    pub fn window(&self) -> Window {
        self.expanded.window
    }

    pub fn timetable(&self, speaker: &SpeakerId) -> Option<&Arc<Timetable>> {
        self.tables.get(self.profiles.get(speaker)?)
    }

    /// A speaker's profile with its timetable.
    pub fn of(&self, speaker: &SpeakerId) -> Option<(Arc<Profile>, Arc<Timetable>)> {
        let profile = self.profiles.get(speaker)?;
        Some((profile.clone(), self.tables.get(profile)?.clone()))
    }

    pub fn speakers(&self) -> impl Iterator<Item = (&SpeakerId, &Arc<Profile>)> {
        self.profiles.iter()
    }

    /// How many timetables there are for how many speakers.
    pub fn sizes(&self) -> (usize, usize) {
        (self.tables.len(), self.profiles.len())
    }

    /// Takes a new state of the world and of the speakers. Gives the speakers whose timetable is not what it was.
    pub fn update(
        &mut self,
        world: World,
        speakers: BTreeMap<SpeakerId, Profile>,
        threads: usize,
    ) -> BTreeSet<SpeakerId> {
        let changed = Changed::between(&self.world, &world);
        self.expand(&world);
        self.world = world;
        let before = std::mem::take(&mut self.profiles);
        self.assign(speakers);
        let wanted: BTreeSet<_> = self.profiles.values().cloned().collect();
        let stale = wanted
            .iter()
            .filter(|profile| !self.tables.contains_key(*profile) || changed.touches(profile))
            .cloned()
            .collect();
        let mut made = self.work_out(stale, threads);
        // A table that came out the same stays the very same, so that comparing is cheap.
        for (profile, table) in &mut made {
            if let Some(old) = self.tables.get(profile).filter(|old| *old == table) {
                *table = old.clone();
            }
        }
        let old = std::mem::take(&mut self.tables);
        for profile in wanted {
            if let Some(table) = made.remove(&profile).or_else(|| old.get(&profile).cloned()) {
                self.tables.insert(profile, table);
            }
        }
        let differs = |(id, profile): &(&SpeakerId, &Arc<Profile>)| {
            let (was, is) = (before.get(*id), self.tables.get(*profile));
            match (was.and_then(|profile| old.get(profile)), is) {
                (Some(before), Some(now)) => {
                    // Of one profile's tables it is known by now whether they are the same.
                    let moved = was != Some(*profile);
                    !Arc::ptr_eq(before, now) && (!moved || before != now)
                }
                (before, now) => before.is_some() != now.is_some(),
            }
        };
        let changed = self.profiles.iter().filter(differs).map(|(id, _)| id.clone()).collect();
        drop(old);
        changed
    }

    /// Expands the series that are not what they were; the others keep their plays.
    fn expand(&mut self, world: &World) {
        let old: BTreeMap<&ScheduleId, usize> =
            self.world.series.iter().enumerate().map(|(index, series)| (&series.id, index)).collect();
        let same_lock = self.world.edit_lock_ms == world.edit_lock_ms;
        let plays = world.series.iter().map(|series| match old.get(&series.id) {
            Some(index) if same_lock && same(&self.world.series[*index], series) => {
                self.expanded.series[*index].clone()
            }
            _ => Arc::new(Expanded::one(series, self.expanded.window, world.edit_lock_ms)),
        });
        self.expanded.series = plays.collect();
    }

    /// Equal profiles become one.
    fn assign(&mut self, speakers: BTreeMap<SpeakerId, Profile>) {
        let mut known: BTreeSet<Arc<Profile>> = self.tables.keys().cloned().collect();
        let mut one = |profile: Profile| match known.get(&profile) {
            Some(known) => known.clone(),
            None => {
                let profile = Arc::new(profile);
                known.insert(profile.clone());
                profile
            }
        };
        self.profiles = speakers.into_iter().map(|(id, profile)| (id, one(profile))).collect();
    }

    fn work_out(&self, profiles: Vec<Arc<Profile>>, threads: usize) -> BTreeMap<Arc<Profile>, Arc<Timetable>> {
        let make = |part: &[Arc<Profile>]| -> Vec<(Arc<Profile>, Arc<Timetable>)> {
            let one = |profile: &Arc<Profile>| Arc::new(timetable(&self.world, &self.expanded, profile));
            part.iter().map(|profile| (profile.clone(), one(profile))).collect()
        };
        if threads <= 1 || profiles.len() < 8 {
            return make(&profiles).into_iter().collect();
        }
        let share = profiles.len().div_ceil(threads);
        std::thread::scope(|scope| {
            let workers: Vec<_> = profiles.chunks(share).map(|part| scope.spawn(|| make(part))).collect();
            workers.into_iter().filter_map(|worker| worker.join().ok()).flatten().collect()
        })
    }
}

/// The profiles of speakers: `areas` says each speaker's path, and schedules that name a speaker set it apart.
pub fn named_speakers(world: &World) -> BTreeSet<&SpeakerId> {
    let schedules =
        world.series.iter().flat_map(|series| series.history.versions.iter().filter_map(|v| v.value.as_deref()));
    schedules
        .flat_map(|schedule| &schedule.targets)
        .filter_map(|target| if let Target::Speaker(id) = target { Some(id) } else { None })
        .collect()
}

fn same<T: PartialEq>(a: &Arc<T>, b: &Arc<T>) -> bool {
    Arc::ptr_eq(a, b) || a == b
}

/// What differs between two worlds, as far as timetables can tell.
#[derive(Debug, Default)]
struct Changed {
    everything: bool,
    areas: BTreeSet<AreaCode>,
    speakers: BTreeSet<SpeakerId>,
}

impl Changed {
    fn between(old: &World, new: &World) -> Self {
        let mut changed = Self { everything: old.edit_lock_ms != new.edit_lock_ms, ..Self::default() };
        let mut programmes = BTreeSet::new();
        for id in old.programmes.keys().chain(new.programmes.keys()) {
            let alike = match (old.programmes.get(id), new.programmes.get(id)) {
                (Some(a), Some(b)) => same(a, b),
                _ => false,
            };
            if !alike {
                programmes.insert(id);
            }
        }
        let by_id = |world: &World| -> BTreeMap<ScheduleId, Arc<super::series::Series>> {
            world.series.iter().map(|series| (series.id.clone(), series.clone())).collect()
        };
        let (old_series, new_series) = (by_id(old), by_id(new));
        for (id, series) in &old_series {
            let kept = new_series.get(id).is_some_and(|other| same(series, other));
            series.history.versions.iter().filter_map(|v| v.value.as_deref()).for_each(|schedule| {
                if !kept || schedule.programmes().any(|id| programmes.contains(id)) {
                    changed.reach(schedule);
                }
            });
        }
        for (id, series) in &new_series {
            let kept = old_series.get(id).is_some_and(|other| same(series, other));
            if !kept {
                series.history.versions.iter().filter_map(|v| v.value.as_deref()).for_each(|s| changed.reach(s));
            }
        }
        for code in old.places.keys().chain(new.places.keys()) {
            if old.places.get(code) != new.places.get(code) {
                changed.areas.insert(code.clone());
            }
        }
        changed
    }

    fn reach(&mut self, schedule: &Schedule) {
        for target in &schedule.targets {
            match target {
                Target::Area(code) => self.areas.insert(code.clone()),
                Target::Speaker(id) => self.speakers.insert(id.clone()),
            };
        }
    }

    fn touches(&self, profile: &Profile) -> bool {
        self.everything
            || profile.areas.iter().any(|area| self.areas.contains(area))
            || profile.alone.as_ref().is_some_and(|speaker| self.speakers.contains(speaker))
    }
}
