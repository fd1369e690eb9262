// Every word the page shows, in Vietnamese and in English. Vietnamese is the original; English has its type, so a key
// that is missing or left over in either fails the type check. `…` in back-quotes is shown as code, never as HTML.
import type { Evidence, LinkState, Outcome, PlayReadiness, Priority, Reason, WaitingReason } from './api.ts';
import type { Part } from './route.svelte.ts';
import type { DaySummary } from './summary.ts';

export type Lang = 'vi' | 'en';

const vi = {
  brand: 'loaxa — truyền thanh cơ sở',
  language: 'Ngôn ngữ',
  loading: 'Đang tải…',
  partFailed: 'Chưa tải được phần này. Hãy kiểm tra mạng rồi tải lại trang.',
  signOut: 'Đăng xuất',
  signOutFailed: 'Chưa đăng xuất được: máy chủ không trả lời. Hãy thử lại.',

  nav: {
    label: 'Các phần của trang',
    board: 'Cụm loa và nhật ký',
    approve: 'Phê duyệt',
    account: 'Tài khoản',
  } satisfies Record<Part | 'label', string>,
  signedInAs: 'Đang đăng nhập:',

  signIn: {
    heading: 'Đăng nhập',
    name: 'Tên đăng nhập',
    password: 'Mật khẩu',
    code: 'Mã xác nhận',
    codeHint: 'Sáu chữ số đang hiện trong ứng dụng xác thực trên điện thoại, hoặc một mã dự phòng.',
    codeNeeded: 'Tài khoản này cần thêm mã xác nhận.',
    byToken: 'Dùng mã truy cập của máy chủ',
    byName: 'Dùng tên và mật khẩu',
    incomplete: 'Hãy nhập tên đăng nhập và mật khẩu.',
    noCode: 'Hãy nhập mã xác nhận.',
    wrongName: 'Tên đăng nhập hoặc mật khẩu không đúng.',
    wrongCode: 'Tên đăng nhập, mật khẩu hoặc mã xác nhận không đúng. Mỗi mã chỉ dùng được một lần: hãy đợi mã kế tiếp.',
    token: 'Mã truy cập',
    where:
      'Mã này nằm trong tệp `token` ở thư mục dữ liệu của trung tâm. Trên máy chủ trung tâm, lệnh `loaxa token` in mã ra.',
    submit: 'Vào trang',
    busy: 'Đang kiểm tra…',
    empty: 'Hãy nhập mã truy cập.',
    wrong: 'Mã truy cập không đúng. Hãy chép lại nguyên vẹn mã trong tệp `token`.',
    tooMany: (wait: string | null) =>
      `Đã thử sai quá nhiều lần. Hãy đợi ${wait ?? 'vài phút'} rồi thử lại; tài khoản không bị khóa.`,
    unreachable: 'Không kết nối được với máy chủ. Hãy kiểm tra mạng, và xem `loaxa serve` có đang chạy không.',
    expired: 'Phiên làm việc đã hết hạn. Hãy đăng nhập lại.',
    out: 'Bạn đã đăng xuất.',
    refused: (title: string) => `Máy chủ không nhận yêu cầu: ${title}`,
  },
  wait: (s: number) => (s < 120 ? `${s}\u00a0giây` : `${Math.ceil(s / 60)}\u00a0phút`),

  setUp: {
    heading: 'Người quản trị đầu tiên',
    what: 'Trung tâm này chưa có tài khoản nào. Người đầu tiên có mọi quyền và thêm những người khác sau đó.',
    name: 'Tên đăng nhập',
    nameHint: 'Từ 2 đến 40 ký tự: a-z, 0-9, dấu chấm, gạch dưới và gạch nối.',
    title: 'Họ tên và chức vụ',
    password: 'Mật khẩu',
    passwordHint: 'Ít nhất 12 ký tự, tùy ý. Một câu dài dễ nhớ tốt hơn nhiều ký hiệu.',
    submit: 'Tạo tài khoản',
    busy: 'Đang tạo…',
    incomplete: 'Hãy nhập đủ tên đăng nhập, họ tên và mật khẩu.',
    short: 'Mật khẩu cần ít nhất 12 ký tự.',
    wrongCode:
      'Mã thiết lập không đúng hoặc đã được dùng. Khởi động lại `loaxa serve` sẽ in ra mã mới khi chưa có tài khoản nào.',
    back: 'Đã có tài khoản: đăng nhập',
  },

  trouble: {
    lost: 'Mất kết nối với máy chủ — đang thử lại',
    server: (status: number, title: string) => `Máy chủ báo lỗi ${status} (${title}) — đang thử lại`,
    stale: (time: string) => `Số liệu dưới đây là của lúc ${time}.`,
  },

  summary: {
    heading: 'Tóm tắt',
    links: (online: string, total: string) => `${online} trong ${total} cụm loa đang kết nối`,
    noSpeakers: 'Chưa có cụm loa nào',
    plays: (day: DaySummary, number: (n: number) => string) => {
      if (!day.complete) return `nhật ký dưới đây có hơn ${number(day.total)} lượt phát`;
      if (day.total === 0) return 'hôm nay chưa có lượt phát nào';
      const head = `${number(day.total)} lượt phát hôm nay`;
      if (day.proven === day.total) {
        return day.total === 1 ? `${head}, đã được chứng minh` : `${head}, tất cả đã được chứng minh`;
      }
      const parts = [
        [day.proven, 'đã được chứng minh'],
        [day.unproven, 'báo đã phát nhưng chưa có bằng chứng âm thanh'],
        [day.late, 'phát muộn'],
        [day.partial, 'phát thiếu'],
        [day.missed, 'không phát'],
        [day.unreported, 'chưa có báo cáo'],
        [day.playing, 'đang phát'],
        [day.waiting, 'đã đến giờ, đang chờ báo cáo'],
      ] as const;
      return `${head}: ${parts.flatMap(([n, words]) => (n > 0 ? [`${number(n)} ${words}`] : [])).join(', ')}`;
    },
  },

  coming: {
    heading: 'Các buổi sắp tới',
    empty: 'Không có buổi phát nào trong 24 giờ tới.',
    ready: (ready: string, total: string, time: string) => `${ready}/${total} cụm loa sẵn sàng cho ${time}`,
    offline: (n: string) => `${n} cụm loa trong số đó đang mất kết nối nhưng đã có đủ nội dung`,
    warning: {
      soon: 'Sắp đến giờ mà chưa đủ',
      late: 'Khó kịp giờ phát',
    } satisfies Record<Exclude<PlayReadiness['warning'], 'none'>, string>,
    who: (n: string) => `${n} cụm loa chưa sẵn sàng`,
    reason: {
      content_missing: 'chưa nhận đủ nội dung',
      plan_on_its_way: 'chưa nhận lịch mới',
      plan_refused: 'từ chối lịch mới',
      clock_untrusted: 'đồng hồ chưa tin cậy',
      never_heard: 'chưa từng kết nối',
      disabled: 'đã bị ngắt khỏi hệ thống',
    } satisfies Record<WaitingReason, string>,
    missing: (size: string) => `còn thiếu ${size}`,
    others: (n: string) => `và ${n} cụm loa khác`,
    more: (n: string) => `Còn ${n} buổi nữa trong 24 giờ tới.`,
  },

  speakers: {
    heading: 'Cụm loa',
    empty: 'Chưa có cụm loa nào.',
    emptyNext: 'Thêm cụm loa đầu tiên bằng lệnh này trên máy chủ trung tâm; cụm loa sẽ hiện ở đây ngay.',
    emptyCommand: 'loaxa speaker add',
    speaker: 'Cụm loa',
    area: 'Khu vực',
    link: 'Kết nối',
    clock: 'Đồng hồ',
    content: 'Nội dung',
    plan: 'Lịch của cụm loa',
    last: 'Lượt phát gần nhất',
    next: 'Lượt phát kế tiếp',
    truncated: (shown: string) => `Danh sách dài hơn: chỉ đọc ${shown} cụm loa đầu tiên.`,
  },
  link: {
    online: 'Đang kết nối',
    offline: 'Mất kết nối',
    never: 'Chưa từng kết nối',
  } satisfies Record<LinkState, string>,
  since: 'từ',
  board: {
    amplifier: 'Âm ly có lỗi',
    path: 'Tiếng loa nghe lại đã khác trước',
    capture: 'Không nghe lại được',
    store: 'Không ghi được vào thẻ nhớ',
    warnings: {
      hot: 'Bo mạch quá nóng',
      card_read_only: 'Thẻ nhớ chỉ còn đọc được',
      card_failing: 'Thẻ nhớ sắp hỏng',
      card_worn: 'Thẻ nhớ đã mòn',
      disk_errors: 'Thẻ nhớ báo lỗi',
      disk_low: 'Thẻ nhớ gần đầy',
      memory_high: 'Gần hết bộ nhớ',
    },
  },
  clock: {
    trusted: 'Tin cậy',
    untrusted: 'Chưa tin cậy',
    bound: (ms: string) => `sai không quá ±${ms}`,
    follows: (speaker: string) => `theo nhịp cụm loa ${speaker}`,
  },
  content: {
    all: (ready: string, wanted: string) => `Đủ ${ready}/${wanted} tệp`,
    some: (ready: string, wanted: string) => `Thiếu: mới có ${ready}/${wanted} tệp`,
    none: 'Chưa cần tệp nào',
  },
  plan: {
    accepted: (n: string) => `Đã nhận lịch số ${n}`,
    behind: (sent: string, accepted: string) => `Đã gửi lịch số ${sent}, cụm loa vẫn giữ số ${accepted}`,
    waiting: (sent: string) => `Đã gửi lịch số ${sent}, cụm loa chưa nhận`,
    ahead: (sent: string, accepted: string) => `Cụm loa giữ lịch số ${accepted}, mới hơn số ${sent} đã gửi`,
    unsent: 'Chưa gửi lịch',
    refused: (reason: string) => `Cụm loa từ chối: ${reason}`,
  },
  noReport: 'Chưa có báo cáo',
  lastReport: 'theo báo cáo cuối, trước khi mất kết nối',
  noPlayYet: 'Chưa phát lượt nào',
  noPlayPlanned: 'Chưa có lượt nào trong lịch',

  plays: {
    heading: 'Nhật ký phát',
    scope: (date: string) => `Từ ngày ${date} đến nay, mới nhất ở trên.`,
    empty: 'Chưa có lượt phát nào trong khoảng này.',
    emptyNext: 'Lượt phát hiện ở đây khi đến giờ trong lịch phát. Xem các lệnh lập lịch:',
    emptyCommand: 'loaxa schedule --help',
    planned: 'Giờ theo lịch',
    programme: 'Chương trình',
    speaker: 'Cụm loa',
    outcome: 'Kết quả',
    started: 'Bắt đầu thật',
    heard: 'Phát được',
    level: 'Mức âm',
    evidence: 'Bằng chứng',
    earlier: 'Xem thêm 7 ngày trước',
    truncated: (shown: string) => `Khoảng này dài hơn: chỉ đọc ${shown} lượt.`,
  },
  priority: {
    filler: 'lấp giờ trống',
    normal: 'thông thường',
    priority: 'ưu tiên',
    emergency: 'khẩn cấp',
  } satisfies Record<Priority, string>,
  outcome: {
    planned: 'Sắp phát',
    playing: 'Đang phát',
    played: 'Đã phát',
    late: 'Phát muộn',
    partial: 'Phát thiếu',
    missed: 'Không phát',
    unreported: 'Chưa có báo cáo',
  } satisfies Record<Outcome, string>,
  reason: {
    content_missing: 'tệp âm thanh chưa về đủ cụm loa',
    content_corrupt: 'tệp âm thanh bị hỏng hoặc không đúng bản đã duyệt',
    not_approved: 'không có phê duyệt còn hiệu lực',
    no_ticket: 'không có lệnh phát khẩn cấp còn dùng được',
    revoked: 'phê duyệt đã bị thu hồi',
    clock_untrusted: 'đồng hồ của cụm loa chưa tin cậy',
    powered_off: 'bộ điều khiển không chạy (mất điện hoặc đã tắt)',
    interrupted: 'bộ điều khiển dừng giữa chừng',
    output_failed: 'thiết bị âm thanh hỏng',
    not_heard: 'thu lại không nghe thấy tiếng loa',
    pre_empted: 'nhường cho lượt phát ưu tiên cao hơn',
    decode_failed: 'không giải mã được một phần âm thanh',
    withdrawn: 'đã rút khỏi lịch khi đang phát',
    quiet_hours: 'ngoài giờ được phép phát thanh',
    slot_over: 'khung giờ ngắn hơn nội dung',
    other: 'lý do khác (bộ điều khiển đời mới hơn)',
    no_report: 'cụm loa không gửi báo cáo',
  } satisfies Record<Reason, string>,
  otherReason: (code: string) => `lý do khác: ${code}`,
  evidence: {
    scheduled: 'mới có trong lịch',
    content_ready: 'nội dung đã sẵn sàng',
    sounded: 'đo được âm thanh ở đầu ra',
    heard_back: 'đã thu lại được tiếng loa',
  } satisfies Record<Evidence, string>,
  late: (amount: string) => `muộn ${amount}`,
  early: (amount: string) => `sớm ${amount}`,
  onTime: 'đúng giờ',
  seconds: (n: string) => `${n}\u00a0giây`,
  nearSilent: 'gần như không có tiếng',
  none: 'không có',
  justNow: 'vừa xong',
  showMore: (n: string) => `Hiện thêm ${n} dòng`,

  footer: {
    zone: (zone: string) => `Giờ hiển thị: ${zone}`,
    updated: (time: string) => `Cập nhật lúc ${time}`,
    version: (version: string) => `loaxa ${version}`,
  },
};

