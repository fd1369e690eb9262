// The words of the first page, Vietnamese first; they are loaded with it. English has the type of the original.
import type { Schema } from '../api.ts';
import type { Lang } from '../text.ts';

type Standing = Schema<'SpeakerStanding'>;

const vi = {
  heading: 'Tổng quan',
  loading: 'Đang đọc tình hình…',
  start: 'Bắt đầu: từng bước tới buổi phát đầu tiên',

  onAir: {
    heading: 'Đang phát',
    empty: 'Lúc này không có gì đang phát.',
    next: (time: string, title: string) => `Buổi kế tiếp lúc ${time}: ${title}`,
    sounding: (n: string, all: string) => `${n}/${all} cụm loa báo đang phát`,
    soundingOnly: (n: string) => `${n} cụm loa báo đang phát`,
    offline: (n: string) => `${n} mất kết nối, chưa biết có phát không`,
    silent: (n: string) => `${n} đang kết nối mà không phát`,
    since: (time: string) => `từ ${time}`,
    until: (time: string) => `đến ${time}`,
  },

  standing: {
    heading: 'Cụm loa',
    none: 'Chưa có cụm loa nào. Thêm cụm loa ở phần Cụm loa.',
    toList: 'Mở danh sách cụm loa',
    words: {
      sounding: 'đang phát',
      ready: 'sẵn sàng',
      preparing: 'đang chuẩn bị',
      attention: 'cần xem',
      offline: 'mất kết nối',
      never: 'chưa từng kết nối',
      disabled: 'đã ngắt',
    } satisfies Record<Standing, string>,
  },

  troubles: {
    heading: 'Trục trặc từ hôm qua',
    none: 'Từ hôm qua đến nay không có trục trặc nào được ghi nhận.',
    areas: (n: string) => `${n} khu vực`,
    speakers: (n: string, of: string) => (n === of ? `cả ${n} cụm loa` : `${n}/${of} cụm loa`),
    plays: (n: string) => `${n} lượt phát`,
    unheard: (n: string) => `chưa biết kết quả ${n} lượt phát`,
    since: (time: string) => `từ ${time}`,
    between: (first: string, last: string) => `từ ${first} đến ${last}`,
    among: (names: string, more: string | null) => (more === null ? names : `${names} và ${more} cụm loa khác`),
    more: (n: string) => `Hiện thêm ${n} khu vực`,
    cause: {
      link_down: 'mất kết nối',
      clock_untrusted: 'đồng hồ chưa tin cậy',
      plan_refused: 'từ chối lịch mới',
      content_missing: 'sắp phát mà chưa đủ nội dung',
      fault: 'hỏng hóc',
      play_failed: 'không phát được',
    } as Record<string, string>,
    fault: {
      amplifier: 'bộ khuếch đại',
      path: 'tiếng nghe lại khác lúc lắp đặt',
      capture: 'không nghe lại được',
      store: 'không ghi được vào ổ lưu',
      card_read_only: 'thẻ nhớ chỉ đọc được',
      card_failing: 'thẻ nhớ sắp hỏng',
      card_worn: 'thẻ nhớ đã mòn',
      disk_errors: 'ổ lưu có lỗi',
      disk_low: 'ổ lưu sắp đầy',
      memory_high: 'thiếu bộ nhớ',
      hot: 'quá nóng',
      other: 'khác',
    } as Record<string, string>,
  },

  waiting: {
    heading: 'Chờ bạn',
    none: 'Không có việc gì đang chờ bạn.',
    more: (n: string) => `và ${n} mục khác`,
    ends: (time: string) => `hết hạn ${time}`,
    since: (time: string) => `từ ${time}`,
    kind: {
      to_approve: 'Bản tin chờ bạn duyệt',
      returned: 'Bản tin bị trả lại',
      upload_refused: 'Tệp không nhận được',
      no_board: 'Cụm loa chưa có bộ điều khiển',
      board_certificate_ends: 'Chứng thư kết nối sắp hết hạn',
      certificate_ends: 'Chứng thư người ký sắp hết hạn',
      trust_ends: 'Danh sách tin cậy sắp hết hạn',
    } as Record<string, string>,
  },
};

export type Words = typeof vi;

const en: Words = {
  heading: 'Overview',
  loading: 'Reading how things stand…',
  start: 'Get started: step by step to the first play',

  onAir: {
    heading: 'On the air',
    empty: 'Nothing is on the air now.',
    next: (time, title) => `Next at ${time}: ${title}`,
    sounding: (n, all) => `${n}/${all} speakers say they sound`,
    soundingOnly: (n) => `${n} speakers say they sound`,
    offline: (n) => `${n} offline: whether they sound is not known`,
    silent: (n) => `${n} online and not sounding`,
    since: (time) => `since ${time}`,
    until: (time) => `until ${time}`,
  },

  standing: {
    heading: 'Speakers',
    none: 'There are no speakers yet. Add one under Speakers.',
    toList: 'Open the list of speakers',
    words: {
      sounding: 'sounding',
      ready: 'ready',
      preparing: 'preparing',
      attention: 'need attention',
      offline: 'offline',
      never: 'never connected',
      disabled: 'shut out',
    },
  },

  troubles: {
    heading: 'What went wrong since yesterday',
    none: 'Nothing that went wrong since yesterday is known.',
    areas: (n) => `${n} areas`,
    speakers: (n, of) => (n === of ? `all ${n} speakers` : `${n}/${of} speakers`),
    plays: (n) => `${n} plays`,
    unheard: (n) => `the outcome of ${n} plays is not known`,
    since: (time) => `since ${time}`,
    between: (first, last) => `from ${first} to ${last}`,
    among: (names, more) => (more === null ? names : `${names} and ${more} more`),
    more: (n) => `Show ${n} more areas`,
    cause: {
      link_down: 'offline',
      clock_untrusted: 'clock not trusted',
      plan_refused: 'refuse the new plan',
      content_missing: 'about to play without all content',
      fault: 'fault',
      play_failed: 'could not play',
    },
    fault: {
      amplifier: 'amplifier',
      path: 'sounds unlike at installation',
      capture: 'cannot listen back',
      store: 'cannot write to the disk',
      card_read_only: 'card is read-only',
      card_failing: 'card is failing',
      card_worn: 'card is worn',
      disk_errors: 'disk errors',
      disk_low: 'disk nearly full',
      memory_high: 'short of memory',
      hot: 'too hot',
      other: 'another',
    },
  },

  waiting: {
    heading: 'Waiting for you',
    none: 'Nothing is waiting for you.',
    more: (n) => `and ${n} more`,
    ends: (time) => `ends ${time}`,
    since: (time) => `since ${time}`,
    kind: {
      to_approve: 'Bulletins for you to approve',
      returned: 'Bulletins that were returned',
      upload_refused: 'Files that were refused',
      no_board: 'Speakers without a controller',
      board_certificate_ends: 'Certificates of controllers that end soon',
      certificate_ends: 'Certificates of signers that end soon',
      trust_ends: 'The trust list ends soon',
    },
  },
};

export const words: Record<Lang, Words> = { vi, en };
