//! The tree of administrative units, of any depth.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::ids::AreaCode;

/// One unit. Its code is official where there is one (province 2 digits, commune 5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Area {
    pub code: AreaCode,
    pub parent: Option<AreaCode>,
    pub title: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AreaError {
    #[error("area {0} is not known; add it first: loaxa area add CODE --title TITLE [--parent CODE]")]
    Unknown(AreaCode),
    #[error("area {0} would stand above itself")]
    Loop(AreaCode),
}

/// All units by code.
#[derive(Debug, Clone, Default)]
pub struct AreaTree {
    areas: BTreeMap<AreaCode, Area>,
}

impl AreaTree {
    pub fn new(areas: impl IntoIterator<Item = Area>) -> Self {
        Self { areas: areas.into_iter().map(|area| (area.code.clone(), area)).collect() }
    }

    /// All areas in order of code.
    pub fn iter(&self) -> impl Iterator<Item = &Area> {
        self.areas.values()
    }

    pub fn get(&self, code: &AreaCode) -> Option<&Area> {
        self.areas.get(code)
    }

    /// The codes from the widest unit down to `code` itself.
    pub fn path(&self, code: &AreaCode) -> Result<Vec<AreaCode>, AreaError> {
        let mut path = vec![];
        let mut at = Some(code);
        while let Some(code) = at {
            if path.contains(code) {
                return Err(AreaError::Loop(code.clone()));
            }
            let area = self.areas.get(code).ok_or_else(|| AreaError::Unknown(code.clone()))?;
            path.push(area.code.clone());
            at = area.parent.as_ref();
        }
        path.reverse();
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(code: &str, parent: Option<&str>) -> Area {
        Area { code: code.parse().unwrap(), parent: parent.map(|p| p.parse().unwrap()), title: code.into() }
    }

    #[test]
    fn a_path_runs_from_the_widest_unit_down() {
        let tree = AreaTree::new([area("66", None), area("24133", Some("66"))]);
        let path = tree.path(&"24133".parse().unwrap()).unwrap();
        assert_eq!(path.iter().map(AreaCode::as_str).collect::<Vec<_>>(), ["66", "24133"]);
    }

    #[test]
    fn unknown_codes_and_loops_are_refused_and_never_hang() {
        let tree = AreaTree::new([area("a", Some("b")), area("b", Some("a")), area("c", Some("gone"))]);
        assert!(matches!(tree.path(&"a".parse().unwrap()), Err(AreaError::Loop(_))));
        assert!(matches!(tree.path(&"c".parse().unwrap()), Err(AreaError::Unknown(_))));
    }
}
