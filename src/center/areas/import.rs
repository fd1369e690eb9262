//! Official lists of units: reads one, holds it against the tree, and says line by line what it would change. Pure; writes nothing.
//!
//! A list comes as one table of communes that names their province, as a table of provinces, or as any tree of code, name and code
//! above. A spreadsheet that has eaten the zeros before a code gets them back.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::table::{FileProblem, Row, Table};
use crate::center::store::{AreaEdit, AreaRow, Span};
use crate::domain::ids::AreaCode;

/// Longest name of a unit, in characters.
const LONGEST_TITLE: usize = 200;
const PROVINCE_CODE: [&str; 7] =
    ["province_code", "ma_tinh", "ma_tp", "ma_tinh_thanh_pho", "ma_tinh_tp", "ma_tinh_thanh", "matinh"];
const PROVINCE: [&str; 7] =
    ["province", "ten_tinh", "tinh", "tinh_thanh_pho", "tinh_tp", "ten_tinh_thanh_pho", "province_name"];
const COMMUNE_CODE: [&str; 9] = [
    "commune_code",
    "ma_xa",
    "ma_px",
    "ma_phuong_xa",
    "ma_xa_phuong",
    "ma_xa_phuong_dac_khu",
    "maxa",
    "ward_code",
    "ma_phuong",
];
const COMMUNE: [&str; 9] = [
    "commune",
    "ten_xa",
    "xa",
    "phuong_xa",
    "xa_phuong",
    "ten_phuong_xa",
    "ten_xa_phuong",
    "ward",
    "xa_phuong_dac_khu",
];
const CODE: [&str; 5] = ["code", "ma", "ma_so", "ma_don_vi", "ma_don_vi_hanh_chinh"];
const TITLE: [&str; 6] = ["title", "name", "ten", "ten_don_vi", "ten_don_vi_hanh_chinh", "don_vi"];
const PARENT: [&str; 6] = ["parent", "parent_code", "cap_tren", "ma_cap_tren", "ma_cha", "thuoc"];

/// What a line would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ImportWhat)]
pub enum What {
    New,
    Same,
    /// The unit has another name here.
    Renamed,
    /// It stands below another unit here, and nothing pins it there.
    Moved,
    /// What is here cannot be brought to what the file says without more.
    Conflict,
    /// The line itself is wrong.
    Faulty,
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ImportTrouble)]
pub enum Trouble {
    NoCode,
    BadCode,
    NoTitle,
    LongTitle,
    /// `other` is the code of the unit above, which is neither here nor in the file.
    UnknownParent,
    /// `other` is the line in which the same code has another name or place.
    TwiceOtherwise,
    /// `other` is the unit above that it has here; speakers stand in it, so that only the authority moves it.
    StandsElsewhere,
    /// It has ended here; `other` is the unit that came after it, if one did.
    Ended,
}

/// One line that is worth telling of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ImportLine)]
pub struct Line {
    pub line: u64,
    pub code: String,
    pub title: String,
    pub parent: Option<String>,
    pub what: What,
    /// The name that it has here, or the unit above it.
    pub was: Option<String>,
    pub trouble: Option<Trouble>,
    pub other: Option<String>,
}

impl Line {
    /// In words, for the command line.
    pub fn words(&self) -> String {
        let (code, title, other) = (&self.code, &self.title, self.other.clone().unwrap_or_default());
        let was = self.was.clone().unwrap_or_default();
        match (self.what, self.trouble) {
            (_, Some(Trouble::NoCode)) => "there is no code; fill it in or remove the line".into(),
            (_, Some(Trouble::BadCode)) => {
                format!(
                    "{code:?} is no code: a province has 2 digits, a commune 5, others use a-z, 0-9, '.', '_' and '-'"
                )
            }
            (_, Some(Trouble::NoTitle)) => format!("{code} has no name; fill it in or remove the line"),
            (_, Some(Trouble::LongTitle)) => format!("the name of {code} is longer than {LONGEST_TITLE} characters"),
            (_, Some(Trouble::UnknownParent)) => {
                format!(
                    "{code} is to stand below {other}, which is neither here nor in the file; import the units above first"
                )
            }
            (_, Some(Trouble::TwiceOtherwise)) => {
                format!("{code} stands in line {other} too, with another name or place")
            }
            (_, Some(Trouble::StandsElsewhere)) => format!(
                "{code} ({title}) stands below {other} here, and speakers stand in it: the authority moves it, loaxa area merge {code} --into {} --keep",
                self.parent.clone().unwrap_or_default()
            ),
            (_, Some(Trouble::Ended)) => {
                format!("{code} has ended here ({was}); if it is a unit again: loaxa area edit {code} --revive")
            }
            (What::Renamed, _) => format!("{code}: {was} becomes {title}"),
            (What::Moved, _) => format!("{code} ({title}) moves from below {was}"),
            (What::New, _) => format!("{code} ({title}) is new"),
            _ => format!("{code} ({title}) is the same"),
        }
    }
}

