//! Reports as PDF in the form of administrative papers: Nghị định 30/2020/NĐ-CP, appendix I. Lays out lines and tables; counts nothing.
//!
//! Text is drawn glyph by glyph from composed letters, which is all that Vietnamese needs of a font: no shaping.

use std::borrow::Cow;

use chrono::{Datelike as _, NaiveDate};
use krilla::Document;
use krilla::geom::{PathBuilder, Point};
use krilla::metadata::Metadata;
use krilla::page::PageSettings;
use krilla::paint::Stroke;
use krilla::surface::Surface;
use krilla::text::{Font, GlyphId, KrillaGlyph};
use thiserror::Error;
use unicode_normalization::UnicodeNormalization as _;

use super::paper::{Cell, Paper, Sheet};
use super::sheets::seconds;

#[derive(Debug, Error)]
pub enum PdfError {
    #[error("the fonts for papers are not built into this program; build the page (make web), then loaxa again")]
    NoFonts,
    #[error("a font cannot be read")]
    Font,
    #[error("the paper could not be written: {0}")]
    Write(String),
}

/// The font files, as the page carries them.
pub struct Fonts {
    pub regular: Cow<'static, [u8]>,
    pub bold: Cow<'static, [u8]>,
    pub italic: Cow<'static, [u8]>,
}

/// What stands around the report: who made it, when, and who signs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heading {
    pub superior: String,
    pub name: String,
    pub symbol: String,
    pub place: String,
    pub signer_title: String,
    pub signer_name: String,
    pub recipients: Vec<String>,
}

/// Points in a millimetre.
const MM: f32 = 72.0 / 25.4;
/// A4, and the margins that the decree allows (top and bottom 20-25 mm, left 30-35, right 15-20).
const PAGE: (f32, f32) = (210.0 * MM, 297.0 * MM);
const TOP: f32 = 20.0 * MM;
const BOTTOM: f32 = PAGE.1 - 20.0 * MM;
const LEFT: f32 = 30.0 * MM;
const RIGHT: f32 = PAGE.0 - 15.0 * MM;
const WIDTH: f32 = RIGHT - LEFT;
/// Sizes of text: of the body, and in tables.
const BODY: f32 = 13.0;
const TABLE: f32 = 10.0;
const LEADING: f32 = 1.25;
/// Space around the words of a cell.
const PADDING: f32 = 3.0;

/// One weight of the typeface, to measure and to draw.
struct Face<'a> {
    font: Font,
    face: ttf_parser::Face<'a>,
}

impl<'a> Face<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, PdfError> {
        let face = ttf_parser::Face::parse(bytes, 0).map_err(|_| PdfError::Font)?;
        let font = Font::new(bytes.to_vec().into(), 0).ok_or(PdfError::Font)?;
        Ok(Self { font, face })
    }

    fn advance(&self, letter: char) -> f32 {
        let glyph = self.face.glyph_index(letter).unwrap_or_default();
        f32::from(self.face.glyph_hor_advance(glyph).unwrap_or_default()) / f32::from(self.face.units_per_em())
    }

    fn width(&self, text: &str, size: f32) -> f32 {
        text.chars().map(|letter| self.advance(letter)).sum::<f32>() * size
    }

    fn glyphs(&self, text: &str) -> Vec<KrillaGlyph> {
        let glyph = |(at, letter): (usize, char)| {
            let id = self.face.glyph_index(letter).unwrap_or_default();
            let range = at..at + letter.len_utf8();
            KrillaGlyph::new(GlyphId::new(u32::from(id.0)), self.advance(letter), 0.0, 0.0, 0.0, range, None)
        };
        text.char_indices().map(glyph).collect()
    }

    /// Breaks at spaces, and within words that are wider than a line.
    fn lines(&self, text: &str, size: f32, width: f32) -> Vec<String> {
        let mut lines = vec![String::new()];
        for word in text.split_whitespace() {
            let (mut line, mut word) = (lines.pop().unwrap_or_default(), word.to_owned());
            let joined = if line.is_empty() { word.clone() } else { format!("{line} {word}") };
            if self.width(&joined, size) <= width {
                lines.push(joined);
                continue;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            while self.width(&word, size) > width && word.chars().count() > 1 {
                let mut fits = String::new();
                for letter in word.chars() {
                    fits.push(letter);
                    if self.width(&fits, size) > width && fits.chars().count() > 1 {
                        fits.pop();
                        break;
                    }
                }
                word = word.split_off(fits.len());
                lines.push(fits);
            }
            lines.push(word);
        }
        lines
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    Regular,
    Bold,
    Italic,
}

/// Where words stand between two edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Middle,
    Right,
}

