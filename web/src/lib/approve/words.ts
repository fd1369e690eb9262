// The words of the approval part, Vietnamese first; they are loaded with it. English has the type of the original.
import type { Lang } from '../text.ts';
import type { SignProblem } from './sign.ts';

const vi = {
  heading: 'Phê duyệt',
  empty: 'Không có bản tin nào đang chờ duyệt.',
  emptyNext: 'Bản tin hiện ở đây khi biên tập viên trình lên. Lệnh để trình một bản tin:',
  truncated: 'Chưa đọc hết danh sách bản tin: có thể còn bản tin chờ duyệt không hiện ở đây.',
  reload: 'Tải lại danh sách',
  loading: 'Đang tải…',
  back: 'Về danh sách chờ duyệt',
  gone: 'Bản tin này không còn chờ duyệt.',
  revision: (n: string) => `bản số ${n}`,
  signed: (have: string, need: string) => `${have}/${need} người đã duyệt`,
  signedBy: 'Đã duyệt:',
  length: (s: number) => (s < 60 ? `${s}\u00a0giây` : `${Math.floor(s / 60)}\u00a0phút ${s % 60}\u00a0giây`),
  unknownLength: 'không đo được độ dài',
  columns: {
    title: 'Bản tin',
    area: 'Khu vực',
    length: 'Độ dài',
    submitted: 'Tải lên lúc',
    signed: 'Số người duyệt',
    warnings: 'Lưu ý',
  },
  open: 'Nghe và duyệt',
  openThis: (title: string) => `Nghe và duyệt: ${title}`,
  facts: {
    language: 'Ngôn ngữ',
    file: 'Tệp gốc',
    loudness: 'Độ lớn',
    loud: (lufs: string, gain: string) => `${lufs}; khi phát chỉnh ${gain}`,
    text: 'Lời',
    noText: 'Không có lời viết kèm: chỉ có âm thanh.',
  },
  refused: (said: string) => `Máy chủ không nhận: ${said}`,
  unreachable: 'Không kết nối được với máy chủ. Hãy kiểm tra mạng rồi thử lại.',

  listen: {
    heading: 'Nghe',
    fetching: (percent: string) => `Đang tải âm thanh về máy này: ${percent} %`,
    checking: 'Đang kiểm tra âm thanh…',
    matches: 'Âm thanh đã tải về khớp với dấu mà bản này nêu tên. Bạn nghe đúng những gì sẽ được ký.',
    other:
      'Âm thanh máy chủ gửi về KHÔNG phải là âm thanh mà bản này nêu tên, nên không thể ký. Hãy báo người quản trị: tệp có thể đã bị thay.',
    failed: 'Chưa tải được âm thanh.',
    retry: 'Tải lại âm thanh',
    cannotPlay:
      'Trình duyệt này không phát được âm thanh Ogg Opus. Hãy cập nhật trình duyệt, hoặc lưu tệp và nghe bằng chương trình khác.',
    save: 'Lưu tệp âm thanh',
    none: 'Bản này chưa có âm thanh để nghe.',
    heardAll: 'Bạn đã nghe đến hết.',
    confirm: 'Tôi đã nghe toàn bộ bản tin này',
  },

  giveBack: {
    heading: 'Trả lại',
    reason: 'Lý do, để biên tập viên biết cần sửa gì',
    missing: 'Hãy nêu lý do trả lại.',
    submit: 'Trả lại biên tập viên',
    done: 'Đã trả lại.',
  },

  sign: {
    heading: 'Duyệt bằng khóa của bạn',
    notApprover: 'Tài khoản của bạn không có vai trò người duyệt, nên ở đây chỉ xem và nghe.',
    local: 'Tệp khóa được mở ngay trên máy này. Cụm mật khẩu và khóa không rời khỏi trang; máy chủ chỉ nhận chữ ký.',
    key: 'Khóa',
    pick: 'Tệp khóa của người duyệt',
    pickHint: 'Tệp mà lệnh `loaxa approver add` ghi ra ở `--key-out`.',
    picked: 'Khóa đã chọn:',
    another: 'Chọn tệp khác',
    remember: 'Nhớ tệp khóa (vẫn niêm phong) trong trình duyệt này',
    rememberFailed: 'Trình duyệt không cho lưu; lần sau hãy chọn lại tệp.',
    forget: 'Quên khóa này',
    passphrase: 'Cụm mật khẩu của khóa',
    areas: 'Được phát ở',
    remove: (area: string) => `Bỏ ${area}`,
    addArea: 'Thêm khu vực (mã hoặc tên)',
    add: 'Thêm',
    noSuchArea: (text: string) => `Không có khu vực nào là “${text}”.`,
    highest: 'Mức ưu tiên cao nhất',
    days: 'Hiệu lực, số ngày',
    emergencyDays:
      'Phê duyệt khẩn cấp dài hơn 1 ngày không được phát trong giờ yên tĩnh. Cho việc khẩn cấp trước mắt, hãy chọn 1 ngày.',
    clock: (center: string, own: string) =>
      `Đồng hồ máy này (${own}) lệch với trung tâm (${center}). Thời hạn được ký theo đồng hồ máy này: hãy chỉnh lại trước khi ký.`,
    summary: 'Điều bạn sẽ ký',
    summaryHint: 'Tính ngay trên máy này từ âm thanh đã tải về; đây là tất cả những gì chữ ký cho phép.',
    what: 'Bản tin',
    bulletin: (id: string, n: string) => `mã ${id}, bản số ${n}`,
    sound: 'Âm thanh',
    soundMark: (mark: string) => `dấu SHA-256: ${mark}`,
    where: 'Được phát ở',
    until: 'Hiệu lực',
    span: (from: string, until: string) => `từ ${from} đến ${until}`,
    who: 'Người ký',
    whoMark: (mark: string) => `dấu của khóa: ${mark}`,
    submit: 'Ký và phê duyệt',
    opening: (percent: string) => `Đang mở khóa: ${percent} %. Việc này cố ý chậm để không ai dò được mật khẩu.`,
    sending: 'Đang gửi chữ ký…',
    done: (title: string) => `Đã phê duyệt “${title}”.`,
    doneInPart: (title: string, have: string, need: string) =>
      `Đã ký “${title}”: ${have}/${need} người. Bản tin được phát khi đủ số người duyệt.`,
    missing: {
      heard: 'Hãy nghe đến hết, hoặc xác nhận rằng bạn đã nghe.',
      key: 'Hãy chọn tệp khóa.',
      passphrase: 'Hãy nhập cụm mật khẩu của khóa.',
      area: 'Hãy chọn ít nhất một khu vực.',
      days: 'Số ngày phải là số nguyên từ 1 đến 3650.',
    },
    already: 'Khóa này đã ký bản này; cần chữ ký của một người khác.',
    overstep: {
      unknown: 'Trung tâm này không biết khóa đã chọn. Quản trị cần chứng nhận khóa trước (`loaxa approver add`).',
      expired: (at: string) => `Chứng nhận của khóa này đã hết hạn lúc ${at}. Hãy xin quản trị cấp chứng nhận mới.`,
      early: (at: string) => `Chứng nhận của khóa này chỉ có hiệu lực từ ${at}.`,
      priority: (highest: string) => `Khóa này chỉ được duyệt đến mức ${highest}.`,
      area: (area: string, allowed: string) => `Khóa này không được duyệt cho ${area}; chỉ cho ${allowed}.`,
    },
    problem: {
      not_a_key: 'Đây không phải tệp khóa của loaxa. Hãy chọn tệp mà lệnh `loaxa approver add` ghi ra ở `--key-out`.',
      wrong_passphrase: 'Cụm mật khẩu không đúng, hoặc tệp khóa đã bị sửa.',
      no_ed25519:
        'Trình duyệt này chưa ký được bằng Ed25519. Hãy cập nhật lên Chrome hoặc Edge 137, Safari 17, Firefox 129 trở lên, hoặc dùng lệnh `loaxa bulletin approve`.',
      insecure:
        'Trình duyệt chỉ cho ký trên trang mở bằng https:// (hoặc ngay trên máy chủ, http://127.0.0.1). Hãy mở trang bằng https://, hoặc dùng lệnh `loaxa bulletin approve`.',
      other_key: 'Tệp khóa bị hỏng: phần công khai không thuộc về khóa bên trong.',
    } satisfies Record<SignProblem, string>,
    failed: 'Chưa ký được. Hãy tải lại trang và thử lại; nếu vẫn vậy, dùng lệnh `loaxa bulletin approve`.',
  },
};

