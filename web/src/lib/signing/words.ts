// The words of keys and signing, Vietnamese first; loaded with the parts that sign. English has the type of the original.
import type { Lang } from '../text.ts';
import type { SignProblem } from './keys.ts';

const vi = {
  local: 'Tệp khóa được mở ngay trên máy này. Cụm mật khẩu và khóa không rời khỏi trang; máy chủ chỉ nhận chữ ký.',
  key: 'Khóa',
  pick: { approver: 'Tệp khóa của người duyệt', authority: 'Tệp khóa gốc của cơ quan' },
  pickHint: {
    approver: 'Tệp tải về khi tạo khóa trên trang này, hoặc tệp mà lệnh `loaxa approver add` ghi ra ở `--key-out`.',
    authority: 'Tệp `authority.key` trong thư mục dữ liệu của trung tâm, hoặc bản sao cất riêng của nó.',
  },
  picked: 'Khóa đã chọn:',
  another: 'Chọn tệp khác',
  remember: 'Nhớ tệp khóa (vẫn niêm phong) trong trình duyệt này',
  rememberFailed: 'Trình duyệt không cho lưu; lần sau hãy chọn lại tệp.',
  forget: 'Quên khóa này',
  passphrase: 'Cụm mật khẩu của khóa',
  opening: (percent: string) => `Đang mở khóa: ${percent} %. Việc này cố ý chậm để không ai dò được mật khẩu.`,
  sending: 'Đang gửi chữ ký…',
  again: 'Gửi lại chữ ký',
  willSign: 'Điều bạn sẽ ký',
  by: (title: string, mark: string) => `Ký bằng khóa của ${title} (dấu của khóa: ${mark}).`,
  cancel: 'Thôi, không ký',
  clock: (center: string, own: string) =>
    `Đồng hồ máy này (${own}) lệch với trung tâm (${center}). Thời hạn được ký theo đồng hồ máy này: hãy chỉnh lại trước khi ký.`,
  missing: { key: 'Hãy chọn tệp khóa.', passphrase: 'Hãy nhập cụm mật khẩu của khóa.' },
  notWanted: {
    authority: (mark: string) =>
      `Đây không phải khóa gốc của trung tâm này. Khóa gốc có dấu ${mark}: hãy chọn đúng tệp của nó.`,
    approver: (mark: string) => `Việc này cần khóa có dấu ${mark}. Hãy chọn đúng tệp của khóa ấy.`,
  },
  refused: (said: string) => `Máy chủ không nhận: ${said}`,
  unreachable:
    'Đã ký xong nhưng chưa gửi được: không kết nối được với máy chủ. Chữ ký còn ở trang này, hãy thử gửi lại.',
  problem: {
    not_a_key: 'Đây không phải tệp khóa của loaxa. Hãy chọn tệp mà lệnh `loaxa approver add` ghi ra ở `--key-out`.',
    wrong_passphrase: 'Cụm mật khẩu không đúng, hoặc tệp khóa đã bị sửa.',
    short_passphrase: 'Cụm mật khẩu cần ít nhất 8 ký tự.',
    no_ed25519:
      'Trình duyệt này chưa ký được bằng Ed25519. Hãy cập nhật lên Chrome hoặc Edge 137, Safari 17, Firefox 129 trở lên, hoặc dùng lệnh `loaxa bulletin approve`.',
    insecure:
      'Trình duyệt chỉ cho ký trên trang mở bằng https:// (hoặc ngay trên máy chủ, http://127.0.0.1). Hãy mở trang bằng https://, hoặc dùng lệnh `loaxa bulletin approve`.',
    other_key: 'Tệp khóa bị hỏng: phần công khai không thuộc về khóa bên trong.',
  } satisfies Record<SignProblem, string>,
  failed: 'Chưa ký được. Hãy tải lại trang và thử lại; nếu vẫn vậy, dùng lệnh `loaxa` trên máy của bạn.',

  make: {
    explain:
      'Khóa được tạo ngay trên máy này và niêm phong bằng cụm mật khẩu mà chỉ người giữ khóa biết. Máy chủ không bao giờ thấy khóa hay mật khẩu, nên cũng không ai lấy lại giúp được: hãy ghi mật khẩu ra giấy và cất đi.',
    title: 'Khóa của ai (họ tên, chức vụ)',
    passphrase: 'Cụm mật khẩu mới',
    passphraseHint: 'Ít nhất 8 ký tự; nên là bốn, năm từ bất kỳ mà bạn nhớ được.',
    repeat: 'Nhập lại cụm mật khẩu',
    submit: 'Tạo khóa',
    making: (percent: string) => `Đang tạo và niêm phong khóa: ${percent} %…`,
    made: (title: string) => `Đã tạo khóa của ${title}.`,
    mark: (mark: string) => `Dấu của khóa: ${mark}`,
    save: 'Tải tệp khóa về',
    saveHint: 'Cất tệp này ở nơi an toàn, thêm một bản trên thẻ nhớ. Mất tệp thì phải làm khóa mới.',
    remembered: 'Trình duyệt này đã nhớ khóa (vẫn niêm phong).',
    missing: {
      title: 'Hãy ghi khóa này của ai.',
      differs: 'Hai lần nhập không giống nhau. Hãy nhập lại.',
      kept: 'Hãy tải tệp khóa về, hoặc cho trình duyệt này nhớ khóa, trước khi tiếp tục.',
    },
    next: 'Tiếp tục với khóa này',
    failed: 'Chưa tạo được khóa. Hãy cập nhật trình duyệt, hoặc dùng lệnh `loaxa approver add`.',
  },
};

