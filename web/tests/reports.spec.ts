// Reports and the log before a real center: chosen area and time stay in the address, every figure leads to its plays, files come down,
// on a desk and on a phone, by keyboard, in both languages. The figures of a busy month are a sample: a real one takes a month.
import { readFileSync } from 'node:fs';
import type { Page } from '@playwright/test';
import { dayOf, known, periodOf, plus, shifted, startOf } from '../src/lib/reports/days.ts';
import { chooseEnglish, expectAccessible, expectNoSidewaysScroll } from './harness.ts';
import { enterAs, expect, test, type Office } from './office.ts';
import { busyMonth } from './report-sample.ts';

const WIDE = { width: 1280, height: 900 };
const PHONE = { width: 360, height: 740 };

test.use({ viewport: WIDE });

/** Answers with the sample whatever period is asked for. */
async function withSample(page: Page): Promise<void> {
  await page.route('**/api/v1/reports/period?*', (route) => {
    const query = new URL(route.request().url()).searchParams;
    const [area, from, to] = ['area', 'from', 'to'].map((name) => query.get(name) ?? '');
    return route.fulfill({ json: { ...busyMonth, area, from, to } });
  });
}

/** A play that is planned for a speaker that nobody has plugged in. */
async function plannedPlay(office: Office, name: string): Promise<void> {
  office.cli('speaker', 'add', `loa-${name}`, '--title', `Cụm loa ${name}`, '--area', '24133');
  office.bulletin(name, { title: `Bản tin ${name}` });
  const at = new Date(Date.now() + 180_000);
  const local = new Date(at.getTime() + 7 * 3_600_000).toISOString();
  await office.api('PUT', `/programmes/${name}`, { title: name, items: [name] });
  await office.api('PUT', `/schedules/${name}`, {
    title: `Lịch ${name}`,
    cron: `${local.slice(17, 19)} ${Number(local.slice(14, 16))} ${Number(local.slice(11, 13))} * * *`,
    // Others of this office have speakers there too.
    targets: [`speaker:loa-${name}`],
    programme: name,
  });
}

test('a center that has nothing to tell says so, and the files come all the same', async ({ page, office }) => {
  await enterAs(page, office, 'xem', 'reports?from=2025-02-01&to=2025-02-28');
  await expect(page.getByRole('heading', { name: 'Báo cáo phát thanh' })).toBeVisible();
  await expect(page.getByText('Không có lượt phát nào theo lịch trong kỳ này.')).toBeVisible();
  await expect(page.getByText('tháng 02/2025')).toBeVisible();
  for (const [name, head] of [
    ['PDF để in, ký', '%PDF'],
    ['Excel', 'PK'],
    ['CSV', '\u00ef\u00bb\u00bf'],
  ] as const) {
    const coming = page.waitForEvent('download');
    await page.getByRole('link', { name, exact: true }).click();
    const file = await coming;
    expect(file.suggestedFilename()).toMatch(/^Báo cáo phát thanh .*tháng 02 năm 2025\.(pdf|xlsx|csv)$/);
    expect(
      readFileSync(await file.path())
        .toString('latin1')
        .startsWith(head),
    ).toBe(true);
  }
  await expectAccessible(page);
});

