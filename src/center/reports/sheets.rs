//! Reports as XLSX and CSV. No cell is ever a formula, whatever it says.

use rust_xlsxwriter::{Format, FormatAlign, FormatBorder, Workbook, XlsxError};

use super::paper::{Cell, Paper, Sheet};

/// An Excel file with a sheet for every table.
pub fn xlsx(paper: &Paper) -> Result<Vec<u8>, XlsxError> {
    let mut book = Workbook::new();
    let title = Format::new().set_bold().set_font_size(13);
    let head = Format::new().set_bold().set_text_wrap().set_align(FormatAlign::Center).set_border(FormatBorder::Thin);
    let texts = Format::new().set_border(FormatBorder::Thin).set_text_wrap().set_align(FormatAlign::Top);
    let counts = Format::new().set_border(FormatBorder::Thin).set_num_format("#,##0");
    let numbers = Format::new().set_border(FormatBorder::Thin).set_num_format("#,##0.0");
    for sheet in &paper.sheets {
        let page = book.add_worksheet();
        page.set_name(sheet.name)?;
        page.write_string_with_format(0, 0, &sheet.title, &title)?;
        page.write_string(1, 0, &paper.subject)?;
        for (column, (name, width)) in (0u16..).zip(&sheet.columns) {
            page.write_string_with_format(3, column, *name, &head)?;
            page.set_column_width(column, f64::from((*width).clamp(10, 60)))?;
        }
        for (row, cells) in (4u32..).zip(&sheet.rows) {
            for (column, cell) in (0u16..).zip(cells) {
                match cell {
                    Cell::Text(text) => page.write_string_with_format(row, column, text, &texts)?,
                    Cell::Count(count) => page.write_number_with_format(row, column, *count as f64, &counts)?,
                    Cell::Seconds(ms) => page.write_number_with_format(row, column, seconds(*ms) as f64, &counts)?,
                    Cell::Number(Some(number)) => page.write_number_with_format(row, column, *number, &numbers)?,
                    Cell::Number(None) => page.write_blank(row, column, &texts)?,
                };
            }
        }
        let last = 3 + sheet.rows.len() as u32;
        page.write_string(last + 2, 0, &paper.source)?;
        page.set_freeze_panes(4, 0)?;
        page.set_repeat_rows(3, 3)?;
        page.set_landscape();
        page.set_print_fit_to_pages(1, 0);
    }
    book.save_to_buffer()
}

/// All tables one below the other; UTF-8 with its mark, without which Excel takes it for something else.
pub fn csv(paper: &Paper) -> Result<Vec<u8>, csv::Error> {
    let mut bytes = b"\xef\xbb\xbf".to_vec();
    let mut writer = csv::WriterBuilder::new().flexible(true).terminator(csv::Terminator::CRLF).from_writer(&mut bytes);
    writer.write_record([harmless(&paper.subject)])?;
    writer.write_record([harmless(&paper.source)])?;
    for sheet in &paper.sheets {
        writer.write_record([""])?;
        write(&mut writer, sheet)?;
    }
    writer.flush()?;
    drop(writer);
    Ok(bytes)
}

fn write(writer: &mut csv::Writer<&mut Vec<u8>>, sheet: &Sheet) -> Result<(), csv::Error> {
    writer.write_record([harmless(&sheet.title)])?;
    writer.write_record(sheet.columns.iter().map(|(name, _)| *name))?;
    for row in &sheet.rows {
        writer.write_record(row.iter().map(|cell| match cell {
            Cell::Text(text) => harmless(text),
            Cell::Count(count) => count.to_string(),
            Cell::Seconds(ms) => seconds(*ms).to_string(),
            Cell::Number(number) => number.map_or(String::new(), |number| format!("{number:.1}")),
        }))?;
    }
    Ok(())
}

/// Rounded to whole seconds.
pub fn seconds(ms: i64) -> i64 {
    (ms + 500).div_euclid(1000)
}

/// What a spreadsheet would run as a formula begins with an apostrophe (OWASP, CSV injection).
fn harmless(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paper(cell: &str) -> Paper {
        Paper {
            subject: "Kết quả".into(),
            source: "Nguồn".into(),
            sheets: vec![Sheet {
                name: "Tổng hợp",
                title: "Số liệu".into(),
                columns: vec![("Chỉ tiêu", 20), ("Giá trị", 10)],
                rows: vec![
                    vec![Cell::Text(cell.into()), Cell::Seconds(1_500)],
                    vec![Cell::Number(None), Cell::Count(-3)],
                ],
            }],
        }
    }

    #[test]
    fn no_text_becomes_a_formula() {
        for cell in ["=1+1", "+84", "-cmd", "@sum", "\t=1"] {
            let csv = String::from_utf8(csv(&paper(cell)).unwrap()).unwrap();
            assert!(csv.starts_with('\u{feff}'), "Excel knows it as UTF-8");
            assert!(csv.contains(&format!("'{cell}")), "{csv:?}");
            assert!(!csv.contains(&format!("\n{cell}")), "{csv:?}");
        }
        let csv = String::from_utf8(csv(&paper("Xã, \"Đông\"")).unwrap()).unwrap();
        assert!(csv.contains("\"Xã, \"\"Đông\"\"\",2\r\n") && csv.contains("\r\n,-3\r\n"), "{csv}");
    }

    #[test]
    fn an_excel_file_is_a_zip_of_its_sheets() {
        let bytes = xlsx(&paper("=1+1")).unwrap();
        assert!(bytes.starts_with(b"PK\x03\x04"), "a zip");
    }
}
