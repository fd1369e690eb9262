//! The tree of administrative units as the state changes it: official lists are brought in, units are merged. What is signed for it is
//! signed elsewhere; what boards make of that, `domain/moved.rs` says.

pub mod conversion;
pub mod import;
pub mod merger;
mod table;

use crate::center::store::AreaRow;
use crate::domain::area::AreaTree;
use crate::domain::ids::AreaCode;

/// Whether `code` stands at or below one of `tops`.
fn stands_below(tree: &AreaTree, code: &AreaCode, tops: &[AreaCode]) -> bool {
    tree.path(code).is_ok_and(|path| path.iter().any(|area| tops.contains(area)))
}

fn tree(rows: &[AreaRow]) -> AreaTree {
    AreaTree::new(rows.iter().map(|row| row.area.clone()))
}
