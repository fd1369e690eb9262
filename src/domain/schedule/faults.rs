//! All that is wrong with a schedule that is being written, each fault bound to its field and said in both languages.
//!
//! [`Schedule::new`] stops at the first fault, which is enough for a refusal; a form wants to know of every field at once.

use super::{Schedule, ScheduleError, ScheduleText};
use crate::domain::calendar::Calendars;
use crate::domain::ids::ScheduleId;
use crate::domain::sentence::Sentence;

/// Nobody reads more than so many.
const MOST: usize = 12;

/// Fields that say when: without them nothing can be foretold.
const WHEN: [&str; 13] = [
    "cron",
    "at",
    "once",
    "weekdays",
    "days_of_month",
    "repeat.times",
    "repeat.every_min",
    "time_zone",
    "from",
    "until",
    "only_on",
    "not_on",
    "instead_on",
];

/// The faults, and the schedule without them if what it says of time can be read.
pub fn faults(
    id: &ScheduleId,
    text: &ScheduleText,
    calendars: &Calendars,
) -> (Vec<ScheduleError>, Option<(Schedule, ScheduleText)>) {
    let (mut left, mut found) = (text.clone(), vec![]);
    loop {
        match Schedule::new(id.clone(), &left, calendars) {
            Ok(schedule) => {
                let told = |error: &ScheduleError| WHEN.contains(&error.field) || error.field == "exceptions";
                let readable = !found.iter().any(told);
                return (found, readable.then_some((schedule, left)));
            }
            Err(error) => {
                let again = found.len() + 1 < MOST && clear(&mut left, error.field);
                found.push(error);
                if !again {
                    return (found, None);
                }
            }
        }
    }
}

/// Takes a faulty field away, so that the next fault is seen.
fn clear(text: &mut ScheduleText, field: &str) -> bool {
    match field {
        "title" => text.title.clear(),
        "duration_s" => text.duration_s = None,
        "priority" => text.priority = None,
        "clash" => text.clash = None,
        "wait_s" => text.wait_s = None,
        "volume_db" => text.volume_db = None,
        "area" => text.area = None,
        "targets" => text.targets.clear(),
        "programme" => text.programme = None,
        "time_zone" => text.time_zone = None,
        "from" => text.from = None,
        "until" => text.until = None,
        "only_on" => text.only_on.clear(),
        "not_on" => text.not_on.clear(),
        "instead_on" => text.instead_on.clear(),
        "exceptions" => text.exceptions.clear(),
        "repeat.times" | "repeat.every_min" => text.repeat = None,
        "weekdays" => text.weekdays.clear(),
        "days_of_month" => text.days_of_month.clear(),
        "cron" | "once" | "at" => {
            (text.once, text.at) = (None, vec!["00:00".into()]);
            text.cron.clear();
        }
        _ => return false,
    }
    true
}

