// Set-up in the page, on a real server with an empty directory: its steps, what is wrong told beside it, drafts over a reload, and both
// languages at both sizes. The whole way to a play that was heard is first-five-minutes.spec.ts.
import type { Page } from '@playwright/test';
import { chooseEnglish, expectAccessible, expectNoSidewaysScroll } from './harness.ts';
import { expect, test } from './newcomer.ts';
import { communes, emptyOffice, officeProblem, siteOf, top } from '../src/lib/setup/plan.ts';
import { makePassphrase, SYLLABLE_LIST } from '../src/lib/setup/passphrase.ts';
import { PROVINCES } from '../src/lib/setup/provinces.ts';
import { localMinute, nextStart } from '../src/lib/start/calls.ts';

const SIZES = [
  { name: 'a phone', width: 360, height: 740 },
  { name: 'a desktop', width: 1280, height: 800 },
];

async function office(page: Page): Promise<void> {
  await page.getByLabel('Tên cơ quan').fill('UBND xã Ea Kao');
  await page.getByLabel('Mã đơn vị hành chính').fill('24169');
  await page.getByLabel('Tên đơn vị').fill('Xã Ea Kao');
  await page.getByRole('button', { name: 'Tiếp tục' }).click();
  await expect(page.getByRole('heading', { name: 'Khóa gốc của cơ quan' })).toBeFocused();
}

/** Takes the passphrase that the page has made up, and shows that it was kept. */
async function keepPassphrase(page: Page, label: RegExp, next: string, wrote: string): Promise<string> {
  const phrase = (await page.locator('.phrase').textContent()) ?? '';
  await page.getByRole('button', { name: wrote }).click();
  const field = page.getByLabel(label);
  const [first = 0, second = 0] = (
    (await field.evaluate((input: HTMLInputElement) => input.labels?.[0]?.textContent ?? '')).match(/\d/g) ?? []
  ).map(Number);
  const words = phrase.split(' ');
  await field.fill(`${words[first - 1]} ${words[second - 1]}`);
  await page.getByRole('button', { name: next }).click();
  return phrase;
}

