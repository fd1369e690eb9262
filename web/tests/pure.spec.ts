// The page's pure functions: no browser, no center.
import { expect, test } from '@playwright/test';
import { Format, startOfDay } from '../src/lib/format.ts';
import { Refresher } from '../src/lib/live.ts';
import { summarise } from '../src/lib/summary.ts';
import { texts } from '../src/lib/text.ts';
import { tokenInFragment, tokenInInput } from '../src/lib/token.ts';
import { aPlay, aSilentPlay, everyOutcome, HOUR_MS, NOW_MS } from './samples.ts';

const vi = new Format('vi', 'Asia/Ho_Chi_Minh');
const en = new Format('en', 'Asia/Ho_Chi_Minh');
const number = (n: number) => String(n);

test('an instant is as long as it must be', () => {
  const cases: [number, string, string][] = [
    [NOW_MS, '10:00:00', '10:00:00'],
    [NOW_MS - 10 * HOUR_MS, '00:00:00', '00:00:00'],
    [NOW_MS - 10 * HOUR_MS - 1, '23:59:59 20/11', '23:59:59 20 Nov'],
    [Date.UTC(2025, 11, 31, 17, 0, 0), '00:00:00 01/01', '00:00:00 1 Jan'],
    [Date.UTC(2025, 11, 31, 16, 59, 59), '23:59:59 31/12/2025', '23:59:59 31 Dec 2025'],
  ];
  for (const [ms, vietnamese, english] of cases) {
    expect(vi.instant(ms, NOW_MS)).toBe(vietnamese);
    expect(en.instant(ms, NOW_MS)).toBe(english);
  }
});

test('distance in time, past and future', () => {
  const cases: [number, string | null, string | null][] = [
    [-4_000, null, null],
    [-40_000, '40 giây trước', '40 seconds ago'],
    [-5 * 60_000, '5 phút trước', '5 minutes ago'],
    [2 * HOUR_MS, 'sau 2 giờ nữa', 'in 2 hours'],
    [-50 * HOUR_MS, '2 ngày trước', '2 days ago'],
  ];
  for (const [away_ms, vietnamese, english] of cases) {
    expect(vi.relative(NOW_MS + away_ms, NOW_MS)).toBe(vietnamese);
    expect(en.relative(NOW_MS + away_ms, NOW_MS)).toBe(english);
  }
});

test('measures carry their unit on the same line', () => {
  expect(vi.milliseconds(0.4)).toBe('0,4\u00a0ms');
  expect(en.milliseconds(-850.4)).toBe('850\u00a0ms');
  expect(vi.milliseconds(42_000)).toBe('42,0\u00a0s');
  expect(vi.dbfs(-18.24)).toBe('−18,2\u00a0dBFS');
  expect(vi.seconds(62_400)).toBe('62,4');
});

test('a day begins at local midnight, also where days have 23 or 25 hours', () => {
  expect(startOfDay(NOW_MS, 'Asia/Ho_Chi_Minh')).toBe(Date.UTC(2026, 10, 20, 17));
  expect(startOfDay(NOW_MS, 'Asia/Ho_Chi_Minh', 8)).toBe(Date.UTC(2026, 10, 12, 17));
  // Berlin left summer time on 25 October 2026 and entered it on 29 March.
  expect(startOfDay(Date.UTC(2026, 9, 25, 22), 'Europe/Berlin')).toBe(Date.UTC(2026, 9, 24, 22));
  expect(startOfDay(Date.UTC(2026, 9, 26, 5), 'Europe/Berlin', 1)).toBe(Date.UTC(2026, 9, 24, 22));
  expect(startOfDay(Date.UTC(2026, 2, 30, 5), 'Europe/Berlin', 1)).toBe(Date.UTC(2026, 2, 28, 23));
});

test('a zone this browser does not know falls back to the usual one', () => {
  expect(new Format('vi', 'Asia/Nowhere').zone).toBe('Asia/Ho_Chi_Minh');
});

