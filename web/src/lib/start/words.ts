// The words of the guide to the first play, Vietnamese first; loaded with it. English has the type of the original.
import type { Lang } from '../text.ts';

const vi = {
  heading: 'Tới lượt phát đầu tiên',
  help: 'Sáu việc, làm lần lượt từ trên xuống. Mỗi việc tự đánh dấu khi trung tâm thấy nó đã xong.',
  done: 'xong',
  open: 'chưa xong',
  counted: (done: number, count: number) => `Đã xong ${done} trên ${count} việc`,
  all: 'Đã có một lượt phát được chứng minh. Từ đây, trang Tổng quan cho biết mỗi ngày loa nào đã kêu và loa nào không.',
  overview: 'Tới trang Tổng quan',

  areas: {
    heading: 'Đơn vị hành chính',
    is: (title: string, count: number) => (count > 1 ? `${title} và ${count - 1} đơn vị bên dưới` : title),
    more: 'Thêm đơn vị',
  },

  approver: {
    heading: 'Người duyệt',
    is: (titles: string) => titles,
    missing:
      'Chưa ai được chứng nhận. Người duyệt tạo khóa của mình; khóa gốc chứng nhận khóa ấy ở phần Quản trị, hoặc bằng lệnh `loaxa approver add`.',
    go: 'Tới phần Quản trị',
  },

  speaker: {
    heading: 'Cụm loa',
    is: (title: string) => title,
    what: 'Cụm loa là bộ điều khiển cùng các loa nối vào nó. Chưa có bộ điều khiển nào thì dùng một cụm loa thử: trung tâm tự chạy nó trên máy này, phát qua loa của máy.',
    trial: 'Thêm cụm loa thử',
    trialTitle: 'Cụm loa thử',
    adding: 'Đang thêm…',
    board: 'Đã có bộ điều khiển: lắp cụm loa thật',
    boardHow:
      'Thêm cụm loa bằng lệnh `loaxa speaker add`, rồi nhập mã mà lệnh in ra vào bộ điều khiển. Khi cụm loa kết nối, việc này tự đánh dấu.',
    refused: (why: string) => `Không chạy được cụm loa thử ở đây: ${why}`,
    waiting: 'Đã thêm; đang chờ cụm loa kết nối và chỉnh đồng hồ…',
    starting: 'Cụm loa thử đang khởi động…',
    failed: (why: string) => `Cụm loa thử đã dừng: ${why}. Trung tâm tự chạy lại.`,
    device: (name: string) => `Cụm loa thử phát qua thiết bị âm thanh của máy chủ: ${name}.`,
    file: 'Máy chủ không có thiết bị âm thanh, nên cụm loa thử ghi vào tệp để nghe lại ở đây. Nhật ký khi đó chỉ nói “nội dung đã sẵn sàng”, không nói là đã kêu.',
    end: 'Bỏ cụm loa thử',
    endHeading: 'Bỏ cụm loa thử?',
    endWhat: (title: string) =>
      `“${title}” ngừng chạy và không phát nữa. Nhật ký của nó vẫn còn; sau này có thể lắp bộ điều khiển thật vào chỗ đó.`,
    ended: 'Đã bỏ cụm loa thử.',
    online: 'đang kết nối',
  },

  bulletin: {
    heading: 'Bản tin',
    is: (title: string) => title,
    what: 'Chọn một tệp âm thanh bất kỳ: MP3, M4A, WAV, OGG, FLAC… Trung tâm chuyển nó sang dạng phát và cân âm lượng.',
    title: 'Tên bản tin',
    titleHint: 'Ví dụ: Thử loa, hoặc Thông báo cắt nước.',
    file: 'Tệp âm thanh',
    send: 'Gửi lên và trình duyệt',
    sending: 'Đang gửi lên…',
    missing: 'Hãy ghi tên bản tin và chọn tệp âm thanh.',
    converting: (title: string, percent: string) => `Đang chuyển “${title}” sang dạng phát: ${percent} %…`,
    refused: (title: string, why: string) => `Không dùng được tệp của “${title}”: ${why}. Hãy chọn tệp khác.`,
    record: 'Thu âm hoặc soạn đầy đủ',
  },

  approve: {
    heading: 'Phê duyệt',
    is: (title: string) => `“${title}” đã được duyệt`,
    what: 'Người duyệt nghe bản tin rồi ký bằng khóa của mình, ngay trong trình duyệt. Chưa có chữ ký thì không loa nào phát.',
    waits: (title: string) => `“${title}” đang chờ duyệt.`,
    go: 'Nghe và duyệt',
    first: 'Cần có bản tin trước.',
  },

  play: {
    heading: 'Phát thử',
    what: 'Xếp bản tin vào lịch một lần, ở phút tròn sắp tới, trên một cụm loa.',
    bulletin: 'Bản tin',
    speaker: 'Cụm loa',
    go: 'Phát thử sau một phút',
    first: 'Cần có cụm loa đang kết nối và bản tin đã duyệt.',
    confirm: 'Phát thử?',
    confirmWhat: (title: string, speaker: string, at: string) => `“${title}” sẽ phát trên ${speaker} lúc ${at}.`,
    loud: 'Đây là loa thật: nếu nó đang ở trên cột thì dân quanh đó sẽ nghe thấy.',
    findings: 'Trung tâm lưu ý:',
    run: 'Xếp lịch',
    scheduled: (title: string, at: string) => `“${title}” sẽ phát lúc ${at}.`,
    countdown: (left: string) => `Còn ${left} giây.`,
    playing: (title: string) => `Đang phát “${title}”…`,
    again: 'Phát thử lần nữa',
    all: 'Xếp lịch hằng ngày ở phần Lịch phát',
  },

  heard: {
    proven: 'Đã kêu. Cụm loa đo được âm thanh ở đầu ra và đã báo về.',
    back: 'Đã kêu, và được nghe lại bằng micrô hoặc đường thu ở chỗ loa.',
    ready:
      'Đã phát vào tệp. Nội dung đã về đủ, đúng bản được duyệt và được phát đúng lúc, nhưng máy này không có thiết bị âm thanh nên không chứng minh được là đã kêu.',
    notPlayed: (reason: string) => `Không phát được: ${reason}.`,
    listen: 'Nghe lại',
    loading: 'Đang tải…',
    label: 'Âm thanh mà cụm loa thử đã phát',
    facts: (start: string, heard: string) => `Bắt đầu lúc ${start}, phát ${heard} giây.`,
    lateReport: 'Đã tới giờ; đang chờ cụm loa báo về…',
  },
};

