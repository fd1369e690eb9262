//! The stored plan, judged as the controller judges it, and what will be heard next. Reads; never turns the ratchet.

use chrono::Datelike as _;
use chrono_tz::Tz;
use serde::Serialize;

use super::{Lang, Patient, Said};
use crate::domain::DAY_MS;
use crate::domain::plan::{Plan, PlannedOccurrence};
use crate::protocol::trust::{self, Reading, VerifiedPlan};

const SHOWN: usize = 3;

/// One of the next plays.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NextPlay {
    pub occurrence: String,
    pub title: String,
    pub start_ms: i64,
    /// In the zone of the place.
    pub start: String,
    pub length_s: i64,
    /// Whether all that it plays is here.
    pub media_ready: bool,
    /// What no approval covers, or is not lawful then, stays silent.
    pub permitted: bool,
    #[serde(skip)]
    said: String,
}

impl NextPlay {
    pub(super) fn line(&self, lang: Lang) -> String {
        let Self { said, title, length_s, .. } = self;
        let mut line = format!("{said} {title}, {}:{:02}", length_s / 60, length_s % 60);
        if !self.media_ready {
            line += &lang.say("; THIẾU TỆP", "; AUDIO MISSING");
        }
        if !self.permitted {
            line += &lang.say("; KHÔNG ĐƯỢC PHÉP PHÁT", "; NOT PERMITTED");
        }
        line
    }
}

/// Judges the plan. Without a link its absence is the link's fault.
pub(super) fn plan(patient: &Patient, linked: bool) -> (Said, Vec<NextPlay>) {
    let lang = patient.lang;
    let Some(Ok(look)) = &patient.look else {
        return (
            Said::note(
                lang.say("chưa có lịch", "no plan yet"),
                lang.say(
                    "lịch đến khi chạy lần đầu: loaxa-controller run",
                    "it comes when loaxa-controller first runs",
                ),
            ),
            vec![],
        );
    };
    let Some(bytes) = &look.contents.plan else {
        let finding = lang.say("chưa có lịch: sẽ không phát gì", "no plan: nothing will play");
        let said = if linked {
            let advice = lang.say(
                "hỏi trung tâm: có lịch nào cho cụm loa này không? (loaxa plan show)",
                "ask the center whether any schedule is for this speaker (loaxa plan show)",
            );
            Said::fault(finding, advice)
        } else {
            Said::note(finding, lang.say("lịch đến khi có kết nối", "it comes with the link"))
        };
        return (said, vec![]);
    };
    let verified = patient.config.anchor().and_then(|anchor| {
        trust::verify(bytes, &anchor, &look.contents.counters.ratchet, Reading::Stored, None)
            .map_err(|refusal| refusal.to_string())
    });
    let verified = match verified {
        Ok(verified) => verified,
        Err(problem) => {
            let finding = lang.say(
                format!("lịch đã lưu không dùng được: {problem}"),
                format!("the stored plan is not usable: {problem}"),
            );
            return (
                Said::fault(finding, lang.say("cần kết nối để nhận lịch mới", "a new one comes with the link")),
                vec![],
            );
        }
    };
    let next = next_plays(patient, &verified);
    (judge(patient, &verified, &next), next)
}

