//! "Vì sao?": what plays at an instant, what gave way, and why something does not play, in one sentence, in Vietnamese and English.

use chrono::DateTime;
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::approval::Denial;
use super::ids::OccurrenceId;
use super::priority::Priority;
use super::record::{Outcome, PlaybackRecord, Reason};
use super::timetable::{Piece, Remark, Timetable, Why};

/// The same in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema))]
pub struct Sentence {
    pub vi: String,
    pub en: String,
}

/// What is so at one instant on one speaker.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    pub at_ms: i64,
    /// What sounds then.
    pub playing: Option<OccurrenceId>,
    /// One word for why nothing sounds: nothing_scheduled, or one of [`Why`]'s.
    pub silent_because: Option<&'static str>,
    #[serde(flatten)]
    pub sentence: Sentence,
}

impl Sentence {
    pub fn new(vi: impl Into<String>, en: impl Into<String>) -> Self {
        Self { vi: vi.into(), en: en.into() }
    }

    /// Two clauses of one sentence.
    fn and(self, more: &Self) -> Self {
        Self { vi: format!("{}; {}", self.vi, more.vi), en: format!("{}; {}", self.en, more.en) }
    }

    fn ended(mut self) -> Self {
        self.vi.push('.');
        self.en.push('.');
        self
    }
}

/// A time of day, with the date where it is not that of `beside_ms`.
pub fn clock(ms: i64, beside_ms: i64, zone: Tz) -> String {
    let local = |ms| DateTime::from_timestamp_millis(ms).map(|time| time.with_timezone(&zone));
    let (Some(time), Some(beside)) = (local(ms), local(beside_ms)) else { return String::new() };
    let form = match (time.date_naive() == beside.date_naive(), ms.rem_euclid(60_000) == 0) {
        (true, true) => "%H:%M",
        (true, false) => "%H:%M:%S",
        (false, true) => "%H:%M %d/%m/%Y",
        (false, false) => "%H:%M:%S %d/%m/%Y",
    };
    time.format(form).to_string()
}

fn length(ms: i64) -> Sentence {
    let s = (ms + 500) / 1000;
    match (s / 60, s % 60) {
        (0, s) => Sentence::new(format!("{s} giây"), format!("{s} s")),
        (m, 0) => Sentence::new(format!("{m} phút"), format!("{m} min")),
        (m, s) => Sentence::new(format!("{m} phút {s} giây"), format!("{m} min {s} s")),
    }
}

pub fn priority(level: Priority) -> Sentence {
    let (vi, en) = match level {
        Priority::Filler => ("nền", "filler"),
        Priority::Normal => ("thông thường", "normal"),
        Priority::Priority => ("ưu tiên", "priority"),
        Priority::Emergency => ("khẩn cấp", "emergency"),
    };
    Sentence::new(vi, en)
}

fn denial(denial: Denial) -> Sentence {
    let vi = match denial {
        Denial::NoApproval => "chưa ai phê duyệt nội dung này",
        Denial::WrongArea => "phê duyệt dành cho nơi khác",
        Denial::PriorityTooHigh => "mức ưu tiên cao hơn mức được phê duyệt",
        Denial::OutsideValidity => "phê duyệt không có hiệu lực vào lúc đó",
        Denial::UnknownApprover => "không có chứng thư hợp lệ của người duyệt",
        Denial::ApproverOverstepped => "người duyệt không có quyền duyệt cho nơi, mức ưu tiên hoặc thời gian này",
        Denial::DispatcherOverstepped => "trung tâm không có quyền xếp lịch cho nơi, mức ưu tiên hoặc thời gian này",
        Denial::QuietHours => "ngoài giờ được phép phát thanh",
        Denial::NoTicket => "phát khẩn cấp phải có lệnh phát đã ký, mà chưa có",
        Denial::TicketUsed => "lệnh phát khẩn cấp này đã được dùng",
        Denial::SecondApprover => "cần thêm người duyệt thứ hai",
        Denial::Revoked => "khóa của người duyệt đã bị thu hồi, hoặc bản tin đã bị rút",
    };
    Sentence::new(vi, denial.to_string())
}