export type SigningWords = typeof vi;

const en: SigningWords = {
  local:
    'The key file is opened on this machine. Passphrase and key never leave the page; the server only gets the signature.',
  key: 'Key',
  pick: { approver: "The approver's key file", authority: "The authority's key file" },
  pickHint: {
    approver: 'The file saved when the key was made on this page, or that `loaxa approver add` wrote to `--key-out`.',
    authority: "The file `authority.key` in the centre's data directory, or the copy of it that is kept apart.",
  },
  picked: 'Chosen key:',
  another: 'Choose another file',
  remember: 'Remember the key file (still sealed) in this browser',
  rememberFailed: 'The browser does not allow storing; please pick the file again next time.',
  forget: 'Forget this key',
  passphrase: 'Passphrase of the key',
  opening: (percent) => `Opening the key: ${percent}%. It is slow on purpose, so that nobody can guess the passphrase.`,
  sending: 'Sending the signature…',
  again: 'Send the signature again',
  willSign: 'What you will sign',
  by: (title, mark) => `Signed with the key of ${title} (key fingerprint: ${mark}).`,
  cancel: 'Do not sign',
  clock: (center, own) =>
    `This machine's clock (${own}) differs from the centre's (${center}). The validity is signed by this machine's clock: please set it right first.`,
  missing: { key: 'Please choose the key file.', passphrase: 'Please enter the passphrase of the key.' },
  notWanted: {
    authority: (mark) =>
      `This is not this centre's authority key. That one has the fingerprint ${mark}: please choose its file.`,
    approver: (mark) => `This needs the key with the fingerprint ${mark}. Please choose its file.`,
  },
  refused: (said) => `The server refused: ${said}`,
  unreachable:
    'It is signed but could not be sent: the server cannot be reached. The signature is still on this page; please send it again.',
  problem: {
    not_a_key:
      'This is not a key file of loaxa. Please choose the file that `loaxa approver add` wrote to `--key-out`.',
    wrong_passphrase: 'The passphrase is wrong, or the key file was changed.',
    short_passphrase: 'A passphrase needs at least 8 characters.',
    no_ed25519:
      'This browser cannot sign with Ed25519 yet. Please update to Chrome or Edge 137, Safari 17, Firefox 129 or newer, or use the command `loaxa bulletin approve`.',
    insecure:
      "Browsers sign only on pages opened by https:// (or on the server's own machine, http://127.0.0.1). Please open the page by https://, or use the command `loaxa bulletin approve`.",
    other_key: 'The key file is damaged: its public half does not belong to the key inside.',
  },
  failed:
    'Signing failed. Please reload the page and try again; if it stays so, use the command `loaxa` on a computer of yours.',

  make: {
    explain:
      'The key is made on this machine and sealed with a passphrase that only its owner knows. The server never sees key or passphrase, so nobody can recover them either: please write the passphrase down and put it away.',
    title: 'Whose key (name, office)',
    passphrase: 'New passphrase',
    passphraseHint: 'At least 8 characters; best are four or five random words that you can remember.',
    repeat: 'The passphrase again',
    submit: 'Make the key',
    making: (percent) => `Making and sealing the key: ${percent}%…`,
    made: (title) => `The key of ${title} is made.`,
    mark: (mark) => `Key fingerprint: ${mark}`,
    save: 'Save the key file',
    saveHint: 'Keep this file in a safe place, with a copy on a memory card. If it is lost, a new key has to be made.',
    remembered: 'This browser has remembered the key (still sealed).',
    missing: {
      title: 'Please say whose key this is.',
      differs: 'The two are not the same. Please type them again.',
      kept: 'Please save the key file, or have this browser remember the key, before you go on.',
    },
    next: 'Go on with this key',
    failed: 'The key could not be made. Please update the browser, or use the command `loaxa approver add`.',
  },
};

export const signingWords: Record<Lang, SigningWords> = { vi, en };
