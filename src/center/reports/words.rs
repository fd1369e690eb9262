//! The words of reports on paper: Vietnamese, as offices write. The page has its own, in both languages.

use crate::domain::report::{FigureId, Unit};

pub fn field(code: &str) -> &str {
    match code {
        "society" => "Chính trị – xã hội",
        "economy" => "Kinh tế",
        "culture" => "Văn hoá, thể thao",
        "health" => "Y tế",
        "education" => "Giáo dục",
        "security" => "An ninh, trật tự",
        "disaster" => "Phòng, chống thiên tai",
        _ => "Lĩnh vực khác",
    }
}

pub fn priority(code: &str) -> &str {
    match code {
        "filler" => "Lấp giờ trống",
        "normal" => "Thông thường",
        "priority" => "Ưu tiên",
        "emergency" => "Khẩn cấp",
        other => other,
    }
}

pub fn outcome(code: &str) -> &str {
    match code {
        "played" => "Đã phát",
        "late" => "Phát muộn",
        "partial" => "Phát thiếu",
        "missed" => "Không phát",
        "unreported" => "Chưa có báo cáo",
        other => other,
    }
}

pub fn reason(code: &str) -> &str {
    match code {
        "" => "không nêu lý do",
        "content_missing" => "tệp âm thanh chưa về đủ cụm loa",
        "content_corrupt" => "tệp âm thanh bị hỏng hoặc không đúng bản đã duyệt",
        "not_approved" => "không có phê duyệt còn hiệu lực",
        "no_ticket" => "không có lệnh phát khẩn cấp còn dùng được",
        "revoked" => "phê duyệt đã bị thu hồi",
        "clock_untrusted" => "đồng hồ của cụm loa chưa tin cậy",
        "powered_off" => "bộ điều khiển không chạy (mất điện hoặc đã tắt)",
        "interrupted" => "bộ điều khiển dừng giữa chừng",
        "output_failed" => "thiết bị âm thanh hỏng",
        "not_heard" => "thu lại không nghe thấy tiếng loa",
        "pre_empted" => "nhường cho lượt phát ưu tiên cao hơn",
        "decode_failed" => "không giải mã được một phần âm thanh",
        "withdrawn" => "đã rút khỏi lịch khi đang phát",
        "quiet_hours" => "ngoài giờ được phép phát thanh",
        "slot_over" => "khung giờ ngắn hơn nội dung",
        "no_report" => "cụm loa không gửi báo cáo",
        _ => "lý do khác",
    }
}

/// Name and formula of a figure.
pub fn figure(id: FigureId) -> (&'static str, &'static str) {
    match id {
        FigureId::CommunesSounding => (
            "Tỷ lệ đơn vị có cụm loa hoạt động",
            "Số đơn vị cấp cuối có ít nhất một cụm loa đã phát ra âm thanh trong kỳ, chia cho tổng số đơn vị cấp cuối",
        ),
        FigureId::SpeakersOnline => (
            "Tỷ lệ cụm loa đang kết nối",
            "Số cụm loa đang kết nối tại thời điểm lập báo cáo, chia cho tổng số cụm loa đang sử dụng",
        ),
        FigureId::SpeakersSounding => (
            "Tỷ lệ cụm loa có phát trong kỳ",
            "Số cụm loa đã phát ra âm thanh ít nhất một lần, chia cho tổng số cụm loa đang sử dụng",
        ),
        FigureId::PlaysSounded => (
            "Tỷ lệ lượt phát có bằng chứng âm thanh",
            "Số lượt đo được âm thanh ở đầu ra hoặc thu lại được, chia cho tổng số lượt theo lịch",
        ),
        FigureId::PlaysComplete => (
            "Tỷ lệ lượt phát thành công",
            "Số lượt phát đến hết nội dung (kể cả vào muộn), chia cho tổng số lượt theo lịch",
        ),
        FigureId::PlaysOnTime => (
            "Tỷ lệ lượt phát đúng giờ",
            "Số lượt bắt đầu lệch không quá 1 giây so với lịch, chia cho tổng số lượt theo lịch",
        ),
        FigureId::PlaysReported => {
            ("Tỷ lệ lượt có nhật ký", "Số lượt có nhật ký từ cụm loa gửi về, chia cho tổng số lượt theo lịch")
        }
        FigureId::StartErrorMedian => (
            "Độ lệch giờ bắt đầu (trung vị)",
            "Mức mà một nửa số lượt có đo giờ bắt đầu lệch không quá (theo bậc 1-2-5)",
        ),
        FigureId::UrgentPrompt => (
            "Tỷ lệ tin khẩn cấp phát trong 10 giây",
            "Số lượt khẩn cấp bắt đầu trong vòng 10 giây, chia cho tổng số lượt khẩn cấp",
        ),
        FigureId::HoursPerCommune => (
            "Số giờ phát bình quân mỗi đơn vị",
            "Số giờ thực phát bình quân một cụm loa của từng đơn vị, lấy bình quân các đơn vị",
        ),
        FigureId::MinorityLanguages => (
            "Tỷ trọng tiếng dân tộc thiểu số",
            "Thời lượng thực phát bằng tiếng dân tộc thiểu số, chia cho tổng thời lượng thực phát",
        ),
        FigureId::SilenceLength => (
            "Độ dài bình quân một đợt mất tiếng",
            "Số ngày cụm loa có lịch mà không phát ra âm thanh, chia cho số đợt ngày liền nhau như vậy",
        ),
    }
}

pub fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Percent => "%",
        Unit::Ms => "ms",
        Unit::Hours => "giờ",
        Unit::Days => "ngày",
    }
}
