//! Keys, certificate, storage and clock, as the board itself can know them. Connects to nobody and writes nothing.

use super::{Patient, Said};
use crate::controller::config::TrustSystem;
use crate::controller::identity::{self, Credentials};
use crate::controller::vitals::{self, Wear};
use crate::controller::{os, tls};
use crate::domain::DAY_MS;

/// Less than so much of a disk free is told, and with less than so many bytes nothing can be kept.
const LOW_PERCENT: u64 = 5;
const FULL_BYTES: u64 = 1024 * 1024;

pub(super) fn keys(patient: &Patient, identity: Result<bool, String>) -> Said {
    let lang = patient.lang;
    let enrol = || {
        lang.say(
            "đăng ký lại: loaxa-controller enroll --center URL --code MÃ (mã do trung tâm cấp)",
            "enrol: loaxa-controller enroll --center URL --code CODE (the center gives the code)",
        )
    };
    if let Err(problem) = identity {
        return Said::fault(
            lang.say(format!("khóa không dùng được: {problem}"), format!("the keys are no good: {problem}")),
            enrol(),
        );
    }
    if patient.config.identity.speaker.is_empty() {
        return Said::fault(lang.say("bo mạch chưa đăng ký", "this board is not enrolled"), enrol());
    }
    match patient.config.anchor() {
        Ok(anchor) => Said::good(lang.say(
            format!("cụm loa {}, trung tâm {}; đã ghim khóa cơ quan", anchor.speaker, anchor.site),
            format!("speaker {} of site {}, authority key pinned", anchor.speaker, anchor.site),
        )),
        Err(problem) => Said::fault(
            problem,
            lang.say("sửa [identity] trong tệp cấu hình", "mend [identity] in the configuration file"),
        ),
    }
}

/// When the certificate of the connection ends, and whether it is from the authority that was pinned.
pub(super) fn certificate(patient: &Patient) -> Said {
    let lang = patient.lang;
    let dir = identity::dir(patient.config);
    if !dir.join("client.pem").is_file() {
        if !patient.config.center.password.is_empty() || patient.config.broker().is_ok_and(|broker| !broker.tls) {
            return Said::good(
                lang.say("không có: bo mạch này dùng mật khẩu", "none: this board signs in with a password"),
            );
        }
        return Said::fault(
            lang.say("không có chứng thư", "there is no certificate"),
            lang.say("đăng ký bo mạch với mã mới", "enrol this board with a new code"),
        );
    }
    let again = || lang.say("đăng ký lại với mã mới", "enrol this board again with a new code");
    let credentials = match Credentials::load(&dir) {
        Ok(credentials) => credentials,
        Err(problem) => return Said::fault(problem, again()),
    };
    let from = std::fs::read(dir.join("ca.pem"))
        .map_err(|error| format!("ca.pem: {error}"))
        .and_then(|ca| tls::is_from(&ca, &credentials));
    if let Err(problem) = from {
        return Said::fault(
            lang.say(
                format!("không phải của trung tâm đã ghim: {problem}"),
                format!("not from the pinned authority: {problem}"),
            ),
            again(),
        );
    }
    let end = chrono::DateTime::from_timestamp_millis(credentials.valid_until_ms);
    let end = end.map(|end| end.format("%Y-%m-%d").to_string()).unwrap_or_default();
    let left_ms = credentials.valid_until_ms - patient.now.unix_ms;
    if patient.now.kept && left_ms < 0 {
        return Said::fault(
            lang.say(format!("đã hết hạn ngày {end}"), format!("valid until {end}, which is past")),
            again(),
        );
    }
    let days = left_ms.div_euclid(DAY_MS);
    let finding = lang.say(format!("có hạn đến {end}, còn {days} ngày"), format!("valid until {end}, {days} days"));
    let life_ms = credentials.valid_until_ms - credentials.made_ms;
    let renewed_by = i64::from(patient.config.center.renew_percent);
    // It renews itself at a third; with less than half of that left it has tried for long.
    if patient.now.kept && left_ms < life_ms / 200 * renewed_by {
        return Said::note(
            finding,
            lang.say(
                "lẽ ra đã tự gia hạn: cần có kết nối với trung tâm",
                "it should have renewed itself by now: that needs a link to the center",
            ),
        );
    }
    Said::good(finding)
}

