//! A report laid out as titled tables of typed cells: what XLSX, CSV and PDF are made of alike.

use chrono::NaiveDate;

use super::{PeriodReport, words};
use crate::domain::report::{Coverage, Line, Sums, Unit};
use crate::domain::sentence::language_name;

/// What is written in one cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Text(String),
    Count(i64),
    /// Seconds, from milliseconds.
    Seconds(i64),
    /// One digit after the comma; nothing where there is nothing to measure.
    Number(Option<f64>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Sheet {
    /// At most 31 characters, since Excel takes no more for a name.
    pub name: &'static str,
    pub title: String,
    /// Titles, and how wide each is beside the others.
    pub columns: Vec<(&'static str, u16)>,
    pub rows: Vec<Vec<Cell>>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Paper {
    /// What the report is on, such as "Kết quả phát thanh ... năm 2026".
    pub subject: String,
    /// One sentence on where the figures come from.
    pub source: String,
    pub sheets: Vec<Sheet>,
}

fn text(text: impl Into<String>) -> Cell {
    Cell::Text(text.into())
}

pub fn paper(report: &PeriodReport) -> Paper {
    let sheets = vec![
        summary(report),
        by_area(report),
        broken_down("Theo lĩnh vực", "Kết quả theo lĩnh vực", "Lĩnh vực", &report.report.fields, |key| {
            words::field(key).into()
        }),
        broken_down("Theo ngôn ngữ", "Kết quả theo ngôn ngữ", "Ngôn ngữ", &report.report.languages, language),
        broken_down(
            "Theo mức ưu tiên",
            "Kết quả theo mức ưu tiên",
            "Mức ưu tiên",
            &report.report.priorities,
            |key| words::priority(key).into(),
        ),
        broken_down("Theo thời gian", "Kết quả theo thời gian", "Thời gian", &report.report.series, when),
        reasons(report),
        worst(report),
        figures(report),
    ];
    Paper {
        subject: format!("Kết quả phát thanh trên địa bàn {} {}", report.area_title, time_in_words(report)),
        source: source(report),
        sheets: sheets.into_iter().filter(|sheet| !sheet.rows.is_empty()).collect(),
    }
}

/// The day, month, quarter or year, if it is just one; else from when to when.
pub fn time_in_words(report: &PeriodReport) -> String {
    let (Ok(from), Ok(to)) = (report.from.parse::<NaiveDate>(), report.to.parse::<NaiveDate>()) else {
        return format!("từ {} đến {}", report.from, report.to);
    };
    use chrono::{Datelike as _, Months};
    let whole = |months: u32| from.day() == 1 && from.checked_add_months(Months::new(months)) == to.succ_opt();
    let (month, year) = (from.month(), from.year());
    match () {
        () if from == to => format!("ngày {}", from.format("%d/%m/%Y")),
        () if whole(1) => format!("tháng {month:02} năm {year}"),
        () if whole(3) && month % 3 == 1 => format!("quý {} năm {year}", ["I", "II", "III", "IV"][month as usize / 3]),
        () if whole(12) && month == 1 => format!("năm {year}"),
        () => format!("từ ngày {} đến ngày {}", from.format("%d/%m/%Y"), to.format("%d/%m/%Y")),
    }
}

fn source(report: &PeriodReport) -> String {
    let zone: chrono_tz::Tz = report.time_zone.parse().unwrap_or(chrono_tz::Asia::Ho_Chi_Minh);
    let counted = report.counted_until_ms.and_then(chrono::DateTime::from_timestamp_millis);
    match counted {
        Some(at) => format!(
            "Số liệu lấy từ nhật ký phát do các cụm loa gửi về, tính đến {}. Lượt không có nhật ký được tính là chưa có báo cáo.",
            at.with_timezone(&zone).format("%H giờ %M ngày %d/%m/%Y")
        ),
        None => "Chưa có số liệu: hệ thống chưa tổng hợp nhật ký phát.".into(),
    }
}

fn summary(report: &PeriodReport) -> Sheet {
    let (sums, cover) = (&report.report.sums, &report.report.coverage);
    let row = |what: &str, value: Cell, unit: &str| vec![text(what), value, text(unit)];
    Sheet {
        name: "Tổng hợp",
        title: "Số liệu tổng hợp".into(),
        columns: vec![("Chỉ tiêu", 60), ("Giá trị", 20), ("Đơn vị tính", 20)],
        rows: vec![
            row("Lượt phát theo lịch", Cell::Count(sums.plays), "lượt"),
            row("Lượt phát thành công", Cell::Count(sums.complete), "lượt"),
            row("Tỷ lệ thành công", Cell::Number(sums.success_percent()), "%"),
            row("Thời lượng theo lịch", Cell::Seconds(sums.requested_ms), "giây"),
            row("Thời lượng thực phát", Cell::Seconds(sums.heard_ms), "giây"),
            row("Lượt có bằng chứng âm thanh", Cell::Count(sums.sounded), "lượt"),
            row("Lượt chưa có báo cáo", Cell::Count(sums.unreported), "lượt"),
            row("Lượt phát khẩn cấp", Cell::Count(sums.urgent), "lượt"),
            row("Lượt khẩn cấp có âm thanh", Cell::Count(sums.urgent_sounded), "lượt"),
            row("Cụm loa đang sử dụng", Cell::Count(cover.speakers), "cụm loa"),
            row("Cụm loa có phát trong kỳ", Cell::Count(cover.speakers_sounded), "cụm loa"),
            row("Đơn vị có cụm loa", Cell::Count(cover.communes), "đơn vị"),
            row("Đơn vị có cụm loa đã phát", Cell::Count(cover.communes_sounded), "đơn vị"),
        ],
    }
}

const SUMS: [(&str, u16); 5] =
    [("Lượt theo lịch", 11), ("Thành công", 11), ("Tỷ lệ (%)", 9), ("Yêu cầu (giây)", 13), ("Thực phát (giây)", 13)];

fn sums_cells(sums: &Sums) -> [Cell; 5] {
    [
        Cell::Count(sums.plays),
        Cell::Count(sums.complete),
        Cell::Number(sums.success_percent()),
        Cell::Seconds(sums.requested_ms),
        Cell::Seconds(sums.heard_ms),
    ]
}

fn by_area(report: &PeriodReport) -> Sheet {
    let mut columns = vec![("Mã", 9), ("Đơn vị", 26)];
    columns.extend(SUMS);
    columns.extend([("Khẩn cấp", 9), ("Cụm loa có phát/tổng", 12)]);
    let row = |code: &str, title: &str, sums: &Sums, cover: &Coverage| {
        let mut row = vec![text(code), text(title)];
        row.extend(sums_cells(sums));
        row.extend([Cell::Count(sums.urgent), text(format!("{}/{}", cover.speakers_sounded, cover.speakers))]);
        row
    };
    let mut rows: Vec<_> =
        report.report.areas.iter().map(|line| row(&line.code, &line.title, &line.sums, &line.coverage)).collect();
    if !rows.is_empty() {
        rows.push(row("", "Tổng cộng", &report.report.sums, &report.report.coverage));
    }
    Sheet { name: "Theo đơn vị", title: "Kết quả theo đơn vị".into(), columns, rows }
}

fn broken_down(
    name: &'static str,
    title: &str,
    what: &'static str,
    lines: &[Line],
    word: impl Fn(&str) -> String,
) -> Sheet {
    let mut columns = vec![(what, 36)];
    columns.extend(SUMS);
    let row = |line: &Line| {
        let mut row = vec![text(word(&line.key))];
        row.extend(sums_cells(&line.sums));
        row
    };
    Sheet { name, title: title.into(), columns, rows: lines.iter().map(row).collect() }
}

fn language(code: &str) -> String {
    match code {
        "und" => "Không rõ".into(),
        "zxx" => "Không lời".into(),
        code => format!("Tiếng {} ({code})", language_name(code).vi),
    }
}

fn when(number: &str) -> String {
    match number.len() {
        8 => format!("{}/{}/{}", &number[6..], &number[4..6], &number[..4]),
        6 => format!("{}/{}", &number[4..], &number[..4]),
        _ => number.to_owned(),
    }
}

fn reasons(report: &PeriodReport) -> Sheet {
    let rows = report.report.reasons.iter().map(|line| {
        vec![
            text(words::outcome(&line.outcome)),
            text(words::reason(&line.reason)),
            Cell::Count(line.plays),
            Cell::Seconds(line.lost_ms),
        ]
    });
    Sheet {
        name: "Lý do không phát đủ",
        title: "Lượt không phát đủ, theo lý do".into(),
        columns: vec![("Kết quả", 20), ("Lý do", 48), ("Lượt", 12), ("Thời lượng mất (giây)", 20)],
        rows: rows.collect(),
    }
}

fn worst(report: &PeriodReport) -> Sheet {
    let rows = report.report.worst.iter().map(|line| {
        vec![
            text(&line.speaker),
            text(&line.title),
            text(&line.area_title),
            Cell::Count(line.plays),
            Cell::Count(line.plays - line.complete),
            Cell::Count(line.silent),
        ]
    });
    Sheet {
        name: "Cụm loa cần kiểm tra",
        title: "Cụm loa có nhiều lượt không phát đủ nhất".into(),
        columns: vec![
            ("Mã", 16),
            ("Cụm loa", 28),
            ("Đơn vị", 24),
            ("Lượt theo lịch", 11),
            ("Không phát đủ", 11),
            ("Không có tiếng", 11),
        ],
        rows: rows.collect(),
    }
}

fn figures(report: &PeriodReport) -> Sheet {
    let rows = report.report.figures.iter().map(|figure| {
        let (name, formula) = words::figure(figure.id);
        let value = match figure.unit {
            Unit::Ms => figure.value.map_or(Cell::Number(None), |ms| Cell::Count(ms as i64)),
            _ => Cell::Number(figure.value),
        };
        vec![text(name), value, text(words::unit(figure.unit)), text(formula)]
    });
    Sheet {
        name: "Bộ chỉ số",
        title: "Bộ chỉ số đo lường".into(),
        columns: vec![("Chỉ số", 32), ("Giá trị", 10), ("Đơn vị", 8), ("Cách tính", 50)],
        rows: rows.collect(),
    }
}