fn judge(patient: &Patient, verified: &VerifiedPlan, next: &[NextPlay]) -> Said {
    let (lang, plan, zone) = (patient.lang, verified.plan(), verified.time_zone());
    let day = |ms: i64| local(zone, ms).map(|time| time.format("%d/%m/%Y").to_string()).unwrap_or_default();
    let left = coming(plan, patient.now.unix_ms).count();
    let finding = lang.say(
        format!(
            "lịch số {}, chữ ký đúng; từ {} đến {}; còn {left} lượt phát",
            plan.number,
            day(plan.from_ms),
            day(plan.until_ms)
        ),
        format!(
            "plan {}, signatures good; {} to {}; {left} plays to come",
            plan.number,
            day(plan.from_ms),
            day(plan.until_ms)
        ),
    );
    let by_link = || lang.say("cần kết nối để nhận lịch mới", "a new one comes with the link");
    if patient.now.kept && plan.until_ms <= patient.now.unix_ms {
        return Said::fault(
            lang.say(
                format!("lịch số {} đã hết ngày {}", plan.number, day(plan.until_ms)),
                format!("plan {} ended on {}", plan.number, day(plan.until_ms)),
            ),
            by_link(),
        );
    }
    if let Some(refused) = patient.status.as_ref().and_then(|status| status.detail.plan_refused.as_ref()) {
        return Said::fault(
            lang.say(
                format!("{finding}; lịch mới hơn bị từ chối: {refused}"),
                format!("{finding}; a newer one was refused: {refused}"),
            ),
            lang.say("báo cho trung tâm", "tell the center"),
        );
    }
    if left == 0 {
        return Said::note(
            finding,
            lang.say("không còn lượt phát nào: hỏi trung tâm", "nothing is left to play: ask the center"),
        );
    }
    if next.iter().any(|play| !play.permitted) {
        return Said::note(
            finding,
            lang.say("có lượt sẽ im lặng: hỏi trung tâm", "some of it will be silent: ask the center"),
        );
    }
    if next.iter().any(|play| !play.media_ready) {
        return Said::note(
            finding,
            lang.say("thiếu tệp âm thanh: cần kết nối", "audio is missing: it comes with the link"),
        );
    }
    if plan.until_ms - patient.now.unix_ms < DAY_MS {
        return Said::note(finding, by_link());
    }
    Said::good(finding)
}

fn coming(plan: &Plan, now_ms: i64) -> impl Iterator<Item = &PlannedOccurrence> {
    plan.occurrences.iter().filter(move |occurrence| occurrence.end_ms > now_ms)
}

fn next_plays(patient: &Patient, verified: &VerifiedPlan) -> Vec<NextPlay> {
    let (plan, zone) = (verified.plan(), verified.time_zone());
    let media = patient.config.store.dir.join("media");
    let here = |hash| {
        let bytes = plan.media.iter().find(|media| media.hash == hash).map(|media| media.bytes);
        let found = std::fs::metadata(media.join(format!("{hash}.opus"))).ok().map(|meta| meta.len());
        bytes.is_some() && bytes == found
    };
    coming(plan, patient.now.unix_ms)
        .take(SHOWN)
        .map(|occurrence| {
            let start = local(zone, occurrence.start_ms);
            NextPlay {
                occurrence: occurrence.id.to_string(),
                title: occurrence.title.clone(),
                start_ms: occurrence.start_ms,
                start: start.map(|start| start.to_rfc3339()).unwrap_or_default(),
                length_s: (occurrence.end_ms - occurrence.start_ms) / 1000,
                media_ready: occurrence.items.iter().all(|item| here(item.media)),
                permitted: occurrence.items.iter().all(|item| verified.permits(occurrence, item, |_| false).is_ok()),
                said: start.map(|start| moment(&start, patient.lang)).unwrap_or_default(),
            }
        })
        .collect()
}

fn moment(start: &chrono::DateTime<Tz>, lang: Lang) -> String {
    let days = ["T2", "T3", "T4", "T5", "T6", "T7", "CN"];
    let day = days.get(start.weekday().num_days_from_monday() as usize).copied().unwrap_or_default();
    let time = start.format("%d/%m %H:%M");
    lang.say(format!("{day} {time}"), format!("{} {time}", start.format("%a")))
}

fn local(zone: Tz, ms: i64) -> Option<chrono::DateTime<Tz>> {
    Some(chrono::DateTime::from_timestamp_millis(ms)?.with_timezone(&zone))
}

/// The hour of the day where the board stands.
pub(super) fn local_hour(zone: Tz, ms: i64) -> u32 {
    use chrono::Timelike as _;
    local(zone, ms).map_or(0, |time| time.hour())
}
