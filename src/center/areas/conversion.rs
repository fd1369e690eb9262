//! Tables of conversion, in which the state says which old unit went into which new one: read as a proposal for a merger. Pure; a unit that
//! was divided is left to whoever knows where its speakers stand.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::table::{FileProblem, Table, plain};
use crate::center::store::AreaRow;
use crate::domain::ids::AreaCode;

const OLD_CODE: [&str; 6] = ["old_commune_code", "ma_xa_cu", "ma_px_cu", "ma_phuong_xa_cu", "old_code", "ma_cu"];
const OLD: [&str; 6] = ["old_commune", "ten_xa_cu", "ten_px_cu", "phuong_xa_cu", "old_name", "ten_cu"];
const NEW_CODE: [&str; 6] = ["new_commune_code", "ma_xa_moi", "ma_px_moi", "ma_phuong_xa_moi", "new_code", "ma_moi"];
const NEW: [&str; 6] = ["new_commune", "ten_xa_moi", "ten_px_moi", "phuong_xa_moi", "new_name", "ten_moi"];
const HOW: [&str; 5] = ["how", "ghi_chu", "hinh_thuc", "cach_sap_xep", "note"];

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ConvertedUnit)]
pub struct Unit {
    pub code: String,
    pub title: String,
}

/// Units that became part of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ConvertedGroup)]
pub struct Group {
    pub into: Unit,
    /// Whether the new unit is in the tree already.
    pub is_here: bool,
    pub from: Vec<Unit>,
}

/// A unit that was divided: somebody has to say which of its speakers stand where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = DividedUnit)]
pub struct Divided {
    pub from: Unit,
    pub into: Vec<Unit>,
}

/// What the table says of the units of this center.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = MergerProposal)]
pub struct Proposal {
    pub groups: Vec<Group>,
    pub divided: Vec<Divided>,
    /// Units that keep their code, and those that this center does not have, or has merged already.
    pub kept: u32,
    pub elsewhere: u32,
    pub done: u32,
}

/// Reads a table of conversion as a proposal for the units that are in the tree.
pub fn propose(bytes: &[u8], rows: &[AreaRow]) -> Result<Proposal, FileProblem> {
    let table = Table::read(bytes)?;
    let old_code = table.needed(&OLD_CODE, "the old code (old_commune_code, mã xã cũ)").map(Some)?;
    let new_code = table.needed(&NEW_CODE, "the new code (new_commune_code, mã xã mới)").map(Some)?;
    let (old, new, how) = (table.column(&OLD), table.column(&NEW), table.column(&HOW));
    let digits =
        |code: &str| if code.bytes().all(|b| b.is_ascii_digit()) { format!("{code:0>5}") } else { code.into() };
    let known: BTreeMap<&str, &AreaRow> = rows.iter().map(|row| (row.area.code.as_str(), row)).collect();
    // Of each old unit: into what, and whether that was all of it.
    let mut ways: BTreeMap<String, (String, Vec<(Unit, bool)>)> = BTreeMap::new();
    for row in &table.rows {
        let (from, into) = (row.cell(old_code), row.cell(new_code));
        if from.is_empty() || into.is_empty() {
            continue;
        }
        let said = plain(row.cell(how));
        let whole = said.starts_with("nhap_toan_bo") || said.contains("toan_bo_dan_so") || said == "giu_nguyen";
        let way = ways.entry(digits(from)).or_insert_with(|| (row.cell(old).to_owned(), vec![]));
        way.1.push((Unit { code: digits(into), title: row.cell(new).to_owned() }, whole));
    }
    let mut proposal = Proposal::default();
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for (code, (title, into)) in ways {
        let Some(here) = known.get(code.as_str()) else {
            proposal.elsewhere += 1;
            continue;
        };
        if here.span.valid_to.is_some() {
            proposal.done += 1;
            continue;
        }
        let places: BTreeSet<&str> = into.iter().map(|(unit, _)| unit.code.as_str()).collect();
        let whole = into.iter().find(|(_, whole)| *whole || places.len() == 1).map(|(unit, _)| unit);
        let from = Unit { title: if title.is_empty() { here.area.title.clone() } else { title }, code };
        match whole {
            Some(into) if into.code == from.code => proposal.kept += 1,
            None => proposal.divided.push(Divided { from, into: into.into_iter().map(|(unit, _)| unit).collect() }),
            Some(into) => {
                let is_here = into.code.parse::<AreaCode>().is_ok_and(|code| known.contains_key(code.as_str()));
                let group = || Group { into: into.clone(), is_here, from: vec![] };
                groups.entry(into.code.clone()).or_insert_with(group).from.push(from);
            }
        }
    }
    proposal.groups = groups.into_values().collect();
    Ok(proposal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::center::store::Span;
    use crate::domain::area::Area;

    #[test]
    fn whole_units_are_proposed_and_divided_ones_are_asked_about() {
        let row = |code: &str, ended: bool| AreaRow {
            area: Area { code: code.parse().unwrap(), parent: None, title: code.into() },
            hours: None,
            own_first: None,
            span: Span { valid_to: ended.then(|| "2025-07-01".into()), ..Span::default() },
        };
        let rows =
            [row("00004", false), row("00013", false), row("00016", false), row("00019", true), row("00022", false)];
        let text = "new_commune_code,new_commune,old_commune_code,old_commune,how\n\
            4,Ba Đình,00004,Trúc Bạch,Nhập toàn bộ\n00004,Ba Đình,00013,Quán Thánh,Nhập toàn bộ\n\
            00004,Ba Đình,00016,Ngọc Hà,Nhập một phần\n00008,Ngọc Hà,00016,Ngọc Hà,Nhập một phần\n\
            00004,Ba Đình,00019,Điện Biên,Nhập toàn bộ\n00004,Ba Đình,00022,Đội Cấn,Nhập một phần diện tích\n\
            00008,Ngọc Hà,00022,Đội Cấn,\"Nhập một phần diện tích, toàn bộ dân số\"\n00004,Ba Đình,99999,Khác,Nhập toàn bộ\n";
        let proposal = propose(text.as_bytes(), &rows).unwrap();
        let said: Vec<(&str, bool, Vec<&str>)> = proposal
            .groups
            .iter()
            .map(|group| {
                (group.into.code.as_str(), group.is_here, group.from.iter().map(|one| one.code.as_str()).collect())
            })
            .collect();
        assert_eq!(said, [("00004", true, vec!["00013"]), ("00008", false, vec!["00022"])]);
        assert_eq!(proposal.divided.len(), 1);
        assert_eq!((proposal.divided[0].from.code.as_str(), proposal.divided[0].into.len()), ("00016", 2));
        assert_eq!((proposal.kept, proposal.elsewhere, proposal.done), (1, 1, 1));
    }
}
