//! The two languages of doctor, and how its answers lie on the narrow screen of a phone. Knows nothing of what is asked.

use super::{Check, Class};

/// Columns of a phone's terminal held upright.
const COLUMNS: usize = 45;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lang {
    Vietnamese,
    English,
}

impl Lang {
    /// `vi` or `en`.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "vi" => Ok(Self::Vietnamese),
            "en" => Ok(Self::English),
            _ => Err("vi or en".into()),
        }
    }

    /// From LC_ALL and LANG, the first that says something; Vietnamese unless that is English.
    pub fn from_environment(lc_all: Option<String>, lang: Option<String>) -> Self {
        let said = [lc_all, lang].into_iter().flatten().find(|value| !value.is_empty());
        if said.is_some_and(|value| value.starts_with("en")) { Self::English } else { Self::Vietnamese }
    }

    pub(in crate::controller) fn say(self, vietnamese: impl Into<String>, english: impl Into<String>) -> String {
        match self {
            Self::Vietnamese => vietnamese.into(),
            Self::English => english.into(),
        }
    }

    fn title(self, class: Class) -> &'static str {
        let (vietnamese, english) = match class {
            Class::Keys => ("Khóa", "Keys"),
            Class::Certificate => ("Chứng thư", "Certificate"),
            Class::Storage => ("Bộ nhớ", "Storage"),
            Class::Output => ("Âm thanh ra", "Sound out"),
            Class::Clock => ("Đồng hồ", "Clock"),
            Class::Plan => ("Lịch phát", "Plan"),
            Class::Link => ("Kết nối", "Link"),
            Class::Capture => ("Thu âm", "Capture"),
        };
        match self {
            Self::Vietnamese => vietnamese,
            Self::English => english,
        }
    }
}

/// All answers: name and verdict on a line, the finding below, and what to do.
pub fn show(checks: &[Check], lang: Lang) -> String {
    let mut lines = vec![];
    for check in checks {
        let verdict = match (check.good, check.advice.is_empty()) {
            (true, true) => lang.say("TỐT", "OK"),
            (true, false) => lang.say("TỐT, lưu ý", "OK, note"),
            (false, _) => format!("{} ({})", lang.say("LỖI", "FAULT"), check.code),
        };
        lines.push(format!("{:12} {verdict}", lang.title(check.class)));
        wrap(&check.finding, "  ", "  ", &mut lines);
        if !check.advice.is_empty() {
            wrap(&check.advice, "  => ", "     ", &mut lines);
        }
        for play in check.plays.iter().flatten() {
            wrap(&play.line(lang), "  > ", "    ", &mut lines);
        }
    }
    lines.push(match super::exit_code(checks) {
        0 => lang.say("Mọi thứ đều tốt.", "All is well."),
        code => lang.say(format!("Có lỗi: mã {code}."), format!("There is a fault: code {code}.")),
    });
    lines.join("\n")
}

/// A finding and what to do about it, as doctor's answers lie.
pub fn show_one(finding: &str, advice: &str) -> String {
    let mut lines = vec![];
    wrap(finding, "", "", &mut lines);
    if !advice.is_empty() {
        wrap(advice, "=> ", "   ", &mut lines);
    }
    lines.join("\n")
}

/// Breaks a text at its spaces; a word that is too long has a line of its own.
fn wrap(text: &str, first: &str, others: &str, lines: &mut Vec<String>) {
    for (n, part) in text.lines().enumerate() {
        let mut line = String::from(if n == 0 { first } else { others });
        let mut empty = true;
        for word in part.split_whitespace() {
            if !empty && line.chars().count() + 1 + word.chars().count() > COLUMNS {
                lines.push(std::mem::replace(&mut line, others.to_owned()));
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(word);
            empty = false;
        }
        lines.push(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_vietnamese_unless_english_is_asked_for() {
        let from = |lc_all: &str, lang: &str| {
            let given = |value: &str| (value != "-").then(|| value.to_owned());
            Lang::from_environment(given(lc_all), given(lang))
        };
        for (lc_all, lang, expected) in [
            ("-", "-", Lang::Vietnamese),
            ("-", "C.UTF-8", Lang::Vietnamese),
            ("-", "en_US.UTF-8", Lang::English),
            ("", "en_GB", Lang::English),
            ("vi_VN.UTF-8", "en_US.UTF-8", Lang::Vietnamese),
        ] {
            assert_eq!(from(lc_all, lang), expected, "{lc_all} {lang}");
        }
    }

    #[test]
    fn lines_fit_a_phone_and_lose_nothing() {
        let text = "không phân giải được tên loa.xa.vn và còn nhiều chữ nữa\nhttps://a-very-long-address.example.vn/that/cannot/be/broken/anywhere";
        let mut lines = vec![];
        wrap(text, "  => ", "     ", &mut lines);
        let words: Vec<&str> = lines.iter().flat_map(|line| line.split_whitespace()).skip(1).collect();
        assert_eq!(words, text.split_whitespace().collect::<Vec<_>>());
        assert!(lines.iter().all(|line| line.chars().count() <= COLUMNS || line.contains("https")), "{lines:?}");
        assert!(lines[0].starts_with("  => ") && lines[1].starts_with("     "));
    }
}