pub(super) fn storage(patient: &Patient) -> Said {
    let (lang, dir) = (patient.lang, &patient.config.store.dir);
    let card = vitals::card("/".as_ref(), dir);
    let free = match (card.free_bytes, card.total_bytes) {
        (Some(free), Some(total)) => {
            let percent = free * 100 / total.max(1);
            lang.say(
                format!("còn trống {} MB ({percent} %)", free >> 20),
                format!("{} MB free ({percent} %)", free >> 20),
            )
        }
        _ => lang.say("không đo được chỗ trống", "free space unknown"),
    };
    let replace = || lang.say("thay thẻ nhớ", "replace the card");
    if card.read_only {
        return Said::fault(
            lang.say(format!("thẻ nhớ đã chuyển sang chỉ đọc; {free}"), format!("the card is read-only now; {free}")),
            lang.say(
                "khởi động lại bo mạch; nếu còn lặp lại, thay thẻ nhớ",
                "restart the board; if that returns, replace the card",
            ),
        );
    }
    if let Some(problem) = patient.status.as_ref().and_then(|status| status.detail.store_problem.as_ref()) {
        return Said::fault(
            lang.say(format!("không ghi được: {problem}; {free}"), format!("nothing can be kept: {problem}; {free}")),
            lang.say("xóa bớt tệp lạ, hoặc thay thẻ nhớ", "remove what does not belong there, or replace the card"),
        );
    }
    if card.wear == Some(Wear::Urgent) {
        return Said::fault(
            lang.say(
                format!("thẻ nhớ sắp hỏng (pre_eol 3); {free}"),
                format!("the card is at its end (pre_eol 3); {free}"),
            ),
            replace(),
        );
    }
    let look = match &patient.look {
        None if !dir.exists() || std::fs::read_dir(dir).is_ok() => {
            return Said::good(lang.say(
                format!("chưa có gì; sẽ được tạo khi chạy lần đầu; {free}"),
                format!("nothing yet; made when it first runs; {free}"),
            ));
        }
        None => return Said::fault(format!("{}: ?", dir.display()), replace()),
        Some(Err(error)) => {
            return Said::fault(
                lang.say(format!("không đọc được: {error}"), format!("cannot be read: {error}")),
                lang.say(
                    format!("kiểm tra quyền của {}, rồi thẻ nhớ", dir.display()),
                    format!("look at the rights of {}, then at the card", dir.display()),
                ),
            );
        }
        Some(Ok(look)) => look,
    };
    if rustix::fs::access(dir, rustix::fs::Access::WRITE_OK).is_err() {
        return Said::fault(
            lang.say(
                format!("không được phép ghi vào {}", dir.display()),
                format!("{} may not be written", dir.display()),
            ),
            lang.say(
                "chạy lại bằng sudo -u loaxa-controller, hoặc sửa quyền thư mục",
                "run this with sudo -u loaxa-controller, or mend the directory's rights",
            ),
        );
    }
    if card.free_bytes.is_some_and(|free| free < FULL_BYTES) {
        return Said::fault(
            lang.say(format!("hết chỗ: {free}"), format!("the disk is full: {free}")),
            lang.say("xóa bớt tệp lạ; giảm store.quota_mb", "remove what does not belong there; lower store.quota_mb"),
        );
    }
    let outbox = look.contents.plays.values().filter(|play| !play.begun && !play.acknowledged).count();
    let (media_mb, quota_mb) = (look.media_bytes >> 20, patient.config.store.quota_mb);
    let finding = lang.say(
        format!("ghi được, {free}; tệp âm thanh {media_mb}/{quota_mb} MB; {outbox} bản ghi chờ gửi"),
        format!("writable, {free}; media {media_mb} of {quota_mb} MB; {outbox} records waiting to be sent"),
    );
    let worn = card.life_used_percent.filter(|used| *used >= vitals::WORN_PERCENT);
    let low = card.free_bytes.zip(card.total_bytes).is_some_and(|(free, total)| free * 100 < total * LOW_PERCENT);
    let advice = if let Some(used) = worn {
        lang.say(
            format!("thẻ nhớ đã dùng {used} % tuổi thọ: nên thay sớm"),
            format!("the card has used {used} % of its life: replace it soon"),
        )
    } else if card.wear == Some(Wear::Warning) || card.errors > Some(0) {
        lang.say("thẻ nhớ báo lỗi: nên thay sớm", "the card reports errors: replace it soon")
    } else if look.damaged > 0 {
        lang.say(
            format!("{} tệp hỏng đã bị gạt ra; nếu tăng thêm, thay thẻ nhớ", look.damaged),
            format!("{} damaged files were set aside; if there come more, replace the card", look.damaged),
        )
    } else if low {
        lang.say("sắp hết chỗ", "there is little room left")
    } else {
        return Said::good(finding);
    };
    Said::note(finding, advice)
}