test.describe('set-up', () => {
  // Sealing a key is slow on purpose, and slower in a program that is built for tests.
  test.setTimeout(120_000);

  test('tells what is missing, keeps drafts over a reload but no secret, and goes back and forth', async ({
    page,
    newcomer,
  }) => {
    await page.goto(newcomer.setupUrl);
    await expect(page.getByRole('heading', { name: 'Lập trung tâm truyền thanh' })).toBeVisible();
    expect(page.url()).not.toContain('setup');
    await page.getByRole('button', { name: 'Tiếp tục' }).click();
    await expect(page.getByRole('alert')).toContainText('Hãy ghi tên cơ quan');
    await page.getByLabel('Tên cơ quan').fill('UBND xã Ea Kao');
    await page.getByLabel('Mã đơn vị hành chính').fill('2416');
    await expect(page.getByRole('alert')).toContainText('đúng năm chữ số');
    await office(page);

    // The wrong words are no proof that anything was kept.
    const shown = (await page.locator('.phrase').textContent()) ?? '';
    expect(shown.split(' ')).toHaveLength(6);
    await page.getByRole('button', { name: 'Tôi đã ghi lại' }).click();
    await page.getByLabel(/^Để chắc là đã ghi lại/).fill('không nhớ');
    await page.getByRole('button', { name: 'Tiếp tục' }).click();
    await expect(page.getByRole('alert')).toContainText('Chưa khớp');
    await page.getByRole('button', { name: 'Xem lại cụm mật khẩu' }).click();
    await expect(page.locator('.phrase')).toHaveText(shown);
    await keepPassphrase(page, /^Để chắc là đã ghi lại/, 'Tiếp tục', 'Tôi đã ghi lại');
    await expect(page.getByRole('heading', { name: 'Người duyệt đầu tiên' })).toBeFocused();
    await page.getByRole('button', { name: 'Người duyệt chưa có mặt: để sau' }).click();
    await page.getByRole('button', { name: 'Tiếp tục' }).click();
    await page.getByLabel('Tên đăng nhập').fill('quantri');
    await page.getByLabel('Họ tên và chức vụ').fill('Trần Văn Trị');
    await page.getByLabel('Mật khẩu', { exact: true }).fill('trà đá vỉa hè 2026');
    await page.getByLabel('Nhập lại mật khẩu').fill('trà đá');
    await page.getByRole('button', { name: 'Tiếp tục' }).click();
    await expect(page.getByRole('alert')).toContainText('không giống nhau');

    await page.reload();
    await expect(page.getByText('Trang đã được mở lại nên có cụm mật khẩu mới')).toBeVisible();
    await expect(page.locator('.phrase')).not.toHaveText(shown);
    const stored = await page.evaluate(() => JSON.stringify(localStorage));
    for (const secret of [shown, 'trà đá']) expect(stored).not.toContain(secret);
    await page.getByRole('button', { name: 'Quay lại' }).click();
    await expect(page.getByLabel('Tên cơ quan')).toHaveValue('UBND xã Ea Kao');
    await expect(page.getByLabel('Mã đơn vị hành chính')).toHaveValue('24169');
  });

  test('without the code the page says where it is, and a wrong one makes nothing', async ({ page, newcomer }) => {
    await page.goto(newcomer.url);
    await office(page);
    await keepPassphrase(page, /^Để chắc là đã ghi lại/, 'Tiếp tục', 'Tôi đã ghi lại');
    await page.getByRole('button', { name: 'Người duyệt chưa có mặt: để sau' }).click();
    await page.getByRole('button', { name: 'Tiếp tục' }).click();
    await page.getByLabel('Tên đăng nhập').fill('quantri');
    await page.getByLabel('Họ tên và chức vụ').fill('Trần Văn Trị');
    await page.getByLabel('Mật khẩu', { exact: true }).fill('trà đá vỉa hè 2026');
    await page.getByLabel('Nhập lại mật khẩu').fill('trà đá vỉa hè 2026');
    await page.getByRole('button', { name: 'Tiếp tục' }).click();
    await expect(page.getByText('loaxa serve').first()).toBeVisible();
    await page.getByLabel('Mã thiết lập').fill('đoán bừa');
    await page.getByRole('button', { name: 'Lập trung tâm' }).click();
    await expect(page.getByRole('alert')).toContainText('Mã thiết lập không đúng');
    await page.getByLabel('Mã thiết lập').fill(newcomer.setupUrl.split('=')[1] ?? '');
    await page.getByRole('button', { name: 'Lập trung tâm' }).click();
    await expect(page.getByRole('heading', { name: 'Trung tâm đã được lập' })).toBeFocused({ timeout: 60_000 });
    await expect(page.getByRole('link', { name: 'Tải authority.key về' })).toHaveAttribute('download', 'authority.key');
    await page.getByRole('button', { name: 'Tới lượt phát đầu tiên' }).click();
    await expect(page.getByRole('heading', { name: 'Tới lượt phát đầu tiên' })).toBeVisible();
    await expect(page.getByText('Chưa ai được chứng nhận')).toBeVisible();
    // The center is set up: its address leads to the sign-in, or back to the guide.
    await page.reload();
    await expect(page.getByRole('heading', { name: 'Tới lượt phát đầu tiên' })).toBeVisible();
    await expectAccessible(page);
  });

  for (const { name, width, height } of SIZES) {
    test(`by keyboard and without barriers, in both languages, on ${name}`, async ({ page, newcomer }) => {
      await page.setViewportSize({ width, height });
      await page.goto(newcomer.setupUrl);
      await expect(page.getByLabel('Tên cơ quan')).toBeVisible();
      const look = async () => {
        await expectAccessible(page);
        await expectNoSidewaysScroll(page);
      };
      await look();
      await chooseEnglish(page);
      await page.getByLabel('A whole province or city, many communes').check();
      await page.getByLabel('Name of the office').fill('Centre of Đắk Lắk');
      await page.getByLabel('Province or city', { exact: true }).selectOption('66');
      await page.getByLabel('Communes and wards').fill('24133 Phường Buôn Ma Thuột\n24169\tPhường Ea Kao');
      await expect(page.getByText('2 units.')).toBeVisible();
      await look();
      await page.getByLabel('Name of the office').press('Enter');
      await expect(page.getByRole('heading', { name: 'The authority key of the office' })).toBeFocused();
      await look();
      await keepPassphrase(page, /^To make sure/, 'Continue', 'I have written it down');
      await expect(page.getByRole('heading', { name: 'The first approver' })).toBeFocused();
      await look();
      await page.getByRole('button', { name: 'The approver is not here: do it later' }).click();
      await look();
      await page.getByRole('button', { name: 'Continue' }).press('Enter');
      await expect(page.getByRole('heading', { name: 'The first administrator' })).toBeFocused();
      await look();
      await page.getByLabel('Name to sign in with').fill('quantri');
      await page.getByLabel('Full name and office').fill('Trần Văn Trị');
      await page.getByLabel('Password', { exact: true }).fill('trà đá vỉa hè 2026');
      await page.getByLabel('The password again').fill('trà đá vỉa hè 2026');
      await page.getByLabel('The password again').press('Enter');
      await expect(page.getByRole('heading', { name: 'Review and make the centre' })).toBeFocused();
      await expect(page.getByText('2 units')).toBeVisible();
      await look();
      await page.getByRole('button', { name: 'Make the centre' }).press('Enter');
      await expect(page.getByRole('heading', { name: 'The centre is made' })).toBeFocused({ timeout: 60_000 });
      await look();
      await page.getByRole('button', { name: 'On to the first play' }).press('Enter');
      await expect(page.getByText('Tỉnh Đắk Lắk and 2 below it')).toBeVisible();
      await look();
    });
  }
});