/// Something that was placed on a page.
enum Mark {
    Words { at: (f32, f32), weight: Weight, size: f32, text: String },
    Line { from: (f32, f32), to: (f32, f32) },
}

/// The pages while they are filled, from above.
struct Pages<'a> {
    regular: Face<'a>,
    bold: Face<'a>,
    italic: Face<'a>,
    pages: Vec<Vec<Mark>>,
    y: f32,
}

/// Writes the paper, dated `today`.
pub fn pdf(paper: &Paper, heading: &Heading, today: NaiveDate, fonts: &Fonts) -> Result<Vec<u8>, PdfError> {
    let mut pages = Pages {
        regular: Face::new(&fonts.regular)?,
        bold: Face::new(&fonts.bold)?,
        italic: Face::new(&fonts.italic)?,
        pages: vec![vec![]],
        y: TOP,
    };
    pages.heading(heading, today);
    pages.gap(14.0);
    pages.paragraph("BÁO CÁO", Weight::Bold, 14.0, Side::Middle);
    let last = pages.paragraph(&paper.subject, Weight::Bold, 14.0, Side::Middle);
    pages.rule_below(LEFT, RIGHT, last / 2.0);
    pages.gap(12.0);
    pages.paragraph(&paper.source, Weight::Regular, BODY, Side::Left);
    for (number, sheet) in (1..).zip(&paper.sheets) {
        pages.gap(10.0);
        pages.table(number, sheet);
    }
    pages.ending(heading);
    pages.write(paper, today)
}