impl ScheduleError {
    /// For whoever fills in the form: what to do, rather than what the file's reader thinks of it.
    pub fn in_words(&self) -> Sentence {
        let value = &self.value;
        let en = match value.as_str() {
            "" => self.problem.clone(),
            value => format!("“{value}”: {}", self.problem),
        };
        let vi = match self.field {
            "cron" | "once" if self.problem.starts_with("say when") => match value.as_str() {
                "" => "chưa có giờ phát: thêm ít nhất một giờ, chẳng hạn 05:30".into(),
                _ => "chỉ nêu giờ phát theo một cách: giờ trong ngày, một lần, hoặc dòng cron".into(),
            },
            "cron" => format!(
                "dòng cron «{value}» không đọc được; viết chẳng hạn «0 30 5 * * MON-FRI» (giây phút giờ ngày tháng thứ)"
            ),
            "once" => format!("«{value}» không phải ngày giờ; viết chẳng hạn 2026-11-23T05:30"),
            "at" => format!("«{value}» không phải giờ trong ngày; viết giờ:phút, từ 00:00 đến 23:59"),
            "weekdays" => format!("«{value}» không phải thứ trong tuần; chọn từ thứ Hai đến Chủ nhật"),
            "days_of_month" => {
                format!("ngày {value} không có trong tháng; viết từ 1 đến 31, hoặc -1 là ngày cuối tháng")
            }
            "repeat.times" => {
                format!("phát lại {value} lượt: chỉ được từ 2 đến 100 lượt, và không quá 8640 lượt mỗi ngày")
            }
            "repeat.every_min" => format!("cách nhau {value} phút: chỉ được từ 1 đến 720 phút"),
            "time_zone" => format!("không có múi giờ «{value}»; viết chẳng hạn Asia/Ho_Chi_Minh"),
            "until" if self.problem.starts_with("before") => {
                "ngày kết thúc trước ngày bắt đầu; chọn ngày bằng hoặc sau ngày bắt đầu".into()
            }
            "from" | "until" => format!("«{value}» không phải ngày; viết năm-tháng-ngày, chẳng hạn 2026-09-02"),
            "only_on" | "not_on" => format!(
                "không rõ «{value}» là ngày nào; viết ngày (2026-09-02), âm lịch (lunar:15), lễ (holidays:vn) hoặc một lịch ngày đã có"
            ),
            "instead_on" => {
                format!("ngày phát khác («{value}»): nêu ngày nào, và giờ nào hoặc chương trình nào thay thế")
            }
            "exceptions" => {
                format!("ngoại lệ «{value}» không rõ: mỗi ngoại lệ bỏ, dời, thêm hoặc đổi chương trình một lượt")
            }
            "duration_s" => format!("khung giờ {value} giây: chỉ được từ 1 giây đến 24 giờ"),
            "priority" => format!("không có mức ưu tiên «{value}»"),
            "clash" => format!("không có cách xử lý trùng giờ «{value}»"),
            "wait_s" => format!("chờ {value} giây: chỉ được từ 0 đến 12 giờ"),
            "volume_db" => format!("âm lượng {value} dB: chỉ được từ -60 đến 0"),
            "title" => "tên lịch phát dài quá 200 ký tự hoặc có ký tự lạ".into(),
            "area" => format!("không có đơn vị «{value}»"),
            "targets" if value.is_empty() => "chưa chọn nơi phát: chọn ít nhất một khu vực hoặc cụm loa".into(),
            "targets" => format!("nơi phát «{value}» không có ở đây, hoặc không thuộc quyền của bạn"),
            "programme" if value.is_empty() => "chưa chọn chương trình để phát".into(),
            "programme" => format!("chưa có chương trình «{value}»"),
            _ => en.clone(),
        };
        Sentence::new(vi, en)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_told_at_once_and_the_rest_is_still_foretold() {
        let text = ScheduleText {
            title: "x".repeat(201),
            cron: "0 30 25 * * *".into(),
            duration_s: Some(0),
            only_on: vec!["lunar:31".into()],
            targets: vec!["Không phải mã".into()],
            ..ScheduleText::default()
        };
        let id: ScheduleId = "s".parse().unwrap();
        let (found, readable) = faults(&id, &text, &Calendars::default());
        let mut fields: Vec<_> = found.iter().map(|error| error.field).collect();
        fields.sort_unstable();
        assert_eq!(fields, ["cron", "duration_s", "only_on", "targets", "title"]);
        assert!(readable.is_none(), "what cannot be read cannot be foretold");
        assert!(found.iter().all(|error| error.in_words().vi != error.in_words().en));
        let text = ScheduleText { at: vec!["05:30".into()], duration_s: Some(0), ..ScheduleText::default() };
        let (found, readable) = faults(&id, &text, &Calendars::default());
        assert_eq!(found.len(), 1);
        assert!(readable.is_some(), "a wrong length does not hide the times");
    }
}