test.describe('what set-up works out', () => {
  test('communes as they are pasted', () => {
    expect(communes('24133 Phường A\n\n 24169\tPhường B \n24175, Xã C')).toEqual([
      { code: '24133', title: 'Phường A' },
      { code: '24169', title: 'Phường B' },
      { code: '24175', title: 'Xã C' },
    ]);
    for (const bad of ['2413 Phường A', '24133', '24133 A\n24133 B', 'Phường A 24133'])
      expect(communes(bad)).toBeNull();
    expect(communes('')).toEqual([]);
  });

  test('a short name that every channel can carry', () => {
    const named = (area: string) => siteOf({ ...emptyOffice(), code: '1', area });
    expect(named('Xã Ea Kao')).toBe('ea-kao');
    expect(named('Tỉnh Đắk Lắk')).toBe('dak-lak');
    expect(named('Phường Phú Thượng (Quận Tây Hồ)')).toBe('phu-thuong-quan-tay-ho');
    expect(named('…')).toBe('loaxa');
    expect(siteOf({ ...emptyOffice(), area: 'X', site: ' rieng ' })).toBe('rieng');
  });

  test('the province says code and name by itself, and its list has no code twice', () => {
    const office = { ...emptyOffice(), title: 'T', kind: 'province' as const, province: '66' };
    expect(top(office)).toEqual({ code: '66', title: 'Tỉnh Đắk Lắk' });
    expect(officeProblem(office)).toBeNull();
    expect(officeProblem({ ...office, zone: 'Đà Lạt' })).toBe('zone');
    expect(new Set(PROVINCES.map(({ code }) => code)).size).toBe(34);
  });

  test('passphrases of six out of 256 syllables', () => {
    expect(new Set(SYLLABLE_LIST).size).toBe(256);
    expect(makePassphrase()).toMatch(/^([a-z]+ ){5}[a-z]+$/);
    expect(makePassphrase()).not.toBe(makePassphrase());
  });

  test('a test play at the next whole minute that is far enough away', () => {
    const at = Date.UTC(2026, 10, 22, 22, 29, 10);
    expect(nextStart(at)).toBe(Date.UTC(2026, 10, 22, 22, 30));
    expect(nextStart(at + 20_000)).toBe(Date.UTC(2026, 10, 22, 22, 31));
    expect(localMinute(nextStart(at), 'Asia/Ho_Chi_Minh')).toBe('2026-11-23T05:30');
    expect(localMinute(Date.UTC(2026, 10, 22, 17, 0), 'Asia/Ho_Chi_Minh')).toBe('2026-11-23T00:00');
  });
});