export type StartWords = typeof vi;

const en: StartWords = {
  heading: 'On to the first play',
  help: 'Six things, from top to bottom. Each marks itself when the centre sees that it is done.',
  done: 'done',
  open: 'not done yet',
  counted: (done, count) => `${done} of ${count} done`,
  all: 'There is a proven play. From here on the overview tells every day which speakers sounded and which did not.',
  overview: 'To the overview',

  areas: {
    heading: 'Administrative units',
    is: (title, count) => (count > 1 ? `${title} and ${count - 1} below it` : title),
    more: 'Add units',
  },

  approver: {
    heading: 'Approver',
    is: (titles) => titles,
    missing:
      'Nobody is certified yet. Approvers make a key of their own; the authority key certifies it under Administration, or by the command `loaxa approver add`.',
    go: 'To Administration',
  },

  speaker: {
    heading: 'Speaker',
    is: (title) => title,
    what: 'A speaker is a controller with its horns. While there is no controller, use a trial speaker: the centre runs it on this machine, through the machine’s own sound.',
    trial: 'Add a trial speaker',
    trialTitle: 'Trial speaker',
    adding: 'Adding…',
    board: 'There is a controller: install a real speaker',
    boardHow:
      'Add the speaker with the command `loaxa speaker add`, and enter the code that it prints at the controller. Once the speaker connects, this marks itself.',
    refused: (why) => `No trial speaker can run here: ${why}`,
    waiting: 'Added; waiting for the speaker to connect and set its clock…',
    starting: 'The trial speaker is starting…',
    failed: (why) => `The trial speaker ended: ${why}. The centre starts it again.`,
    device: (name) => `The trial speaker plays through the server’s sound device: ${name}.`,
    file: 'The server has no sound device, so the trial speaker writes into a file that you can listen to here. Its record then says “content was ready”, never that it sounded.',
    end: 'End the trial',
    endHeading: 'End the trial?',
    endWhat: (title) =>
      `“${title}” stops and plays no more. Its record stays; a real controller can be installed in its place later.`,
    ended: 'The trial has ended.',
    online: 'connected',
  },

  bulletin: {
    heading: 'Bulletin',
    is: (title) => title,
    what: 'Choose any audio file: MP3, M4A, WAV, OGG, FLAC… The centre converts it for broadcast and evens out its loudness.',
    title: 'Title of the bulletin',
    titleHint: 'For example: Test, or Water will be cut off.',
    file: 'Audio file',
    send: 'Upload and submit for approval',
    sending: 'Uploading…',
    missing: 'Please enter a title and choose an audio file.',
    converting: (title, percent) => `Converting “${title}” for broadcast: ${percent}%…`,
    refused: (title, why) => `The file of “${title}” cannot be used: ${why}. Please choose another.`,
    record: 'Record, or write it in full',
  },

  approve: {
    heading: 'Approval',
    is: (title) => `“${title}” is approved`,
    what: 'The approver listens to the bulletin and signs with their own key, here in the browser. Without a signature no speaker plays.',
    waits: (title) => `“${title}” waits for approval.`,
    go: 'Listen and approve',
    first: 'First there has to be a bulletin.',
  },

  play: {
    heading: 'Test play',
    what: 'Puts the bulletin on the schedule once, at the next whole minute, on one speaker.',
    bulletin: 'Bulletin',
    speaker: 'Speaker',
    go: 'Play in a minute',
    first: 'First there have to be a connected speaker and an approved bulletin.',
    confirm: 'Test play?',
    confirmWhat: (title, speaker, at) => `“${title}” will play on ${speaker} at ${at}.`,
    loud: 'This is a real speaker: if it stands on its pole, people around will hear it.',
    findings: 'The centre notes:',
    run: 'Schedule it',
    scheduled: (title, at) => `“${title}” will play at ${at}.`,
    countdown: (left) => `${left} s to go.`,
    playing: (title) => `“${title}” is playing…`,
    again: 'Play once more',
    all: 'Daily schedules stand under Schedule',
  },

  heard: {
    proven: 'It sounded. The speaker measured sound at its output and has reported it.',
    back: 'It sounded, and was heard back by a microphone or line at the horn.',
    ready:
      'It played into a file. The content was all there, was what was approved, and played at its time; but this machine has no sound device, so nothing proves that it sounded.',
    notPlayed: (reason) => `It could not play: ${reason}.`,
    listen: 'Listen to it',
    loading: 'Loading…',
    label: 'What the trial speaker has played',
    facts: (start, heard) => `Began at ${start}, played ${heard} s.`,
    lateReport: 'Its time has come; waiting for the speaker to report…',
  },
};

export const startWords: Record<Lang, StartWords> = { vi, en };