/// A file held against the tree.
#[derive(Debug, Default)]
pub struct Import {
    /// In order of the file; what is the same is only counted.
    pub lines: Vec<Line>,
    pub counts: BTreeMap<What, u32>,
    /// Units of other provinces than were asked for.
    pub left_out: u32,
    /// Codes whose zeros were put back.
    pub zeros: u32,
    pub edits: Vec<AreaEdit>,
}

impl Import {
    pub fn is_good(&self) -> bool {
        !self.counts.contains_key(&What::Faulty) && !self.counts.contains_key(&What::Conflict)
    }
}

/// What the file is held against.
pub struct Here<'a> {
    pub rows: &'a [AreaRow],
    /// Units at or below which speakers stand.
    pub peopled: &'a BTreeSet<AreaCode>,
    pub top: &'a AreaCode,
    /// Take the units of this province alone.
    pub province: Option<&'a AreaCode>,
}

/// A unit as the file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Unit {
    line: u64,
    code: String,
    title: String,
    /// Empty = the top of the tree.
    parent: String,
}

/// Holds a file against the tree.
pub fn compare(bytes: &[u8], here: &Here<'_>) -> Result<Import, FileProblem> {
    let table = Table::read(bytes)?;
    let mut import = Import::default();
    let units = units(&table, &mut import)?;
    let units = narrowed(units, here, &mut import);
    let known: BTreeMap<&str, &AreaRow> = here.rows.iter().map(|row| (row.area.code.as_str(), row)).collect();
    let mut first: BTreeMap<String, Unit> = BTreeMap::new();
    let codes: BTreeSet<String> = units.iter().map(|unit| unit.code.clone()).collect();
    for unit in units {
        let line = match first.get(&unit.code).filter(|_| !unit.code.is_empty()) {
            // The province of every commune's line: once is enough.
            Some(other) if (&other.title, &other.parent) == (&unit.title, &unit.parent) => continue,
            Some(other) => faulty(&unit, Trouble::TwiceOtherwise, Some(other.line.to_string())),
            None => judge(&unit, here, &known, &codes, &mut import.edits),
        };
        *import.counts.entry(line.what).or_default() += 1;
        if line.what != What::Same {
            import.lines.push(line);
        }
        first.entry(unit.code.clone()).or_insert(unit);
    }
    Ok(import)
}

fn units(table: &Table, import: &mut Import) -> Result<Vec<Unit>, FileProblem> {
    let mut units = vec![];
    let (province_code, province) = (table.column(&PROVINCE_CODE), table.column(&PROVINCE));
    let (commune_code, commune) = (table.column(&COMMUNE_CODE), table.column(&COMMUNE));
    let mut code =
        |row: &Row, column: Option<usize>, digits: usize| with_zeros(row.cell(column), digits, &mut import.zeros);
    if commune_code.is_some() {
        let commune = table.needed(&COMMUNE, "the name of the commune (commune, tên xã)").map(Some)?;
        for row in &table.rows {
            let above = code(row, province_code, 2);
            if province.is_some() && !above.is_empty() {
                units.push(unit(row, above.clone(), row.cell(province), String::new()));
            }
            units.push(unit(row, code(row, commune_code, 5), row.cell(commune), above));
        }
    } else if province_code.is_some() && province.is_some() && commune.is_none() {
        for row in &table.rows {
            units.push(unit(row, code(row, province_code, 2), row.cell(province), String::new()));
        }
    } else {
        let own = table.needed(&CODE, "the code (commune_code, mã xã, province_code, mã tỉnh, code, mã)").map(Some)?;
        let title = table.needed(&TITLE, "the name (name, tên)").map(Some)?;
        let parent = table.column(&PARENT).or(province_code);
        for row in &table.rows {
            // A list of communes has the code of their province, or of whatever stands above.
            let digits =
                if parent.is_some() && row.cell(parent).len() <= 2 && !row.cell(parent).is_empty() { 5 } else { 0 };
            let above = code(row, parent, if digits == 5 { 2 } else { 0 });
            units.push(unit(row, code(row, own, digits), row.cell(title), above));
        }
    }
    Ok(units)
}