export type Text = typeof vi;

const plural = (n: number, one: string, many: string) => (n === 1 ? one : many);

const en: Text = {
  brand: 'loaxa — public broadcast for communes',
  language: 'Language',
  loading: 'Loading…',
  partFailed: 'This part could not be loaded. Please check the network, then reload the page.',
  signOut: 'Sign out',
  signOutFailed: 'Not signed out yet: the server did not answer. Please try again.',

  nav: {
    label: 'Parts of the page',
    board: 'Speakers and log',
    approve: 'Approval',
    account: 'Account',
  },
  signedInAs: 'Signed in:',

  signIn: {
    heading: 'Sign in',
    name: 'Name',
    password: 'Password',
    code: 'Confirmation code',
    codeHint: 'The six digits now shown by the authenticator on your phone, or one of the recovery codes.',
    codeNeeded: 'This account needs a confirmation code too.',
    byToken: "Use the server's access code",
    byName: 'Use name and password',
    incomplete: 'Please enter name and password.',
    noCode: 'Please enter the confirmation code.',
    wrongName: 'That name or password is not right.',
    wrongCode:
      'That name, password or confirmation code is not right. A code counts once: please wait for the next one.',
    token: 'Access code',
    where:
      "It is in the file `token` in the centre's data directory. On the centre's machine, the command `loaxa token` prints it.",
    submit: 'Enter',
    busy: 'Checking…',
    empty: 'Please enter the access code.',
    wrong: 'That access code is not right. Please copy the whole code from the file `token`.',
    tooMany: (wait) =>
      `Too many wrong tries. Please wait ${wait ?? 'a few minutes'}, then try again; the account is not locked.`,
    unreachable: 'The server cannot be reached. Please check the network, and that `loaxa serve` is running.',
    expired: 'The session has ended. Please sign in again.',
    out: 'You are signed out.',
    refused: (title) => `The server refused the request: ${title}`,
  },
  wait: (s) => (s < 120 ? `${s}\u00a0s` : `${Math.ceil(s / 60)}\u00a0minutes`),

  setUp: {
    heading: 'The first administrator',
    what: 'This centre has no accounts yet. The first person has every right and adds the others afterwards.',
    name: 'Name to sign in with',
    nameHint: '2 to 40 characters: a-z, 0-9, full stop, underscore and hyphen.',
    title: 'Full name and office',
    password: 'Password',
    passwordHint: 'At least 12 characters, any. A long sentence you remember beats many symbols.',
    submit: 'Make the account',
    busy: 'Working…',
    incomplete: 'Please enter a name, your full name and a password.',
    short: 'A password needs at least 12 characters.',
    wrongCode:
      'That set-up code is wrong or was used. Restarting `loaxa serve` prints a new one while there are no accounts.',
    back: 'I have an account: sign in',
  },

  trouble: {
    lost: 'Connection to the server lost — trying again',
    server: (status, title) => `The server answered with error ${status} (${title}) — trying again`,
    stale: (time) => `The figures below are from ${time}.`,
  },

  summary: {
    heading: 'Summary',
    links: (online, total) => `${online} of ${total} speakers connected`,
    noSpeakers: 'No speakers yet',
    plays: (day, number) => {
      if (!day.complete) return `more than ${number(day.total)} plays in the log below`;
      if (day.total === 0) return 'no plays yet today';
      const head = `${number(day.total)} ${plural(day.total, 'play', 'plays')} today`;
      if (day.proven === day.total) return day.total === 1 ? `${head}, proven` : `${head}, all proven`;
      const parts = [
        [day.proven, 'proven'],
        [day.unproven, 'reported as played but without proof of sound'],
        [day.late, 'late'],
        [day.partial, 'only in part'],
        [day.missed, 'not played'],
        [day.unreported, 'without a report'],
        [day.playing, 'playing now'],
        [day.waiting, 'due, waiting for its report'],
      ] as const;
      return `${head}: ${parts.flatMap(([n, words]) => (n > 0 ? [`${number(n)} ${words}`] : [])).join(', ')}`;
    },
  },

  coming: {
    heading: 'Plays to come',
    empty: 'No plays in the next 24 hours.',
    ready: (ready, total, time) => `${ready}/${total} speakers ready for ${time}`,
    offline: (n) => `${n} of them not connected, with all content in place`,
    warning: { soon: 'Time runs short', late: 'Hardly in time' },
    who: (n) => `${n} not ready`,
    reason: {
      content_missing: 'content has not all arrived',
      plan_on_its_way: 'has not accepted the new plan yet',
      plan_refused: 'refused the new plan',
      clock_untrusted: 'clock not trusted',
      never_heard: 'never connected',
      disabled: 'disabled',
    },
    missing: (size) => `${size} to come`,
    others: (n) => `and ${n} more`,
    more: (n) => `${n} more in the next 24 hours.`,
  },

  speakers: {
    heading: 'Speakers',
    empty: 'No speakers yet.',
    emptyNext: "Add the first one with this command on the centre's machine; it will show up here at once.",
    emptyCommand: 'loaxa speaker add',
    speaker: 'Speaker',
    area: 'Area',
    link: 'Link',
    clock: 'Clock',
    content: 'Content',
    plan: 'Plan',
    last: 'Last play',
    next: 'Next play',
    truncated: (shown) => `The list is longer: only the first ${shown} speakers were read.`,
  },
  link: { online: 'Connected', offline: 'Not connected', never: 'Never connected' },
  since: 'since',
  board: {
    amplifier: 'Amplifier fault',
    path: 'What is heard back has changed',
    capture: 'Cannot hear back',
    store: 'Its card cannot be written',
    warnings: {
      hot: 'Board too hot',
      card_read_only: 'Card is read-only',
      card_failing: 'Card about to fail',
      card_worn: 'Card worn',
      disk_errors: 'Card reports errors',
      disk_low: 'Card nearly full',
      memory_high: 'Memory nearly full',
    },
  },
  clock: {
    trusted: 'Trusted',
    untrusted: 'Not trusted',
    bound: (ms) => `within ±${ms}`,
    follows: (speaker) => `keeps step with ${speaker}`,
  },
  content: {
    all: (ready, wanted) => `Complete, ${ready}/${wanted} files`,
    some: (ready, wanted) => `Incomplete: ${ready}/${wanted} files so far`,
    none: 'No files needed yet',
  },
  plan: {
    accepted: (n) => `Accepted plan ${n}`,
    behind: (sent, accepted) => `Plan ${sent} sent, speaker still holds ${accepted}`,
    waiting: (sent) => `Plan ${sent} sent, not accepted yet`,
    ahead: (sent, accepted) => `Speaker holds plan ${accepted}, newer than ${sent} that was sent`,
    unsent: 'No plan sent yet',
    refused: (reason) => `Speaker refused: ${reason}`,
  },
  noReport: 'No report yet',
  lastReport: 'from its last report, before the link was lost',
  noPlayYet: 'Nothing played yet',
  noPlayPlanned: 'Nothing planned',

  plays: {
    heading: 'Playback log',
    scope: (date) => `Since ${date}, newest first.`,
    empty: 'No plays in this period.',
    emptyNext: 'A play shows up here when its scheduled time comes. The commands that make schedules:',
    emptyCommand: 'loaxa schedule --help',
    planned: 'Planned time',
    programme: 'Programme',
    speaker: 'Speaker',
    outcome: 'Outcome',
    started: 'Really started',
    heard: 'Heard',
    level: 'Level',
    evidence: 'Evidence',
    earlier: 'Show 7 more days',
    truncated: (shown) => `There are more in this period: only ${shown} plays were read.`,
  },
  priority: { filler: 'filler', normal: 'normal', priority: 'priority', emergency: 'emergency' },
  outcome: {
    planned: 'Coming up',
    playing: 'Playing',
    played: 'Played',
    late: 'Played late',
    partial: 'Played in part',
    missed: 'Not played',
    unreported: 'No report yet',
  },
  reason: {
    content_missing: 'the audio had not all arrived',
    content_corrupt: 'the audio was damaged or not what was approved',
    not_approved: 'no valid approval',
    no_ticket: 'no unused emergency ticket',
    revoked: 'approval was revoked',
    clock_untrusted: "the speaker's clock was not trusted",
    powered_off: 'the controller was not running (no power, or switched off)',
    interrupted: 'the controller stopped in the middle',
    output_failed: 'the sound device failed',
    not_heard: 'not heard back from the horn',
    pre_empted: 'gave way to a play of higher priority',
    decode_failed: 'part of the audio could not be decoded',
    withdrawn: 'taken out of the plan while it was on',
    quiet_hours: 'it was not lawful to broadcast then',
    slot_over: 'the slot was shorter than the content',
    other: 'another reason (a newer controller)',
    no_report: 'the speaker sent no report',
  },
  otherReason: (code) => `another reason: ${code}`,
  evidence: {
    scheduled: 'only scheduled',
    content_ready: 'content was ready',
    sounded: 'sound measured at the output',
    heard_back: 'heard back',
  },
  late: (amount) => `${amount} late`,
  early: (amount) => `${amount} early`,
  onTime: 'on time',
  seconds: (n) => `${n}\u00a0s`,
  nearSilent: 'close to silence',
  none: 'none',
  justNow: 'just now',
  showMore: (n) => `Show ${n} more rows`,

  footer: {
    zone: (zone) => `Times shown in ${zone}`,
    updated: (time) => `Updated at ${time}`,
    version: (version) => `loaxa ${version}`,
  },
};

export const texts: Record<Lang, Text> = { vi, en };
