//! Units that stand elsewhere than they did: how a speaker that pinned its place for good follows a merger of units.
//!
//! A place is a path of codes from the widest unit down. The trust list says which units stand below which path now, so that only the
//! authority moves a speaker, and no older list moves it back. A unit that became part of another keeps its code and stands below it:
//! what was approved, certified and planned for it goes on counting there, and nowhere else. Decides; keeps nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ids::{AreaCode, SpeakerId};
use super::trust::TrustList;

/// Units on one path at most. Real trees have three or four.
pub const MAX_DEPTH: usize = 32;

/// Units that stand below another path since a certain trust list, with all that stands below them; or single speakers that stand at its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema))]
pub struct Moved {
    /// The version of the list that said this first: who was enrolled under that list or a later one was told already.
    pub since: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "center", schema(value_type = Vec<String>))]
    pub areas: Vec<AreaCode>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "center", schema(value_type = Vec<String>))]
    pub speakers: Vec<SpeakerId>,
    /// From the widest unit down.
    #[cfg_attr(feature = "center", schema(value_type = Vec<String>))]
    pub below: Vec<AreaCode>,
    /// The lowest versions of lawful hours on that path that are good enough, as they are pinned at an enrolment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "center", schema(value_type = BTreeMap<String, u64>))]
    pub hours: BTreeMap<AreaCode, u64>,
}

/// Where a speaker stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// From the widest unit down to its own.
    pub path: Vec<AreaCode>,
    /// What its moves brought along of lawful hours.
    pub hours: BTreeMap<AreaCode, u64>,
    /// Which entries of the list brought it here, by their place in it.
    pub by: Vec<usize>,
}

impl Moved {
    /// Whether it makes sense by itself.
    pub fn is_sound(&self, version: u64) -> bool {
        let once = (1..self.below.len()).all(|index| !self.below[..index].contains(&self.below[index]));
        let names = !self.areas.is_empty() || !self.speakers.is_empty();
        let apart = self.areas.iter().all(|area| !self.below.contains(area));
        names && once && apart && (1..=MAX_DEPTH).contains(&self.below.len()) && self.since <= version
    }

    pub fn entries(&self) -> usize {
        self.areas.len() + self.speakers.len()
    }

    /// The path that `path` becomes; nothing where this is not about it.
    fn lead(&self, speaker: &SpeakerId, path: &[AreaCode]) -> Option<Vec<AreaCode>> {
        let rest = if self.speakers.contains(speaker) {
            &[][..]
        } else {
            &path[path.iter().rposition(|code| self.areas.contains(code))?..]
        };
        // A unit never stands above itself, whatever was signed; and who is there already needs no leading.
        let loops = rest.iter().any(|code| self.below.contains(code));
        let led: Vec<AreaCode> = self.below.iter().chain(rest).cloned().collect();
        (!loops && led.len() <= MAX_DEPTH && led != path).then_some(led)
    }
}

