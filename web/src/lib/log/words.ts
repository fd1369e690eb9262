// The words of the log, Vietnamese first; loaded with it. English has the type of the original.
import type { Lang } from '../text.ts';

const vi = {
  heading: 'Nhật ký phát',
  help: 'Mỗi dòng là một lượt phát trên một cụm loa: theo lịch lúc nào, phát ra sao, và vì sao nếu không phát đủ.',
  filters: 'Lọc',
  all: 'Tất cả',
  outcome: 'Kết quả',
  reason: 'Lý do',
  priority: 'Mức ưu tiên',
  evidence: 'Bằng chứng',
  success: 'Phát thành công',
  failed: 'Không phát đủ',
  sounded: 'Có bằng chứng âm thanh',
  unproven: 'Chưa có bằng chứng âm thanh',
  chips: {
    speaker: (id: string) => `Cụm loa: ${id}`,
    schedule: (id: string) => `Lịch phát: ${id}`,
    bulletin: (id: string) => `Bản tin: ${id}`,
    field: (name: string) => `Lĩnh vực: ${name}`,
    language: (name: string) => `Ngôn ngữ: ${name}`,
    on_time: (value: string): string => (value === 'true' ? 'Bắt đầu đúng giờ' : 'Không bắt đầu đúng giờ'),
  },
  remove: (what: string) => `Bỏ lọc ${what}`,
  clear: 'Bỏ mọi bộ lọc',
  shown: (n: string) => `${n} lượt, mới nhất ở trên.`,
  more: (n: string) => `Mới đọc ${n} lượt mới nhất; còn lượt cũ hơn.`,
  readMore: 'Đọc thêm',
  reading: 'Đang đọc nhật ký…',
  tooMany: 'Đây là những lượt mới nhất. Hãy chọn kỳ ngắn hơn hoặc lọc thêm để thấy phần còn lại.',
  empty: 'Không có lượt phát nào khớp.',
  emptyNext: 'Hãy chọn kỳ khác hoặc bỏ bớt bộ lọc. Lượt phát hiện ở đây khi đến giờ trong lịch phát.',
  report: 'Báo cáo của kỳ này',
};

export type LogWords = typeof vi;

const en: LogWords = {
  heading: 'Playback log',
  help: 'Each line is one play on one speaker: when it was planned, how it went, and why if it was not played in full.',
  filters: 'Filter',
  all: 'All',
  outcome: 'Outcome',
  reason: 'Reason',
  priority: 'Priority',
  evidence: 'Evidence',
  success: 'Played to the end',
  failed: 'Not played to the end',
  sounded: 'Proven to have sounded',
  unproven: 'Not proven to have sounded',
  chips: {
    speaker: (id) => `Speaker: ${id}`,
    schedule: (id) => `Schedule: ${id}`,
    bulletin: (id) => `Bulletin: ${id}`,
    field: (name) => `Field: ${name}`,
    language: (name) => `Language: ${name}`,
    on_time: (value) => (value === 'true' ? 'Began on time' : 'Did not begin on time'),
  },
  remove: (what) => `Remove the filter ${what}`,
  clear: 'Remove all filters',
  shown: (n) => `${n} plays, newest first.`,
  more: (n) => `The newest ${n} plays were read; there are older ones.`,
  readMore: 'Read more',
  reading: 'Reading the log…',
  tooMany: 'These are the newest. Choose a shorter period, or filter, to see the others.',
  empty: 'No play fits.',
  emptyNext: 'Choose another period, or remove a filter. Plays appear here when their time in the schedule comes.',
  report: 'Report on this period',
};

export const logWords: Record<Lang, LogWords> = { vi, en };
