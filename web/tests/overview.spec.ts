// The first page: what is on the air, what went wrong rolled up, what waits, each with the way to it; before a made-up center, since a
// real one has no hundred communes without power, and before a real one for what waits by right.
import { roll } from '../src/lib/overview/rollup.ts';
import { chooseEnglish, enter, expect, expectAccessible, expectNoSidewaysScroll, test as made } from './harness.ts';
import { enterAs, test } from './office.ts';
import { aComingPlay, anAirPlay, aSpeaker, aTrouble, aWaiting, HOUR_MS, MINUTE_MS, NOW_MS } from './samples.ts';

const PHONE = { width: 360, height: 740 };
const WIDE = { width: 1280, height: 900 };

test('troubles are rolled up by what they are, the most speakers first', () => {
  const rolls = roll([
    aTrouble({ area: 'a', speakers: 2, of: 25, first_ms: 50, last_ms: 60 }),
    aTrouble({ area: 'b', speakers: 25, of: 25, first_ms: 40, last_ms: 45, plays: 3 }),
    aTrouble({ area: 'a', cause: 'fault', detail: 'hot', speakers: 1, first_ms: null, last_ms: null }),
    aTrouble({ area: 'a', cause: 'fault', detail: 'store', speakers: 30, first_ms: null, last_ms: null }),
  ]);
  expect(rolls.map(({ cause, detail, speakers, of }) => [cause, detail, speakers, of])).toEqual([
    ['fault', 'store', 30, 25],
    ['link_down', null, 27, 50],
    ['fault', 'hot', 1, 25],
  ]);
  expect(rolls[1]).toMatchObject({ plays: 3, first_ms: 40, last_ms: 60 });
  expect(rolls[0]).toMatchObject({ first_ms: null, last_ms: null });
});

made('what is on, what failed and what waits, in words with figures and ways to it', async ({ page, center }) => {
  await page.setViewportSize(WIDE);
  center.speakers = [aSpeaker(), aSpeaker({ id: 'b', standing: 'sounding' })];
  center.onAir = [anAirPlay()];
  center.coming = [aComingPlay()];
  center.troubles = [
    aTrouble(),
    aTrouble({ area: '24169', area_title: 'Phường Ea Kao', speakers: 3, of: 20, plays: 12 }),
    aTrouble({ cause: 'play_failed', detail: 'content_missing', speakers: 4, plays: 12, last_ms: NOW_MS - HOUR_MS }),
    aTrouble({ cause: 'fault', detail: 'hot', speakers: 1, first_ms: null, last_ms: null }),
  ];
  center.waiting = [aWaiting()];
  await enter(page, center);
  const air = page.getByRole('region', { name: 'Đang phát' });
  await expect(air).toContainText('20/25 cụm loa báo đang phát');
  await expect(air).toContainText('3 mất kết nối, chưa biết có phát không');
  await expect(air).toContainText('2 đang kết nối mà không phát');
  const wrong = page.getByRole('region', { name: 'Trục trặc từ hôm qua' });
  await expect(wrong).toContainText('Mất kết nối — 2 khu vực: 28/45 cụm loa');
  await expect(wrong).toContainText(/Phường Buôn Ma Thuột: cả 25 cụm loa, từ 04:00/);
  await expect(wrong).toContainText('3/20 cụm loa, chưa biết kết quả 12 lượt phát');
  await expect(wrong).toContainText(
    /Không phát được: .*\s*Phường Buôn Ma Thuột: 4\/25 cụm loa, 12 lượt phát, từ 04:00 đến 09:00/,
  );
  await expect(wrong.getByRole('link', { name: 'Phường Ea Kao' })).toHaveAttribute(
    'href',
    '#speakers?area=24169&state=offline',
  );
  const mine = page.getByRole('region', { name: 'Chờ bạn' });
  await expect(mine.getByRole('link', { name: 'Lịch cắt nước' })).toHaveAttribute('href', '#approve/tin-1');
  await chooseEnglish(page);
  await expect(page.getByRole('region', { name: 'What went wrong since yesterday' })).toContainText(
    'all 25 speakers, since 04:00',
  );
  // It changes by itself.
  await expect.poll(() => center.streamCount).toBe(1);
  center.troubles = [];
  center.onAir = [];
  center.emit('speakers');
  await expect(page.getByText('Nothing that went wrong since yesterday is known.')).toBeVisible();
  await expect(page.getByText('Nothing is on the air now.')).toBeVisible();
});

made('a hundred communes without power are one line', async ({ page, center }) => {
  await page.setViewportSize(WIDE);
  center.speakers = [aSpeaker()];
  center.troubles = Array.from({ length: 109 }, (_, i) =>
    aTrouble({
      area: `a${i}`,
      area_title: `Xã số ${i}`,
      first_ms: NOW_MS - 40 * MINUTE_MS,
      last_ms: NOW_MS - 39 * MINUTE_MS,
    }),
  );
  await enter(page, center);
  const wrong = page.getByRole('region', { name: 'Trục trặc từ hôm qua' });
  await expect(wrong).toContainText('109 khu vực: cả 2.725 cụm loa, từ 09:20');
  await expect(wrong.getByRole('link')).toHaveCount(4);
  await wrong.getByRole('button', { name: 'Hiện thêm 105 khu vực' }).click();
  await expect(wrong.getByRole('link')).toHaveCount(109);
});

for (const viewport of [PHONE, WIDE]) {
  for (const english of [false, true]) {
    made(
      `fits and satisfies axe at ${viewport.width} px, ${english ? 'English' : 'Vietnamese'}`,
      async ({ page, center }) => {
        await page.setViewportSize(viewport);
        center.speakers = [aSpeaker()];
        center.onAir = [anAirPlay({ priority: 'emergency' })];
        center.troubles = [aTrouble(), aTrouble({ cause: 'fault', detail: 'hot', first_ms: null, last_ms: null })];
        center.waiting = [aWaiting({ detail: 'Sai ngày' })];
        await enter(page, center);
        if (english) await chooseEnglish(page);
        await expectNoSidewaysScroll(page);
        await expectAccessible(page);
        await page.emulateMedia({ colorScheme: 'dark' });
        await expectAccessible(page);
      },
    );
  }
}

test('each finds what waits for them', async ({ page, office }) => {
  office.cli('speaker', 'add', 'cho-bo-dieu-khien', '--title', 'Chờ bộ điều khiển', '--area', '24133');
  office.bulletin('tin-cho-duyet', { title: 'Tin chờ duyệt', approve: false });
  await enterAs(page, office, 'duyet');
  await expect(page.getByRole('link', { name: 'Tin chờ duyệt' })).toBeVisible();
  await expect(page.getByText('Cụm loa chưa có bộ điều khiển')).toHaveCount(0);
  await page.getByRole('button', { name: 'Đăng xuất' }).click();
  await enterAs(page, office, 'kythuat');
  await expect(page.getByText('Cụm loa chưa có bộ điều khiển')).toBeVisible();
  await expect(page.getByRole('link', { name: 'Tin chờ duyệt' })).toHaveCount(0);
  await page.getByRole('link', { name: 'Chờ bộ điều khiển', exact: true }).click();
  await expect(page.getByRole('heading', { name: 'Chờ bộ điều khiển', level: 2 })).toBeVisible();
});
