// The words of the account part, Vietnamese first; they are loaded with it. English has the type of the original.
import type { Lang } from '../text.ts';

const vi = {
  heading: 'Tài khoản của tôi',
  nobody: 'Trung tâm này chưa có tài khoản theo tên người; trang được mở bằng mã truy cập của máy chủ.',
  local:
    'Bạn vào bằng mã truy cập của máy chủ, không phải bằng tài khoản của một người; ở đây không có mật khẩu để đổi.',
  name: 'Tên đăng nhập',
  title: 'Họ tên và chức vụ',
  grants: 'Vai trò',
  grant: (role: string, area: string) => `${role} ở ${area}`,
  roles: {
    admin: 'quản trị',
    editor: 'biên tập viên',
    approver: 'người duyệt',
    operator: 'trực kỹ thuật',
    viewer: 'người xem',
  } as Record<string, string>,
  noGrants: 'chưa có vai trò nào',
  ends: 'Phiên này kết thúc lúc',
  refused: (said: string) => `Máy chủ không nhận: ${said}`,
  unreachable: 'Không kết nối được với máy chủ. Hãy kiểm tra mạng rồi thử lại.',
  tooMany: (wait: string) => `Đã thử quá nhiều lần. Hãy đợi ${wait} rồi thử lại.`,
  loading: 'Đang tải…',

  password: {
    heading: 'Đổi mật khẩu',
    old: 'Mật khẩu hiện nay',
    new: 'Mật khẩu mới',
    hint: 'Ít nhất 12 ký tự, tùy ý.',
    short: 'Mật khẩu mới cần ít nhất 12 ký tự.',
    missing: 'Hãy nhập mật khẩu hiện nay.',
    submit: 'Đổi mật khẩu',
    done: 'Đã đổi mật khẩu. Những phiên khác của tài khoản này đã kết thúc.',
  },

  totp: {
    heading: 'Mã xác nhận trên điện thoại',
    off: 'Đang tắt. Khi bật, mỗi lần đăng nhập cần thêm một mã sáu chữ số từ điện thoại, nên mật khẩu bị lộ vẫn chưa đủ để vào.',
    on: 'Đang bật.',
    passwordOn: 'Mật khẩu, để bật',
    start: 'Bật mã xác nhận',
    scan: 'Quét hình này bằng ứng dụng xác thực trên điện thoại, hoặc gõ mã bí mật vào đó. Rồi nhập mã mà ứng dụng đang hiện.',
    picture: 'Hình QR chứa mã bí mật dưới đây',
    secret: 'Mã bí mật',
    uri: 'Địa chỉ để chép',
    code: 'Mã sáu chữ số',
    confirm: 'Xác nhận và bật',
    noCode: 'Hãy nhập mã mà ứng dụng đang hiện.',
    recovery: 'Mã dự phòng',
    recoveryWhat:
      'Chỉ hiện một lần này. Mỗi mã thay được một lần cho mã trên điện thoại. Hãy chép ra giấy hoặc in, và cất nơi khóa được.',
    kept: 'Tôi đã cất các mã này',
    password: 'Mật khẩu, để tắt',
    stop: 'Tắt mã xác nhận',
    stopped: 'Đã tắt mã xác nhận.',
  },

  sessions: {
    heading: 'Các phiên đang mở',
    what: 'Nơi tài khoản này đang đăng nhập. Kết thúc phiên nào bạn không nhận ra, rồi đổi mật khẩu.',
    current: 'phiên này',
    from: 'Từ địa chỉ',
    began: 'Đăng nhập lúc',
    seen: 'Dùng lần cuối',
    agent: 'Trình duyệt',
    end: 'Kết thúc',
    endThis: (agent: string) => `Kết thúc phiên ${agent}`,
  },
};

export type AccountWords = typeof vi;

const en: AccountWords = {
  heading: 'My account',
  nobody: "This centre has no accounts by name yet; the page was opened with the server's access code.",
  local: "You came in with the server's access code, not with a person's account; there is no password to change here.",
  name: 'Name',
  title: 'Full name and office',
  grants: 'Roles',
  grant: (role, area) => `${role} in ${area}`,
  roles: {
    admin: 'administrator',
    editor: 'editor',
    approver: 'approver',
    operator: 'operator',
    viewer: 'viewer',
  },
  noGrants: 'no role yet',
  ends: 'This session ends at',
  refused: (said) => `The server refused: ${said}`,
  unreachable: 'The server cannot be reached. Please check the network and try again.',
  tooMany: (wait) => `Too many tries. Please wait ${wait}, then try again.`,
  loading: 'Loading…',

  password: {
    heading: 'Change password',
    old: 'Present password',
    new: 'New password',
    hint: 'At least 12 characters, any.',
    short: 'The new password needs at least 12 characters.',
    missing: 'Please enter the present password.',
    submit: 'Change password',
    done: 'The password is changed. Other sessions of this account have ended.',
  },

  totp: {
    heading: 'Confirmation code on the phone',
    off: 'Off. When on, signing in also needs a six-digit code from the phone, so that a leaked password alone is not enough.',
    on: 'On.',
    passwordOn: 'Password, to switch it on',
    start: 'Switch the code on',
    scan: 'Scan this picture with the authenticator on your phone, or type the secret into it. Then enter the code it shows.',
    picture: 'QR picture of the secret below',
    secret: 'Secret',
    uri: 'Address to copy',
    code: 'Six-digit code',
    confirm: 'Confirm and switch on',
    noCode: 'Please enter the code that the authenticator shows.',
    recovery: 'Recovery codes',
    recoveryWhat:
      'Shown this once. Each stands in once for the code on the phone. Write them down or print them, and lock them away.',
    kept: 'I have put them away',
    password: 'Password, to switch it off',
    stop: 'Switch the code off',
    stopped: 'The confirmation code is off.',
  },

  sessions: {
    heading: 'Open sessions',
    what: 'Where this account is signed in. End what you do not recognise, then change the password.',
    current: 'this session',
    from: 'From address',
    began: 'Signed in at',
    seen: 'Last used',
    agent: 'Browser',
    end: 'End',
    endThis: (agent) => `End session ${agent}`,
  },
};

export const accountWords: Record<Lang, AccountWords> = { vi, en };