impl Pages<'_> {
    fn face(&self, weight: Weight) -> &Face<'_> {
        match weight {
            Weight::Regular => &self.regular,
            Weight::Bold => &self.bold,
            Weight::Italic => &self.italic,
        }
    }

    fn mark(&mut self, mark: Mark) {
        if let Some(page) = self.pages.last_mut() {
            page.push(mark);
        }
    }

    fn gap(&mut self, points: f32) {
        self.y += points;
    }

    /// Begins a new page unless so much is free on this one.
    fn need(&mut self, height: f32) -> bool {
        let full = self.y + height > BOTTOM && self.y > TOP;
        if full {
            self.pages.push(vec![]);
            self.y = TOP;
        }
        full
    }

    /// One line of words between two edges, its baseline at `y`. Gives how wide it is.
    fn words(&mut self, text: &str, weight: Weight, size: f32, side: Side, edges: (f32, f32), y: f32) -> f32 {
        let width = self.face(weight).width(text, size);
        let x = match side {
            Side::Left => edges.0,
            Side::Middle => (edges.0 + edges.1 - width) / 2.0,
            Side::Right => edges.1 - width,
        };
        self.mark(Mark::Words { at: (x, y), weight, size, text: text.to_owned() });
        width
    }

    /// Lines one below the other between two edges, from `y` on. Gives where they end and how wide the last one is.
    fn block(
        &mut self,
        text: &str,
        weight: Weight,
        size: f32,
        side: Side,
        edges: (f32, f32),
        mut y: f32,
    ) -> (f32, f32) {
        let mut width = 0.0;
        for line in self.face(weight).lines(text, size, edges.1 - edges.0) {
            width = self.words(&line, weight, size, side, edges, y + size);
            y += size * LEADING;
        }
        (y, width)
    }

    fn paragraph(&mut self, text: &str, weight: Weight, size: f32, side: Side) -> f32 {
        let mut width = 0.0;
        for line in self.face(weight).lines(text, size, WIDTH) {
            self.need(size * LEADING);
            width = self.words(&line, weight, size, side, (LEFT, RIGHT), self.y + size);
            self.y += size * LEADING;
        }
        width
    }

    /// A short line in the middle, below what was written last.
    fn rule_below(&mut self, left: f32, right: f32, length: f32) {
        let (middle, y) = ((left + right) / 2.0, self.y + 2.0);
        self.mark(Mark::Line { from: (middle - length / 2.0, y), to: (middle + length / 2.0, y) });
    }

    /// The office on the left; the country, its motto, place and date on the right.
    fn heading(&mut self, heading: &Heading, today: NaiveDate) {
        let left = (LEFT - 8.0 * MM, LEFT + WIDTH * 0.42);
        let right = (LEFT + WIDTH * 0.40, RIGHT + 5.0 * MM);
        let top = self.y;
        let mut y = top;
        if !heading.superior.is_empty() {
            (y, _) = self.block(&heading.superior.to_uppercase(), Weight::Regular, 12.0, Side::Middle, left, y);
        }
        let (under_name, name_width) =
            self.block(&heading.name.to_uppercase(), Weight::Bold, 12.0, Side::Middle, left, y);
        self.y = under_name;
        // A third to a half of the line above it.
        self.rule_below(left.0, left.1, name_width * 0.4);
        let number = if heading.symbol.is_empty() {
            "Số:       /BC".into()
        } else {
            format!("Số:       /{}", heading.symbol)
        };
        self.words(&number, Weight::Regular, 13.0, Side::Middle, left, under_name + 19.0);
        let republic = "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM";
        self.words(republic, Weight::Bold, 12.0, Side::Middle, right, top + 12.0);
        let motto = "Độc lập - Tự do - Hạnh phúc";
        let motto_width = self.words(motto, Weight::Bold, 13.0, Side::Middle, right, top + 28.0);
        self.y = top + 30.0;
        self.rule_below(right.0, right.1, motto_width);
        let place = if heading.place.is_empty() { "............".to_owned() } else { heading.place.clone() };
        // Days below ten and the first two months are written with a zero.
        let month = if today.month() < 3 { format!("{:02}", today.month()) } else { today.month().to_string() };
        let date = format!("{place}, ngày {:02} tháng {month} năm {}", today.day(), today.year());
        let date_y = (under_name + 19.0).max(top + 52.0);
        self.words(&date, Weight::Italic, 13.0, Side::Middle, right, date_y);
        self.y = date_y + 8.0;
    }

    fn table(&mut self, number: u32, sheet: &Sheet) {
        let parts: f32 = sheet.columns.iter().map(|(_, part)| f32::from(*part)).sum();
        let widths: Vec<f32> = sheet.columns.iter().map(|(_, part)| WIDTH * f32::from(*part) / parts).collect();
        let head: Vec<(String, Side)> =
            sheet.columns.iter().map(|(name, _)| ((*name).to_owned(), Side::Middle)).collect();
        // A title does not stand alone at the foot of a page.
        self.need(BODY * LEADING + 60.0);
        self.paragraph(&format!("{number}. {}", sheet.title), Weight::Bold, BODY, Side::Left);
        self.gap(4.0);
        self.row(&head, &widths, Weight::Bold);
        for cells in &sheet.rows {
            let cells: Vec<(String, Side)> = cells.iter().map(written).collect();
            if self.need(self.height(&cells, &widths, Weight::Regular)) {
                self.row(&head, &widths, Weight::Bold);
            }
            let is_sum = cells.iter().any(|(text, _)| text == "Tổng cộng");
            self.row(&cells, &widths, if is_sum { Weight::Bold } else { Weight::Regular });
        }
    }

    fn height(&self, cells: &[(String, Side)], widths: &[f32], weight: Weight) -> f32 {
        let lines = |((text, _), width): (&(String, Side), &f32)| {
            self.face(weight).lines(text, TABLE, width - 2.0 * PADDING).len()
        };
        let most = cells.iter().zip(widths).map(lines).max().unwrap_or(1).max(1);
        most as f32 * TABLE * LEADING + 2.0 * PADDING
    }

    fn row(&mut self, cells: &[(String, Side)], widths: &[f32], weight: Weight) {
        let height = self.height(cells, widths, weight);
        let (top, mut x) = (self.y, LEFT);
        for ((text, side), width) in cells.iter().zip(widths) {
            let edges = (x + PADDING, x + width - PADDING);
            self.block(text, weight, TABLE, *side, edges, top + PADDING - 1.0);
            self.mark(Mark::Line { from: (x, top), to: (x, top + height) });
            x += width;
        }
        self.mark(Mark::Line { from: (x, top), to: (x, top + height) });
        for y in [top, top + height] {
            self.mark(Mark::Line { from: (LEFT, y), to: (x, y) });
        }
        self.y = top + height;
    }

    /// To whom it goes, on the left; who signs, on the right.
    fn ending(&mut self, heading: &Heading) {
        let lines = heading.recipients.len() as f32 + 2.0;
        self.gap(16.0);
        self.need((lines * 14.0).max(110.0));
        let top = self.y;
        let left = (LEFT, LEFT + WIDTH * 0.45);
        let (mut y, _) = self.block("Nơi nhận:", Weight::Italic, 12.0, Side::Left, left, top);
        for recipient in heading.recipients.iter().map(String::as_str).chain(["Lưu: VT."]) {
            let end = if recipient.ends_with(['.', ';']) { "" } else { ";" };
            (y, _) = self.block(&format!("- {recipient}{end}"), Weight::Regular, 11.0, Side::Left, left, y);
        }
        let right = (LEFT + WIDTH * 0.5, RIGHT);
        let title = if heading.signer_title.is_empty() { "THỦ TRƯỞNG ĐƠN VỊ" } else { &heading.signer_title };
        let (under, _) = self.block(&title.to_uppercase(), Weight::Bold, 13.0, Side::Middle, right, top);
        self.block(&heading.signer_name, Weight::Bold, 13.0, Side::Middle, right, under + 60.0);
        self.y = y.max(under + 80.0);
    }

    fn write(&self, paper: &Paper, today: NaiveDate) -> Result<Vec<u8>, PdfError> {
        let mut document = Document::new();
        let date = krilla::metadata::DateTime::new(u16::try_from(today.year()).unwrap_or_default());
        let date = date.month(today.month() as u8).day(today.day() as u8);
        let metadata = Metadata::new().title(paper.subject.clone()).language("vi".into()).creator("loaxa".into());
        document.set_metadata(metadata.creation_date(date));
        for (number, marks) in (1..).zip(&self.pages) {
            let settings =
                PageSettings::from_wh(PAGE.0, PAGE.1).ok_or_else(|| PdfError::Write("the size of the page".into()))?;
            let mut page = document.start_page_with(settings);
            let mut surface = page.surface();
            marks.iter().for_each(|mark| self.draw(&mut surface, mark));
            // Not on the first page; in the middle of the upper margin.
            if number > 1 {
                let text = number.to_string();
                let x = (PAGE.0 - self.regular.width(&text, BODY)) / 2.0;
                self.draw(
                    &mut surface,
                    &Mark::Words { at: (x, TOP - 18.0), weight: Weight::Regular, size: BODY, text },
                );
            }
            surface.finish();
            page.finish();
        }
        document.finish().map_err(|e| PdfError::Write(format!("{e:?}")))
    }

    fn draw(&self, surface: &mut Surface<'_>, mark: &Mark) {
        match mark {
            Mark::Words { at, weight, size, text } => {
                let face = self.face(*weight);
                // Letters with their marks apart, as some keyboards write them, become one letter each.
                let text: String = text.nfc().collect();
                surface.set_stroke(None);
                surface.set_fill(Some(krilla::paint::Fill::default()));
                let start = Point::from_xy(at.0, at.1);
                surface.draw_glyphs(start, &face.glyphs(&text), face.font.clone(), &text, *size, false);
            }
            Mark::Line { from, to } => {
                let mut path = PathBuilder::new();
                path.move_to(from.0, from.1);
                path.line_to(to.0, to.1);
                if let Some(path) = path.finish() {
                    surface.set_fill(None);
                    surface.set_stroke(Some(Stroke { width: 0.5, ..Stroke::default() }));
                    surface.draw_path(&path);
                }
            }
        }
    }
}