pub(super) fn clock(patient: &Patient) -> Said {
    let lang = patient.lang;
    let system_ns = os::system_clock_error_ns();
    if let Some(status) = &patient.status {
        let clock = &status.detail.clock;
        if let (true, Some(error_us), Some(offset_ns)) = (clock.trusted, clock.error_us, status.center_offset_ns) {
            // What the board's own clock shows is not what it plays by.
            let apart_ms = (os::system_unix_ns() - os::mono_ns()).saturating_sub(offset_ns) / 1_000_000;
            let error_ms = error_us as f64 / 1000.0;
            return Said::good(lang.say(
                format!("tin được, sai tối đa ±{error_ms:.1} ms; đồng hồ hệ thống lệch {apart_ms} ms"),
                format!("trusted, within ±{error_ms:.1} ms; the system clock is {apart_ms} ms off"),
            ));
        }
        return Said::fault(
            lang.say(
                "bộ điều khiển không biết giờ: không phát gì theo lịch",
                "the controller does not know the time: nothing scheduled plays",
            ),
            lang.say(
                "cần kết nối với trung tâm, hoặc NTP (timedatectl)",
                "it needs a link to the center, or NTP (timedatectl)",
            ),
        );
    }
    let from_center = || {
        lang.say(
            "giờ lấy từ trung tâm khi chạy và có kết nối",
            "time comes from the center once it runs and has a link",
        )
    };
    match (patient.config.clock.trust_system, system_ns) {
        (TrustSystem::WhenSynchronised | TrustSystem::Always, Some(error_ns)) => {
            let error_ms = error_ns as f64 / 1e6;
            Said::good(lang.say(
                format!("đồng hồ hệ thống đã đồng bộ, ±{error_ms:.1} ms"),
                format!("the system clock is synchronised, within {error_ms:.1} ms"),
            ))
        }
        (TrustSystem::Always, None) => Said::note(
            lang.say("tin đồng hồ hệ thống theo cấu hình", "the system clock is trusted by configuration"),
            lang.say("không có gì giữ cho nó đúng", "nothing keeps it right"),
        ),
        (TrustSystem::Never, _) => {
            Said::note(lang.say("không dùng đồng hồ hệ thống", "the system clock is not used"), from_center())
        }
        (TrustSystem::WhenSynchronised, None) => {
            Said::note(lang.say("đồng hồ hệ thống chưa đồng bộ", "nothing keeps the system clock"), from_center())
        }
    }
}