impl Why {
    /// One word for reports.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Displaced { .. } => "displaced",
            Self::CutShort { .. } => "cut_short",
            Self::Interrupted { .. } => "interrupted",
            Self::Delayed { .. } => "delayed",
            Self::NothingToPlay => "nothing_to_play",
            Self::NotApproved { .. } => "not_approved",
            Self::DoesNotFit { .. } => "does_not_fit",
            Self::SessionTooLong { .. } => "session_too_long",
            Self::QuietHours { .. } => "quiet_hours",
            Self::DayFull => "day_full",
            Self::VersionMissing { .. } => "version_missing",
            Self::RelayNotApproved { .. } => "relay_not_approved",
        }
    }

    /// The reason as a clause. `title` names the schedule of another occurrence.
    pub fn clause(&self, title: &dyn Fn(&OccurrenceId) -> String) -> Sentence {
        let by = |by: &Option<OccurrenceId>| {
            by.as_ref().map_or_else(
                || Sentence::new("giờ cấm phát", "the quiet hours"),
                |by| Sentence::new(format!("«{}»", title(by)), format!("“{}”", title(by))),
            )
        };
        match self {
            Self::Displaced { by: other } => Sentence::new(
                format!("nhường sóng cho «{}»", title(other)),
                format!("“{}” has the air then", title(other)),
            ),
            Self::CutShort { by: other, lost_ms } => {
                let (by, lost) = (by(other), length(*lost_ms));
                Sentence::new(
                    format!("bị cắt {} vì {}", lost.vi, by.vi),
                    format!("{} of it is cut because of {}", lost.en, by.en),
                )
            }
            Self::Interrupted { by: other, for_ms } => {
                let (by, pause) = (by(other), length(*for_ms));
                Sentence::new(
                    format!("tạm dừng {} cho {} rồi phát tiếp", pause.vi, by.vi),
                    format!("it pauses {} for {} and goes on", pause.en, by.en),
                )
            }
            Self::Delayed { by: other, by_ms } => {
                let (by, late) = (by(other), length(*by_ms));
                Sentence::new(
                    format!("phát muộn {} vì phải chờ {}", late.vi, by.vi),
                    format!("it begins {} later, after {}", late.en, by.en),
                )
            }
            Self::NothingToPlay => Sentence::new("chương trình chưa có nội dung", "its programme is empty"),
            Self::NotApproved { bulletin, version, denial: why } => {
                let (why, language) = (denial(*why), version.as_ref().map(|language| language_name(language.as_str())));
                match language {
                    None => Sentence::new(
                        format!("bản tin {bulletin}: {}", why.vi),
                        format!("bulletin {bulletin}: {}", why.en),
                    ),
                    Some(language) => Sentence::new(
                        format!("bản tiếng {} của bản tin ({bulletin}): {}", language.vi, why.vi),
                        format!("the {} version of a bulletin ({bulletin}): {}", language.en, why.en),
                    ),
                }
            }
            Self::DoesNotFit { bulletin } => Sentence::new(
                format!("bản tin {bulletin} dài hơn thời gian còn lại của khung giờ"),
                format!("bulletin {bulletin} is longer than what is left of the slot"),
            ),
            Self::SessionTooLong { bulletin } => Sentence::new(
                format!("bản tin {bulletin} làm buổi phát dài quá mức cho phép"),
                format!("bulletin {bulletin} would make the session longer than is lawful"),
            ),
            Self::QuietHours { bulletin: None } => {
                Sentence::new("ngoài giờ được phép phát thanh", "it is not lawful to broadcast then")
            }
            Self::QuietHours { bulletin: Some(bulletin) } => Sentence::new(
                format!("bản tin {bulletin} sẽ kéo sang giờ cấm phát"),
                format!("bulletin {bulletin} would run into the quiet hours"),
            ),
            Self::DayFull => Sentence::new(
                "đã hết thời lượng phát cho phép trong ngày",
                "the longest lawful time of that day is used up",
            ),
            Self::VersionMissing { bulletin, language } => Sentence::new(
                format!("bản tin {bulletin} chưa có bản tiếng {}", language_name(language.as_str()).vi),
                format!("bulletin {bulletin} has no {} version", language_name(language.as_str()).en),
            ),
            Self::RelayNotApproved { source } => Sentence::new(
                format!("chưa ai phê duyệt việc tiếp sóng {source}"),
                format!("nobody has approved relaying {source}"),
            ),
        }
    }
}