test('area and period are chosen, kept in the address, and every figure opens its plays', async ({ page, office }) => {
  await withSample(page);
  await enterAs(page, office, 'xem', 'reports?from=2026-10-01&to=2026-10-31');
  await expect(page.getByText('96,4%').first()).toBeVisible();
  await page.getByLabel('Kỳ báo cáo', { exact: true }).selectOption('quarter');
  await expect(page.getByText('quý IV/2026')).toBeVisible();
  await expect(page).toHaveURL(/from=2026-10-01&to=2026-12-31/);
  await page.getByRole('button', { name: 'Kỳ trước' }).click();
  await expect(page.getByText('quý III/2026')).toBeVisible();
  await page.reload();
  await expect(page.getByText('quý III/2026')).toBeVisible();
  await expectAccessible(page);

  const areas = page.getByRole('table', { name: 'Theo đơn vị' });
  await areas.getByRole('link', { name: 'Phường Ea Kao' }).click();
  await expect(page).toHaveURL(/area=24169/);
  await expect(page.getByLabel('Đơn vị', { exact: true })).toHaveValue('24169');
  await page.getByRole('table', { name: 'Vì sao không phát đủ' }).getByRole('link').first().click();
  await expect(page.getByRole('heading', { name: 'Nhật ký phát' })).toBeVisible();
  await expect(page).toHaveURL(/#log\?/);
  await expect(page.getByLabel('Lý do')).toHaveValue('powered_off');
  await expect(page.getByLabel('Kết quả')).toHaveValue('missed');
  await expect(page.getByLabel('Đơn vị', { exact: true })).toHaveValue('24169');
});

test('the index says of each figure what it means and where it comes from', async ({ page, office }) => {
  await withSample(page);
  await enterAs(page, office, 'xem', 'reports/index?from=2026-10-01&to=2026-10-31');
  const figures = page.getByRole('main').getByRole('listitem');
  await expect(figures).toHaveCount(12);
  await expect(figures.filter({ hasText: 'Lượt phát đúng giờ' })).toContainText('lệch không quá 1 giây');
  await expect(figures.filter({ hasText: 'Tin khẩn cấp' })).toContainText('chưa có gì để đo');
  await expectAccessible(page);
  await page.getByRole('link', { name: /liên quan\s*: Lượt phát đúng giờ/ }).click();
  await expect(page.getByRole('button', { name: /Bỏ lọc Không bắt đầu đúng giờ/ })).toBeVisible();
  await page.getByRole('button', { name: 'Bỏ mọi bộ lọc' }).first().click();
  await expect(page).not.toHaveURL(/on_time/);
});

test('on a phone, in English, and on paper', async ({ page, office }) => {
  await page.setViewportSize(PHONE);
  await withSample(page);
  await enterAs(page, office, 'xem', 'reports?from=2026-10-01&to=2026-10-31');
  await expect(page.getByText('96,4%').first()).toBeVisible();
  await expectNoSidewaysScroll(page);
  await expectAccessible(page);
  await page.goto(`${office.url}/#reports/index?from=2026-10-01&to=2026-10-31`);
  await expect(page.getByRole('heading', { name: 'Bộ chỉ số' })).toBeVisible();
  await expectNoSidewaysScroll(page);
  await chooseEnglish(page);
  await page.goto(`${office.url}/#reports?from=2026-10-01&to=2026-10-31`);
  await expect(page.getByRole('heading', { name: 'Broadcast report' })).toBeVisible();
  await expect(page.getByText('96.4%').first()).toBeVisible();
  await expectNoSidewaysScroll(page);
  await expectAccessible(page);
  await page.emulateMedia({ media: 'print' });
  await expect(page.getByRole('table', { name: 'By area' })).toBeVisible();
  await expect(page.getByRole('navigation')).toBeHidden();
  await expect(page.getByRole('link', { name: 'Excel' })).toBeHidden();
});

test('the log shows what is to come, live, and filters by keyboard', async ({ page, office }) => {
  await plannedPlay(office, 'nhat-ky');
  // Near midnight the play is tomorrow's.
  const today = dayOf(Date.now(), 'Asia/Ho_Chi_Minh');
  await enterAs(page, office, 'kythuat', `log?from=${today}&to=${plus(today, 1)}`);
  const row = page.getByRole('row', { name: /Lịch nhat-ky/ });
  await expect(row).toContainText('Sắp phát');
  await expect(row).toContainText('Cụm loa nhat-ky');
  await expectAccessible(page);
  const outcome = page.getByLabel('Kết quả');
  await outcome.focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await expect(page.getByText('Không có lượt phát nào khớp.')).toBeVisible();
  await page.getByRole('button', { name: 'Bỏ mọi bộ lọc' }).last().focus();
  await page.keyboard.press('Enter');
  await expect(row).toBeVisible();
  // Of another commune there is nothing to tell.
  await page.getByLabel('Đơn vị', { exact: true }).selectOption('24175');
  await expect(row).toHaveCount(0);
  await page.goto(`${office.url}/#log?area=66&speaker=loa-nhat-ky&from=${today}&to=${plus(today, 1)}`);
  await expect(page.getByRole('button', { name: /Bỏ lọc Cụm loa: loa-nhat-ky/ })).toBeVisible();
  await expect(row).toBeVisible();

  await page.setViewportSize(PHONE);
  await expectNoSidewaysScroll(page);
  await expectAccessible(page);
  await chooseEnglish(page);
  await expect(page.getByRole('heading', { name: 'Playback log' })).toBeVisible();
  await expectAccessible(page);
});

test('days are the days of the office', () => {
  const zone = 'Asia/Ho_Chi_Minh';
  expect(dayOf(Date.parse('2026-11-22T17:00:00Z'), zone)).toBe('2026-11-23');
  expect(new Date(startOf('2026-11-23', zone)).toISOString()).toBe('2026-11-22T17:00:00.000Z');
  expect(dayOf(startOf('2026-11-23', 'Pacific/Kiritimati'), 'Pacific/Kiritimati')).toBe('2026-11-23');
  expect(periodOf('quarter', '2026-11-23')).toEqual({ kind: 'quarter', from: '2026-10-01', to: '2026-12-31' });
  expect(periodOf('month', '2024-02-10').to).toBe('2024-02-29');
  expect(shifted(periodOf('year', '2026-05-05'), -1)).toEqual({ kind: 'year', from: '2025-01-01', to: '2025-12-31' });
  expect(shifted({ kind: 'other', from: '2026-11-01', to: '2026-11-10' }, 1)).toMatchObject({ from: '2026-11-11' });
  expect(known('2026-07-01', '2026-09-30').kind).toBe('quarter');
  expect(known('2026-07-01', '2026-09-29').kind).toBe('other');
});