export type ApproveWords = typeof vi;

const en: ApproveWords = {
  heading: 'Approval',
  empty: 'No bulletin waits for approval.',
  emptyNext: 'A bulletin shows up here when an editor submits it. The command for that:',
  truncated: 'Not all bulletins were read: some that wait may not be shown here.',
  reload: 'Read the list again',
  loading: 'Loading…',
  back: 'Back to what waits',
  gone: 'This bulletin no longer waits for approval.',
  revision: (n) => `revision ${n}`,
  signed: (have, need) => `${have}/${need} have approved`,
  signedBy: 'Approved by:',
  length: (s) => (s < 60 ? `${s}\u00a0s` : `${Math.floor(s / 60)}\u00a0min ${s % 60}\u00a0s`),
  unknownLength: 'length unknown',
  columns: {
    title: 'Bulletin',
    area: 'Area',
    length: 'Length',
    submitted: 'Uploaded at',
    signed: 'Approvals',
    warnings: 'Warnings',
  },
  open: 'Listen and approve',
  openThis: (title) => `Listen and approve: ${title}`,
  facts: {
    language: 'Language',
    file: 'Original file',
    loudness: 'Loudness',
    loud: (lufs, gain) => `${lufs}; changed by ${gain} when played`,
    text: 'Words',
    noText: 'No written words came with it: only the sound.',
  },
  refused: (said) => `The server refused: ${said}`,
  unreachable: 'The server cannot be reached. Please check the network and try again.',

  listen: {
    heading: 'Listen',
    fetching: (percent) => `Fetching the sound to this machine: ${percent}%`,
    checking: 'Checking the sound…',
    matches: 'The sound that came matches the mark this revision names. You hear exactly what will be signed.',
    other:
      'The sound the server sent is NOT the one this revision names, so it cannot be signed. Please tell the administrator: the file may have been exchanged.',
    failed: 'The sound could not be fetched.',
    retry: 'Fetch the sound again',
    cannotPlay:
      'This browser cannot play Ogg Opus. Please update the browser, or save the file and listen with another program.',
    save: 'Save the sound',
    none: 'This revision has no sound to listen to yet.',
    heardAll: 'You have listened to the end.',
    confirm: 'I have listened to all of this bulletin',
  },

  giveBack: {
    heading: 'Return',
    reason: 'The reason, so that the editor knows what to change',
    missing: 'Please say why it is returned.',
    submit: 'Return to the editor',
    done: 'Returned.',
  },

  sign: {
    heading: 'Approve with your key',
    notApprover: 'Your account has no approver role, so here you can look and listen only.',
    local:
      'The key file is opened on this machine. Passphrase and key never leave the page; the server only gets the signature.',
    key: 'Key',
    pick: "The approver's key file",
    pickHint: 'The file that `loaxa approver add` wrote to `--key-out`.',
    picked: 'Chosen key:',
    another: 'Choose another file',
    remember: 'Remember the key file (still sealed) in this browser',
    rememberFailed: 'The browser does not allow storing; please pick the file again next time.',
    forget: 'Forget this key',
    passphrase: 'Passphrase of the key',
    areas: 'May be played in',
    remove: (area) => `Remove ${area}`,
    addArea: 'Add an area (code or name)',
    add: 'Add',
    noSuchArea: (text) => `There is no area "${text}".`,
    highest: 'Highest priority',
    days: 'Valid for, in days',
    emergencyDays:
      'An emergency approval of more than 1 day does not pass the quiet hours. For an emergency at hand choose 1 day.',
    clock: (center, own) =>
      `This machine's clock (${own}) differs from the centre's (${center}). The validity is signed by this machine's clock: please set it right first.`,
    summary: 'What you will sign',
    summaryHint: 'Worked out on this machine from the sound that came; this is all that the signature allows.',
    what: 'Bulletin',
    bulletin: (id, n) => `id ${id}, revision ${n}`,
    sound: 'Sound',
    soundMark: (mark) => `SHA-256: ${mark}`,
    where: 'May be played in',
    until: 'Valid',
    span: (from, until) => `from ${from} until ${until}`,
    who: 'Signed by',
    whoMark: (mark) => `key fingerprint: ${mark}`,
    submit: 'Sign and approve',
    opening: (percent) =>
      `Opening the key: ${percent}%. It is slow on purpose, so that nobody can guess the passphrase.`,
    sending: 'Sending the signature…',
    done: (title) => `Approved "${title}".`,
    doneInPart: (title, have, need) => `Signed "${title}": ${have}/${need}. It may be played once all have approved.`,
    missing: {
      heard: 'Please listen to the end, or confirm that you have listened.',
      key: 'Please choose the key file.',
      passphrase: 'Please enter the passphrase of the key.',
      area: 'Please choose at least one area.',
      days: 'The number of days must be a whole number from 1 to 3650.',
    },
    already: 'This key has signed this revision already; another person must sign.',
    overstep: {
      unknown:
        'This centre does not know the chosen key. The administrator must certify it first (`loaxa approver add`).',
      expired: (at) => `This key's certificate expired at ${at}. Please ask the administrator for a new one.`,
      early: (at) => `This key's certificate is valid only from ${at}.`,
      priority: (highest) => `This key may approve only up to ${highest}.`,
      area: (area, allowed) => `This key may not approve for ${area}; only for ${allowed}.`,
    },
    problem: {
      not_a_key:
        'This is not a key file of loaxa. Please choose the file that `loaxa approver add` wrote to `--key-out`.',
      wrong_passphrase: 'The passphrase is wrong, or the key file was changed.',
      no_ed25519:
        'This browser cannot sign with Ed25519 yet. Please update to Chrome or Edge 137, Safari 17, Firefox 129 or newer, or use the command `loaxa bulletin approve`.',
      insecure:
        "Browsers sign only on pages opened by https:// (or on the server's own machine, http://127.0.0.1). Please open the page by https://, or use the command `loaxa bulletin approve`.",
      other_key: 'The key file is damaged: its public half does not belong to the key inside.',
    },
    failed:
      'Signing failed. Please reload the page and try again; if it stays so, use the command `loaxa bulletin approve`.',
  },
};

export const approveWords: Record<Lang, ApproveWords> = { vi, en };
