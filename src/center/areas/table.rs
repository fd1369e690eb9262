//! Tables as offices save them: comma, semicolon or tab, with or without a byte order mark, headers in Vietnamese or English. Reads
//! cells; knows nothing of units.

use thiserror::Error;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Most lines of one file: the whole country has 3,355 units, the conversion of 2025 has 10,571 lines.
const MOST_LINES: usize = 50_000;

/// Why a file as a whole is not taken, with the way out.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FileProblem {
    #[error("the file is empty")]
    Empty,
    #[error("line {line} is not UTF-8: in the spreadsheet choose \"Save as\", \"CSV UTF-8 (comma delimited)\"")]
    NotUtf8 { line: usize },
    #[error(
        "the file is a workbook (xlsx, ods), not a table as text: in the spreadsheet choose \"Save as\", \"CSV UTF-8\""
    )]
    Workbook,
    #[error("no column with {missing}; the first line has to name the columns, and here it is: {found}")]
    NoColumn { missing: &'static str, found: String },
    #[error("the file has more than {MOST_LINES} lines")]
    TooLong,
    #[error("line {line} cannot be read as a table: {problem}")]
    Unreadable { line: u64, problem: String },
}

/// One line of the file, as text without spaces round it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// As an editor counts it, from 1, the header included.
    pub line: u64,
    pub cells: Vec<String>,
}

#[derive(Debug)]
pub struct Table {
    /// Without diacritics, in small letters, words joined by `_`.
    pub headers: Vec<String>,
    shown: String,
    pub rows: Vec<Row>,
}

impl Table {
    pub fn read(bytes: &[u8]) -> Result<Self, FileProblem> {
        if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(&[0xD0, 0xCF, 0x11, 0xE0]) {
            return Err(FileProblem::Workbook);
        }
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let good = &bytes[..error.valid_up_to()];
            FileProblem::NotUtf8 { line: good.iter().filter(|byte| **byte == b'\n').count() + 1 }
        })?;
        let first = text.lines().next().unwrap_or_default();
        // Whichever separates the header most often.
        let delimiter =
            [b',', b';', b'\t'].into_iter().max_by_key(|one| first.bytes().filter(|byte| byte == one).count());
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter.unwrap_or(b','))
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        let unreadable = |error: csv::Error| FileProblem::Unreadable {
            line: error.position().map_or(1, csv::Position::line),
            problem: error.to_string(),
        };
        let shown: Vec<String> = reader.headers().map_err(unreadable)?.iter().map(str::to_owned).collect();
        let mut rows = vec![];
        for record in reader.records() {
            let record = record.map_err(unreadable)?;
            if rows.len() == MOST_LINES {
                return Err(FileProblem::TooLong);
            }
            // One spelling of each letter, whatever keyboard it was written on.
            let cells: Vec<String> = record.iter().map(|cell| cell.nfc().collect()).collect();
            if cells.iter().any(|cell| !cell.is_empty()) {
                rows.push(Row { line: record.position().map_or(0, |at| line_of(text, at)), cells });
            }
        }
        if rows.is_empty() {
            return Err(FileProblem::Empty);
        }
        Ok(Self { headers: shown.iter().map(|name| plain(name)).collect(), shown: shown.join(", "), rows })
    }

    /// The place of the first column that has one of these names.
    pub fn column(&self, names: &[&str]) -> Option<usize> {
        names.iter().find_map(|name| self.headers.iter().position(|header| header == name))
    }

    pub fn needed(&self, names: &[&str], missing: &'static str) -> Result<usize, FileProblem> {
        self.column(names).ok_or_else(|| FileProblem::NoColumn { missing, found: self.shown.clone() })
    }
}

/// The line of a record: the reader counts from the empty lines before it.
fn line_of(text: &str, at: &csv::Position) -> u64 {
    let rest = text.as_bytes().get(at.byte() as usize..).unwrap_or_default();
    let empty = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).filter(|byte| **byte == b'\n').count();
    at.line() + empty as u64
}

impl Row {
    pub fn cell(&self, column: Option<usize>) -> &str {
        column.and_then(|column| self.cells.get(column)).map_or("", String::as_str)
    }
}

/// `Mã tỉnh` as `ma_tinh`.
pub fn plain(text: &str) -> String {
    let letters = text.nfd().filter(|c| !is_combining_mark(*c)).map(|c| match c {
        'đ' | 'Đ' => 'd',
        c => c.to_ascii_lowercase(),
    });
    let words: String = letters.map(|c| if c.is_ascii_alphanumeric() { c } else { ' ' }).collect();
    words.split_whitespace().collect::<Vec<_>>().join("_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read_as_offices_save_them() {
        let expected = [["01", "Thành phố Hà Nội"], ["04", "Cao Bằng"]];
        for text in [
            "Mã tỉnh,Tên tỉnh\n01,Thành phố Hà Nội\n04,Cao Bằng\n",
            "\u{feff}Mã tỉnh;Tên tỉnh\r\n01;\"Thành phố Hà Nội\"\r\n\r\n04;Cao Bằng",
            "Mã tỉnh\tTên tỉnh\n01\t Thành phố Ha\u{300} Nội \n04\tCao Bằng\n\t\n",
        ] {
            let table = Table::read(text.as_bytes()).unwrap();
            assert_eq!(table.headers, ["ma_tinh", "ten_tinh"]);
            let cells: Vec<_> = table.rows.iter().map(|row| row.cells.clone()).collect();
            assert_eq!(cells, expected, "{text:?}");
        }
        let table = Table::read("a,b\n1,2\n\n3,4\n".as_bytes()).unwrap();
        assert_eq!(table.rows.iter().map(|row| row.line).collect::<Vec<_>>(), [2, 4]);
    }

    #[test]
    fn what_is_no_table_is_named() {
        assert_eq!(Table::read(b"a,b\nx,\xC3(\n").unwrap_err(), FileProblem::NotUtf8 { line: 2 });
        assert_eq!(Table::read(b"PK\x03\x04...").unwrap_err(), FileProblem::Workbook);
        assert_eq!(Table::read(b"").unwrap_err(), FileProblem::Empty);
        assert_eq!(Table::read(b"a,b\n").unwrap_err(), FileProblem::Empty);
        let missing = Table::read(b"x,y\n1,2\n").unwrap().needed(&["ma"], "a code").unwrap_err();
        assert!(missing.to_string().contains("x, y"), "{missing}");
    }
}