impl TrustList {
    /// Where a speaker stands that was told to stand at `pinned` when version `told` of this list was in force: each entry in order leads it on
    /// from where the one before has led it.
    pub fn standing(&self, speaker: &SpeakerId, pinned: &[AreaCode], told: u64) -> Standing {
        let mut here = Standing { path: pinned.to_vec(), ..Standing::default() };
        for (index, moved) in self.moved.iter().enumerate().filter(|(_, moved)| moved.since > told) {
            let Some(path) = moved.lead(speaker, &here.path) else { continue };
            here.path = path;
            here.by.push(index);
            for (area, version) in &moved.hours {
                let known = here.hours.entry(area.clone()).or_default();
                *known = (*known).max(*version);
            }
        }
        here.hours.retain(|area, _| here.path.contains(area));
        here
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::approval::tests::codes;

    fn moved(since: u64, areas: &[&str], below: &[&str]) -> Moved {
        Moved { since, areas: codes(areas), speakers: vec![], below: codes(below), hours: BTreeMap::new() }
    }

    fn list(moved: Vec<Moved>) -> TrustList {
        TrustList { version: 9, moved, ..TrustList::unless_said("mau".parse().unwrap()) }
    }

    fn path(list: &TrustList, pinned: &[&str], told: u64) -> String {
        let here = list.standing(&"a".parse().unwrap(), &codes(pinned), told);
        here.path.iter().map(AreaCode::as_str).collect::<Vec<_>>().join("/")
    }

    #[test]
    fn a_speaker_follows_its_unit_and_what_stands_above_it() {
        let merged = list(vec![moved(5, &["22018", "22030"], &["66", "22015"])]);
        // The unit of its own, one above it, and those that are not concerned.
        assert_eq!(path(&merged, &["54", "22018"], 4), "66/22015/22018");
        assert_eq!(path(&merged, &["54", "22018", "thon-1"], 4), "66/22015/22018/thon-1");
        assert_eq!(path(&merged, &["54", "22015"], 4), "54/22015");
        let province = list(vec![moved(5, &["54"], &["66"]), moved(6, &["22018"], &["66", "54", "22015"])]);
        assert_eq!(path(&province, &["54", "22015"], 0), "66/54/22015");
        assert_eq!(path(&province, &["54", "22018"], 0), "66/54/22015/22018");
        // One after the other; a list without an entry is as if it had never been said.
        let twice = list(vec![moved(5, &["a"], &["p", "b"]), moved(6, &["b"], &["q"])]);
        assert_eq!(path(&twice, &["p", "a"], 4), "q/b/a");
        assert_eq!(path(&list(vec![]), &["p", "a"], 4), "p/a");
    }

    #[test]
    fn who_was_enrolled_since_is_not_moved_again() {
        let list = list(vec![moved(5, &["a"], &["p", "b"]), moved(8, &["b"], &["q"])]);
        assert_eq!(path(&list, &["p", "b", "a"], 5), "q/b/a");
        assert_eq!(path(&list, &["p", "a"], 5), "p/a");
        assert_eq!(path(&list, &["q", "b", "a"], 8), "q/b/a");
        assert_eq!(path(&list, &["p", "b", "a"], 0), "q/b/a", "who is there already stays");
    }

    #[test]
    fn a_single_speaker_is_moved_by_its_name_alone() {
        let only = Moved { speakers: vec!["a".parse().unwrap()], ..moved(5, &[], &["66", "n"]) };
        let list = list(vec![only, moved(6, &["x"], &["66", "m"])]);
        assert_eq!(path(&list, &["66", "x"], 0), "66/n");
        let other = list.standing(&"b".parse().unwrap(), &codes(&["66", "x"]), 0);
        assert_eq!(other.path, codes(&["66", "m", "x"]));
    }

    #[test]
    fn nothing_leads_in_a_circle_or_without_end() {
        for bad in [
            moved(5, &["a"], &["p", "a"]),
            moved(5, &["a"], &["p", "p"]),
            moved(5, &["a"], &[]),
            moved(10, &["a"], &["p"]),
        ] {
            assert!(!bad.is_sound(9), "{bad:?}");
        }
        // Below its own child, which its own entry cannot know.
        assert_eq!(path(&list(vec![moved(5, &["a"], &["b"])]), &["a", "b"], 0), "a/b");
        let deep: Vec<String> = (0..MAX_DEPTH).map(|n| format!("d{n}")).collect();
        let below: Vec<&str> = deep.iter().map(String::as_str).collect();
        assert_eq!(path(&list(vec![moved(5, &["a"], &below)]), &["a"], 0), "a");
    }

    #[test]
    fn hours_come_along_where_it_stands_in_the_end() {
        let first = Moved { hours: BTreeMap::from([(codes(&["b"])[0].clone(), 3)]), ..moved(5, &["a"], &["p", "b"]) };
        let second = Moved { hours: BTreeMap::from([(codes(&["q"])[0].clone(), 4)]), ..moved(6, &["a"], &["q"]) };
        let here = |list: TrustList| list.standing(&"s".parse().unwrap(), &codes(&["p", "a"]), 0);
        assert_eq!(here(list(vec![first.clone()])).hours, first.hours);
        let both = here(list(vec![first, second.clone()]));
        assert_eq!((both.hours, both.by), (second.hours, vec![0, 1]));
    }
}