test('the summary claims no more than is proven', () => {
  const midnight = startOfDay(NOW_MS, 'Asia/Ho_Chi_Minh');
  const cases = [
    { plays: [], vietnamese: 'hôm nay chưa có lượt phát nào', english: 'no plays yet today' },
    {
      plays: [aPlay()],
      vietnamese: '1 lượt phát hôm nay, đã được chứng minh',
      english: '1 play today, proven',
    },
    {
      plays: [1, 2, 3, 4].map((hours) => aPlay({ start_ms: NOW_MS - hours * HOUR_MS })),
      vietnamese: '4 lượt phát hôm nay, tất cả đã được chứng minh',
      english: '4 plays today, all proven',
    },
    {
      plays: [aPlay({ evidence: 'content_ready' })],
      vietnamese: '1 lượt phát hôm nay: 1 báo đã phát nhưng chưa có bằng chứng âm thanh',
      english: '1 play today: 1 reported as played but without proof of sound',
    },
    {
      plays: [aPlay(), aSilentPlay({ outcome: 'planned', start_ms: NOW_MS - 1_000 })],
      vietnamese: '2 lượt phát hôm nay: 1 đã được chứng minh, 1 đã đến giờ, đang chờ báo cáo',
      english: '2 plays today: 1 proven, 1 due, waiting for its report',
    },
    {
      plays: everyOutcome(),
      vietnamese:
        '6 lượt phát hôm nay: 1 đã được chứng minh, 1 phát muộn, 1 phát thiếu, 1 không phát, 1 chưa có báo cáo, 1 đang phát',
      english: '6 plays today: 1 proven, 1 late, 1 only in part, 1 not played, 1 without a report, 1 playing now',
    },
  ];
  for (const { plays, vietnamese, english } of cases) {
    const day = summarise({ items: plays, complete: true }, midnight, NOW_MS);
    expect(texts.vi.summary.plays(day, number)).toBe(vietnamese);
    expect(texts.en.summary.plays(day, number)).toBe(english);
  }
  const cut = summarise({ items: [aPlay()], complete: false }, midnight, NOW_MS);
  expect(texts.en.summary.plays(cut, number)).toBe('more than 1 plays in the log below');
});

test('the access code is found in an address and in what people paste', () => {
  expect(tokenInFragment('#token=abc-123')).toBe('abc-123');
  expect(tokenInFragment('#token=')).toBeNull();
  expect(tokenInFragment('#plays')).toBeNull();
  expect(tokenInFragment('')).toBeNull();
  expect(tokenInInput('  abc-123\n')).toBe('abc-123');
  expect(tokenInInput('http://127.0.0.1:8080/#token=abc-123')).toBe('abc-123');
});

test('a read waits a little for the changes that come with the first, and no longer for those after', () => {
  const planned: { run: () => void; delay_ms: number | undefined }[] = [];
  const real = globalThis.setTimeout;
  globalThis.setTimeout = ((run: () => void, delay_ms?: number) => planned.push({ run, delay_ms })) as never;
  try {
    const reads: string[][] = [];
    const refresher = new Refresher<string>((asked) => {
      reads.push([...asked]);
      return new Promise(() => {});
    }, 250);
    refresher.ask('plays');
    refresher.ask('speakers');
    expect(planned.map(({ delay_ms }) => delay_ms)).toEqual([250]);
    expect(reads).toEqual([]);
    planned[0]?.run();
    expect(reads).toEqual([['plays', 'speakers']]);
  } finally {
    globalThis.setTimeout = real;
  }
});

test('a burst of changes becomes one read, and what changes meanwhile the next', async () => {
  const reads: string[][] = [];
  let finish = (): void => {};
  let began = (): void => {};
  const nextRead = () => new Promise<void>((resolve) => (began = resolve));
  const refresher = new Refresher<string>((asked) => {
    reads.push([...asked].sort());
    began();
    return new Promise<void>((resolve) => (finish = resolve));
  }, 1);

  let read = nextRead();
  for (let i = 0; i < 50; i += 1) refresher.ask(i % 2 === 0 ? 'plays' : 'speakers');
  await read;
  expect(reads).toEqual([['plays', 'speakers']]);

  refresher.ask('plays');
  refresher.ask('plays');
  expect(reads).toHaveLength(1);
  read = nextRead();
  finish();
  await read;
  expect(reads).toEqual([['plays', 'speakers'], ['plays']]);

  refresher.stop();
  finish();
  refresher.ask('speakers');
  expect(reads).toHaveLength(2);
});