fn unit(row: &Row, code: String, title: &str, parent: String) -> Unit {
    let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
    Unit { line: row.line, code, title, parent }
}

/// A code of digits alone that a spreadsheet took for a number.
fn with_zeros(code: &str, digits: usize, restored: &mut u32) -> String {
    if code.is_empty() || code.len() >= digits || !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return code.to_owned();
    }
    *restored += 1;
    format!("{code:0>digits$}")
}

/// What concerns this center: the province that was asked for, or the one that this center is of.
fn narrowed(units: Vec<Unit>, here: &Here<'_>, import: &mut Import) -> Vec<Unit> {
    let top = here.top.as_str();
    let is_top = |unit: &&Unit| unit.code == top;
    let wanted = here.province.map(AreaCode::as_str).or_else(|| units.iter().find(is_top).map(|_| top));
    // A list of communes says each province once a line.
    let different = |units: &[Unit]| units.iter().map(|unit| unit.code.as_str()).collect::<BTreeSet<_>>().len();
    let before = different(&units);
    let kept: Vec<Unit> = match wanted {
        Some(wanted) => units.into_iter().filter(|unit| unit.code == wanted || unit.parent == wanted).collect(),
        None => units,
    };
    import.left_out = (before - different(&kept)) as u32;
    kept
}

fn faulty(unit: &Unit, trouble: Trouble, other: Option<String>) -> Line {
    Line { what: What::Faulty, trouble: Some(trouble), other, ..line(unit) }
}

fn line(unit: &Unit) -> Line {
    Line {
        line: unit.line,
        code: unit.code.clone(),
        title: unit.title.clone(),
        parent: Some(unit.parent.clone()).filter(|parent| !parent.is_empty()),
        what: What::Same,
        was: None,
        trouble: None,
        other: None,
    }
}