/// A cell's words as they are written in Vietnam: full stops between thousands, a comma before the fraction.
fn written(cell: &Cell) -> (String, Side) {
    match cell {
        Cell::Text(text) => (text.clone(), Side::Left),
        Cell::Count(count) => (grouped(*count), Side::Right),
        Cell::Seconds(ms) => (grouped(seconds(*ms)), Side::Right),
        Cell::Number(Some(number)) => {
            let tenths = (number * 10.0).round() as i64;
            let (whole, rest) = (tenths.abs() / 10, tenths.abs() % 10);
            (format!("{}{},{rest}", if tenths < 0 { "-" } else { "" }, grouped(whole)), Side::Right)
        }
        Cell::Number(None) => ("–".into(), Side::Right),
    }
}

fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let parts: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|part| std::str::from_utf8(part).unwrap_or_default()).collect();
    format!("{}{}", if number < 0 { "-" } else { "" }, parts.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_in_vietnam() {
        for (cell, wanted) in [
            (Cell::Count(0), "0"),
            (Cell::Count(999), "999"),
            (Cell::Count(-1_234_567), "-1.234.567"),
            (Cell::Seconds(90_500), "91"),
            (Cell::Number(Some(1234.56)), "1.234,6"),
            (Cell::Number(Some(99.96)), "100,0"),
            (Cell::Number(None), "–"),
        ] {
            assert_eq!(written(&cell).0, wanted);
        }
    }
}