/// Languages of Vietnam by ISO 639-3; others by their code.
pub fn language_name(code: &str) -> Sentence {
    let (vi, en) = match code {
        "vie" => ("Việt", "Vietnamese"),
        "cjm" => ("Chăm", "Eastern Cham"),
        "cja" => ("Chăm (Tây)", "Western Cham"),
        "rog" => ("Raglai", "Roglai"),
        "kpm" => ("Cơ Ho", "Koho"),
        "bdq" => ("Ba Na", "Bahnar"),
        "rad" => ("Ê Đê", "Rade"),
        "jra" => ("Gia Rai", "Jarai"),
        "khm" => ("Khmer", "Khmer"),
        "tyz" => ("Tày", "Tày"),
        "nut" => ("Nùng", "Nùng"),
        "blt" => ("Thái", "Tai Dam"),
        "hmn" | "mww" => ("Mông", "Hmong"),
        "eng" => ("Anh", "English"),
        other => return Sentence::new(other, other),
    };
    Sentence::new(vi, en)
}

/// What came back from a board, as a clause.
pub fn outcome(record: &PlaybackRecord) -> Sentence {
    let said = match record.outcome {
        Outcome::Played => Sentence::new("đã phát đủ", "it was played in full"),
        Outcome::Late => Sentence::new("đã phát, vào muộn", "it was joined late and played to its end"),
        Outcome::Partial => Sentence::new("chỉ phát một phần", "only a part of it was played"),
        Outcome::Missed => Sentence::new("không phát được", "it was not played"),
    };
    match record.reason {
        None => said,
        Some(why) => {
            let why = reason(why);
            Sentence::new(format!("{} vì {}", said.vi, why.vi), format!("{} because {}", said.en, why.en))
        }
    }
}

fn reason(reason: Reason) -> Sentence {
    let (vi, en) = match reason {
        Reason::ContentMissing => ("nội dung chưa về đủ", "its content had not all arrived"),
        Reason::ContentCorrupt => ("tệp âm thanh bị hỏng", "its file was damaged"),
        Reason::NotApproved => ("không có phê duyệt hợp lệ", "no valid approval covers it"),
        Reason::NoTicket => ("không có lệnh phát khẩn cấp còn dùng được", "no unused emergency ticket covers it"),
        Reason::Revoked => ("phê duyệt đã bị thu hồi", "its approval was revoked"),
        Reason::ClockUntrusted => {
            ("đồng hồ của bộ điều khiển chưa tin cậy", "the controller did not know the time well enough")
        }
        Reason::PoweredOff => ("bộ điều khiển không hoạt động", "the controller was not running"),
        Reason::Interrupted => ("bộ điều khiển bị ngắt giữa chừng", "the controller stopped in the middle"),
        Reason::OutputFailed => ("thiết bị âm thanh lỗi", "the sound device failed"),
        Reason::PreEmpted => ("phải nhường sóng", "something else had the air"),
        Reason::DecodeFailed => ("không giải mã được một phần", "a part could not be decoded"),
        Reason::Withdrawn => ("đã bị rút khỏi lịch", "it was taken out of the plan"),
        Reason::NotHeard => ("thu lại không nghe thấy tiếng loa", "it was not heard back from the horn"),
        Reason::QuietHours => ("ngoài giờ được phép phát thanh", "it was not lawful to broadcast then"),
        Reason::SlotOver => ("khung giờ quá ngắn", "the slot was too short"),
        Reason::Other => ("lý do khác", "of another reason"),
    };
    Sentence::new(vi, en)
}

