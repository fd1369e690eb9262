// The plays to come: who is ready for them, in both languages, by keyboard and on a phone.
import { chooseEnglish, enter, expect, expectAccessible, expectNoSidewaysScroll, test } from './harness.ts';
import { Format } from '../src/lib/format.ts';
import { aComingPlay, aNotReady, HOUR_MS, MINUTE_MS, NOW_MS } from './samples.ts';

const WIDE = { width: 1280, height: 900 };
const PHONE = { width: 360, height: 740 };

test('a planned time is as short as it may be, and a size is never nothing', () => {
  const vi = new Format('vi', 'Asia/Ho_Chi_Minh');
  expect(vi.minute(NOW_MS + 7 * HOUR_MS, NOW_MS)).toBe('17:00');
  expect(vi.minute(NOW_MS + 7 * HOUR_MS + 5_000, NOW_MS)).toBe('17:00:05');
  expect(vi.minute(NOW_MS + 19 * HOUR_MS, NOW_MS)).toBe('05:00 22/11');
  expect(new Format('en', 'Asia/Ho_Chi_Minh').minute(NOW_MS + 19 * HOUR_MS, NOW_MS)).toBe('05:00 22 Nov');
  expect([0, 1, 1_234_567].map((bytes) => vi.megabytes(bytes))).toEqual(['0,0\u00a0MB', '0,1\u00a0MB', '1,2\u00a0MB']);
});

test('how many are ready, and who is not and why, is said in both languages', async ({ page, center }) => {
  center.coming = [aComingPlay({ ready_offline: 4 })];
  await enter(page, center);
  const plays = page.getByRole('region', { name: 'Các buổi sắp tới' });
  await expect(plays.getByText('37/40 cụm loa sẵn sàng cho 17:00')).toBeVisible();
  await expect(plays).toContainText('Bản tin chiều');
  await expect(plays).toContainText('4 cụm loa trong số đó đang mất kết nối nhưng đã có đủ nội dung');
  await expect(plays.getByText('cum-loa-02')).toBeHidden();
  // By the keyboard.
  await plays.getByText('3 cụm loa chưa sẵn sàng').focus();
  await page.keyboard.press('Enter');
  const speakers = plays.locator('details li');
  await expect(speakers).toHaveText([
    /Cụm loa thôn 1\s*cum-loa-01\s*chưa nhận đủ nội dung:\s*còn thiếu 1,2\sMB\s*$/,
    /Cụm loa thôn 2\s*cum-loa-02\s*chưa nhận đủ nội dung:\s*còn thiếu 1,2\sMB\s*Mất kết nối từ 08:00:00/,
    /Chợ\s*cum-loa-03\s*chưa từng kết nối\s*$/,
  ]);
  await chooseEnglish(page);
  const english = page.getByRole('region', { name: 'Plays to come' });
  await expect(english.getByText('37/40 speakers ready for 17:00')).toBeVisible();
  await expect(english.locator('details li').first()).toContainText('content has not all arrived: 1.2\u00a0MB to come');
});

test('time that runs short is marked, and what changes is shown without a reload', async ({ page, center }) => {
  center.coming = [
    aComingPlay({ start_ms: NOW_MS + 10 * MINUTE_MS, warning: 'late', title: 'Khẩn' }),
    aComingPlay({ start_ms: NOW_MS + HOUR_MS, warning: 'soon', title: 'Sớm' }),
    aComingPlay({ title: 'Chiều' }),
    aComingPlay({ start_ms: NOW_MS - MINUTE_MS, title: 'Đang phát rồi' }),
  ];
  await enter(page, center);
  const plays = page.getByRole('list', { name: 'Các buổi sắp tới' });
  const play = (title: string) => plays.getByRole('listitem').filter({ hasText: title });
  await expect(play('Khẩn')).toContainText('Khó kịp giờ phát');
  await expect(play('Khẩn').locator('svg.bad')).toBeVisible();
  await expect(play('Sớm')).toContainText('Sắp đến giờ mà chưa đủ');
  await expect(play('Sớm').locator('svg.warn')).toBeVisible();
  await expect(play('Chiều').locator('svg.wait')).toBeVisible();
  await expect(play('Đang phát rồi'), 'what has begun is not to come').toHaveCount(0);
  await play('Sớm').locator('summary').click();
  await expect.poll(() => center.streamCount).toBe(1);
  center.coming = [
    aComingPlay({ start_ms: NOW_MS + HOUR_MS, title: 'Sớm', ready: 39, warning: 'soon', not_ready: [aNotReady()] }),
    aComingPlay({ title: 'Chiều', ready: 40, waiting: [], not_ready: [], missing_bytes: 0 }),
  ];
  center.emit('speakers');
  await expect(play('Chiều')).toContainText('40/40 cụm loa sẵn sàng');
  await expect(play('Chiều').locator('svg.ok')).toBeVisible();
  await expect(play('Chiều').locator('details')).toHaveCount(0);
  // What was folded out stays so.
  await expect(play('Sớm').locator('details li')).toHaveCount(1);
});

test('nothing to come is said, and a long day is shown in parts', async ({ page, center }) => {
  await enter(page, center);
  await expect(page.getByText('Không có buổi phát nào trong 24 giờ tới.')).toBeVisible();
  await expect.poll(() => center.streamCount).toBe(1);
  center.coming = Array.from({ length: 14 }, (_, i) => aComingPlay({ start_ms: NOW_MS + (i + 1) * HOUR_MS }));
  center.emit('plays');
  const plays = page.getByRole('list', { name: 'Các buổi sắp tới' }).locator('> li');
  await expect(plays).toHaveCount(6);
  const section = page.getByRole('region', { name: 'Các buổi sắp tới' });
  await section.getByRole('button', { name: 'Hiện thêm 6 dòng' }).click();
  await section.getByRole('button', { name: 'Hiện thêm 2 dòng' }).click();
  await expect(plays).toHaveCount(14);
  const more = aNotReady({ title: 'Nghiêng'.repeat(30), speaker: 'nghieng'.repeat(9) });
  center.coming = [aComingPlay({ ready: 0, not_ready: [more], title: 'Nghiêng'.repeat(30) })];
  center.emit('plays');
  await expect(plays).toHaveCount(1);
  await section.locator('summary').click();
  await expect(section).toContainText('và 39 cụm loa khác');
  await page.setViewportSize({ width: 320, height: 800 });
  await expectNoSidewaysScroll(page);
});

for (const viewport of [PHONE, WIDE]) {
  for (const colorScheme of ['light', 'dark'] as const) {
    test(`folded out, nothing that axe knows: ${viewport.width} px, ${colorScheme}`, async ({ page, center }) => {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await page.setViewportSize(viewport);
      center.coming = [
        aComingPlay({ start_ms: NOW_MS + 10 * MINUTE_MS, warning: 'late' }),
        aComingPlay({ warning: 'soon' }),
        aComingPlay({ start_ms: NOW_MS + 9 * HOUR_MS, ready: 40, ready_offline: 2, waiting: [], not_ready: [] }),
      ];
      await enter(page, center);
      for (const summary of await page.locator('summary').all()) await summary.click();
      await expectAccessible(page);
      await chooseEnglish(page);
      await expectAccessible(page);
    });
  }
}