fn judge(
    unit: &Unit,
    here: &Here<'_>,
    known: &BTreeMap<&str, &AreaRow>,
    codes: &BTreeSet<String>,
    edits: &mut Vec<AreaEdit>,
) -> Line {
    if unit.code.is_empty() {
        return faulty(unit, Trouble::NoCode, None);
    }
    let Ok(code) = unit.code.parse::<AreaCode>() else { return faulty(unit, Trouble::BadCode, None) };
    if unit.title.is_empty() {
        return faulty(unit, Trouble::NoTitle, None);
    }
    if unit.title.chars().count() > LONGEST_TITLE || unit.title.chars().any(char::is_control) {
        return faulty(unit, Trouble::LongTitle, None);
    }
    let parent: Option<AreaCode> = match unit.parent.parse() {
        _ if code == *here.top => None,
        _ if unit.parent.is_empty() => Some(here.top.clone()),
        Ok(parent) if known.contains_key(unit.parent.as_str()) || codes.contains(&unit.parent) => Some(parent),
        _ => return faulty(unit, Trouble::UnknownParent, Some(unit.parent.clone())),
    };
    let conflict = |trouble, was: Option<String>, other: Option<&AreaCode>| Line {
        what: What::Conflict,
        trouble: Some(trouble),
        was,
        other: other.map(AreaCode::to_string),
        ..line(unit)
    };
    let edit = |span: Span| AreaEdit { code: code.clone(), parent: parent.clone(), title: unit.title.clone(), span };
    let Some(row) = known.get(unit.code.as_str()) else {
        edits.push(edit(Span::default()));
        return Line { what: What::New, ..line(unit) };
    };
    if row.span.valid_to.is_some() {
        return conflict(Trouble::Ended, row.span.valid_to.clone(), row.span.replaced_by.as_ref());
    }
    let moves = row.area.parent != parent;
    if moves && here.peopled.contains(&code) {
        return conflict(Trouble::StandsElsewhere, None, row.area.parent.as_ref());
    }
    let renames = row.area.title != unit.title;
    if moves || renames {
        edits.push(edit(row.span.clone()));
    }
    match (moves, renames) {
        (true, _) => Line { what: What::Moved, was: row.area.parent.as_ref().map(AreaCode::to_string), ..line(unit) },
        (_, true) => Line { what: What::Renamed, was: Some(row.area.title.clone()), ..line(unit) },
        _ => line(unit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::area::Area;

    fn code(text: &str) -> AreaCode {
        text.parse().unwrap()
    }

    fn row(text: &str, parent: Option<&str>, title: &str) -> AreaRow {
        let area = Area { code: code(text), parent: parent.map(code), title: title.into() };
        AreaRow { area, hours: None, own_first: None, span: Span::default() }
    }

    fn look(text: &str, rows: &[AreaRow], peopled: &[&str], province: Option<&str>) -> Import {
        let peopled = peopled.iter().map(|one| code(one)).collect();
        let province = province.map(code);
        let here = Here { rows, peopled: &peopled, top: &rows[0].area.code, province: province.as_ref() };
        compare(text.as_bytes(), &here).unwrap()
    }

    fn counts(import: &Import) -> Vec<(What, u32)> {
        import.counts.iter().map(|(what, count)| (*what, *count)).collect()
    }

    const COMMUNES: &str = "province_code,province,commune_code,commune,commune_en\n\
        66,Tỉnh Đắk Lắk,24133,Phường Buôn Ma Thuột,x\n66,Tỉnh Đắk Lắk,24154,Phường Tân An,x\n01,Thành phố Hà Nội,00004,Phường Ba Đình,x\n\
        01,Thành phố Hà Nội,00008,Phường Ngọc Hà,x\n";

    #[test]
    fn an_official_list_is_held_against_the_tree() {
        let rows = [row("vn", None, "Việt Nam")];
        let all = look(COMMUNES, &rows, &[], None);
        assert_eq!((counts(&all), all.edits.len(), all.is_good()), (vec![(What::New, 6)], 6, true));
        let parents: Vec<_> = all.edits.iter().map(|edit| edit.parent.as_ref().unwrap().as_str()).collect();
        assert_eq!(parents, ["vn", "66", "66", "vn", "01", "01"]);
        // One province, by wish or because the center is of that one.
        let one = look(COMMUNES, &rows, &[], Some("66"));
        assert_eq!((counts(&one), one.left_out), (vec![(What::New, 3)], 3));
        let rows = [
            row("66", None, "Tỉnh Đắk Lắk"),
            row("24133", Some("66"), "Phường Cũ"),
            row("24154", Some("66"), "Phường Tân An"),
        ];
        let own = look(COMMUNES, &rows, &["24133", "66"], None);
        assert_eq!((counts(&own), own.left_out), (vec![(What::Same, 2), (What::Renamed, 1)], 3));
        assert_eq!(own.lines[0].words(), "24133: Phường Cũ becomes Phường Buôn Ma Thuột");
    }

    #[test]
    fn each_line_that_cannot_be_taken_says_why() {
        let mut ended = row("24154", Some("66"), "Xã Cũ");
        ended.span = Span { valid_to: Some("2025-07-01".into()), replaced_by: Some(code("24133")), ..Span::default() };
        let rows =
            [row("vn", None, "Việt Nam"), row("66", Some("vn"), "Đắk Lắk"), row("24133", Some("vn"), "A"), ended];
        let text = "mã;tên;mã cấp trên\n;Không mã;66\n24133;A;66\n24154;Xã Cũ;66\nQ x;B;66\n24169;;66\n24170;C;99\n24171;D;66\n24171;E;66\n";
        let import = look(text, &rows, &["24133"], None);
        let said: Vec<_> = import.lines.iter().map(|line| (line.line, line.trouble)).collect();
        assert_eq!(
            said,
            [
                (2, Some(Trouble::NoCode)),
                (3, Some(Trouble::StandsElsewhere)),
                (4, Some(Trouble::Ended)),
                (5, Some(Trouble::BadCode)),
                (6, Some(Trouble::NoTitle)),
                (7, Some(Trouble::UnknownParent)),
                (8, None),
                (9, Some(Trouble::TwiceOtherwise)),
            ]
        );
        assert!(!import.is_good());
        assert!(import.lines.iter().all(|line| !line.words().is_empty()));
        // Where no speaker is in the way, it just moves.
        let free = look("mã;tên;mã cấp trên\n24133;A;66\n", &rows, &[], None);
        assert_eq!((counts(&free), free.edits.len()), (vec![(What::Moved, 1)], 1));
    }

    #[test]
    fn zeros_that_a_spreadsheet_ate_come_back() {
        let rows = [row("vn", None, "Việt Nam")];
        let import = look("Mã tỉnh\tTỉnh\tMã xã\tTên xã\n1\tHà Nội\t4\tPhường Ba Đình\n", &rows, &[], None);
        let codes: Vec<_> = import.edits.iter().map(|edit| edit.code.as_str()).collect();
        assert_eq!((codes, import.zeros), (vec!["01", "00004"], 2));
        let provinces = look("Mã tỉnh,Tên tỉnh\n1,Hà Nội\n", &rows, &[], None);
        assert_eq!(provinces.edits[0].code.as_str(), "01");
    }
}