/// What plays at an instant, or why nothing does.
pub fn explain(table: &Timetable, at_ms: i64, zone: Tz) -> Explanation {
    let titles = |id: &OccurrenceId| {
        let in_piece = table.pieces.iter().find(|piece| piece.occurrence() == *id);
        let in_remark = || table.remarks.iter().find(|remark| remark.occurrence == *id);
        match (in_piece, id.parts()) {
            (Some(piece), _) => piece.schedule.title.clone(),
            (None, parts) => in_remark()
                .map(|remark| remark.title.clone())
                .or(parts.map(|(schedule, ..)| schedule.to_string()))
                .unwrap_or_default(),
        }
    };
    let on = table.pieces.iter().find(|piece| (piece.start_ms..piece.end_ms()).contains(&at_ms));
    let meant = |remark: &&Remark| (remark.start_ms..remark.end_ms).contains(&at_ms);
    // What concerns what is on already stands in its own clause.
    let others: Vec<&Remark> = table.remarks.iter().filter(meant).collect();
    let about = |remark: &Remark| {
        let clause = remark.why.clause(&titles);
        Sentence::new(format!("«{}» {}", remark.title, clause.vi), format!("“{}”: {}", remark.title, clause.en))
    };
    let now = clock(at_ms, at_ms, zone);
    if let Some(piece) = on {
        let (from, to) = (clock(piece.start_ms, at_ms, zone), clock(piece.end_ms(), at_ms, zone));
        let level = priority(piece.schedule.priority);
        let (title, part) = (&piece.schedule.title, bulletin_at(piece, at_ms));
        let sentence = Sentence::new(
            format!("Lúc {now} phát «{title}»{}, mức {}, từ {from} đến {to}", part.vi, level.vi),
            format!("At {now} “{title}”{} plays, {} level, from {from} to {to}", part.en, level.en),
        );
        let sentence = others.iter().fold(sentence, |sentence, remark| sentence.and(&about(remark)));
        return Explanation {
            at_ms,
            playing: Some(piece.occurrence()),
            silent_because: None,
            sentence: sentence.ended(),
        };
    }
    if let Some((first, rest)) = others.split_first() {
        let why = about(first);
        let sentence =
            Sentence::new(format!("Lúc {now} im lặng: {}", why.vi), format!("At {now} it is silent: {}", why.en));
        let sentence = rest.iter().fold(sentence, |sentence, remark| sentence.and(&about(remark)));
        return Explanation {
            at_ms,
            playing: None,
            silent_because: Some(first.why.code()),
            sentence: sentence.ended(),
        };
    }
    let next = table.pieces.iter().find(|piece| piece.start_ms > at_ms);
    let sentence = match next {
        Some(next) => {
            let (title, start) = (&next.schedule.title, clock(next.start_ms, at_ms, zone));
            Sentence::new(
                format!("Lúc {now} không có lịch phát; lượt tiếp theo là «{title}» lúc {start}"),
                format!("At {now} nothing is scheduled; next is “{title}” at {start}"),
            )
        }
        None => Sentence::new(
            format!("Lúc {now} không có lịch phát, và những ngày tới cũng chưa có lịch nào"),
            format!("At {now} nothing is scheduled, nor in the days to come"),
        ),
    };
    Explanation { at_ms, playing: None, silent_because: Some("nothing_scheduled"), sentence: sentence.ended() }
}

fn bulletin_at(piece: &Piece, at_ms: i64) -> Sentence {
    let in_content_ms = at_ms - piece.start_ms + piece.from_ms;
    let part =
        piece.content.parts.iter().find(|part| (part.at_ms..part.at_ms + part.length_ms).contains(&in_content_ms));
    match part {
        Some(part) => {
            let title = &part.approved.title;
            Sentence::new(format!(" (bản tin «{title}»)"), format!(" (bulletin “{title}”)"))
        }
        None => Sentence::new(" (khoảng nghỉ)", " (a pause)"),
    }
}
