// From an empty directory to a play that was heard, by the page alone. tests/it/setup.rs runs this against a real `loaxa serve` with a
// simulated converter, and hears afterwards what it gave out. It prints how long each stage took; how fast that is, is for a bench.
import { expect, test as base } from '@playwright/test';
import { expectAccessible, watch, type Expected } from './harness.ts';

const setupUrl = required('LOAXA_TEST_SETUP_URL');
const zone = required('LOAXA_TEST_ZONE');
const sound = required('LOAXA_TEST_SOUND');
const LIMIT_MS = 8 * 60_000;
const KEY_PHRASE = 'người duyệt ngồi ở đây';

const test = base.extend<{ expected: Expected }>({
  // Between set-up and normal serving an answer may be missing, and the page asks again.
  expected: async ({}, use) => use({ failedRequests: true }),
  page: async ({ page, expected }, use) => watch(page, () => new URL(setupUrl).origin, expected, use),
});

test('an empty directory becomes a center that has played, and proves it', async ({ page }) => {
  test.setTimeout(LIMIT_MS);
  await page.setViewportSize({ width: 1280, height: 800 });
  const began_ms = Date.now();
  const told = (what: string) =>
    console.log(`first five minutes: ${what} after ${((Date.now() - began_ms) / 1000).toFixed(0)} s`);

  await page.goto(setupUrl);
  await page.getByLabel('Tên cơ quan').fill('UBND xã Ea Kao');
  await page.getByLabel('Mã đơn vị hành chính').fill('24169');
  await page.getByLabel('Tên đơn vị').fill('Xã Ea Kao');
  await page.getByText('Thiết lập thêm').click();
  // A zone where it is day, so that this can run at any hour.
  await page.getByLabel('Múi giờ').fill(zone);
  await page.getByRole('button', { name: 'Tiếp tục' }).click();

  const words = ((await page.locator('.phrase').textContent()) ?? '').split(' ');
  await page.getByRole('button', { name: 'Tôi đã ghi lại' }).click();
  const check = page.getByLabel(/^Để chắc là đã ghi lại/);
  const asked = await check.evaluate((input: HTMLInputElement) => input.labels?.[0]?.textContent ?? '');
  await check.fill((asked.match(/\d/g) ?? []).map((number) => words[Number(number) - 1]).join(' '));
  await page.getByRole('button', { name: 'Tiếp tục' }).click();

  await page.getByLabel('Khóa của ai').fill('Nguyễn Thị Duyệt, phó chủ tịch');
  await page.getByLabel('Cụm mật khẩu mới').fill(KEY_PHRASE);
  await page.getByLabel('Nhập lại cụm mật khẩu').fill(KEY_PHRASE);
  await page.getByRole('button', { name: 'Tạo khóa' }).click();
  await page.getByRole('button', { name: /^Nhớ tệp khóa/ }).click({ timeout: 120_000 });
  await page.getByRole('button', { name: 'Tiếp tục với khóa này' }).click();
  await page.getByRole('button', { name: 'Tiếp tục' }).click();

  await page.getByLabel('Tên đăng nhập').fill('quantri');
  await page.getByLabel('Họ tên và chức vụ').fill('Trần Văn Trị');
  await page.getByLabel('Mật khẩu', { exact: true }).fill('trà đá vỉa hè 2026');
  await page.getByLabel('Nhập lại mật khẩu').fill('trà đá vỉa hè 2026');
  await page.getByRole('button', { name: 'Tiếp tục' }).click();
  await page.getByRole('button', { name: 'Lập trung tâm' }).click();
  await page.getByRole('button', { name: 'Tới lượt phát đầu tiên' }).click({ timeout: 120_000 });
  told('the center was made');

  const task = (name: RegExp) => page.getByRole('listitem').filter({ has: page.getByRole('heading', { name }) });
  await expect(task(/Người duyệt \(xong\)/)).toContainText('Nguyễn Thị Duyệt');
  await page.getByRole('button', { name: 'Thêm cụm loa thử' }).click();
  await page.getByLabel('Tên bản tin').fill('Thử loa');
  await page.getByLabel('Tệp âm thanh').setInputFiles(sound);
  await page.getByRole('button', { name: 'Gửi lên và trình duyệt' }).click();
  const approve = page.getByRole('link', { name: 'Nghe và duyệt' });
  await expect(task(/Bản tin \(xong\)/)).toBeVisible({ timeout: 120_000 });
  await expect(task(/Cụm loa \(xong\)/)).toContainText('thiết bị âm thanh', { timeout: 120_000 });
  await expectAccessible(page);
  told('speaker and bulletin were there');

  await approve.click();
  await expect(page.getByText('Âm thanh đã tải về khớp')).toBeVisible({ timeout: 60_000 });
  await page.getByRole('button', { name: 'Nghe', exact: true }).click();
  await expect(page.getByText('Bạn đã nghe đến hết.')).toBeVisible({ timeout: 60_000 });
  await page.getByLabel('Cụm mật khẩu của khóa').fill(KEY_PHRASE);
  await page.getByRole('button', { name: 'Ký và phê duyệt' }).click();
  await expect(page.getByText(/Đã phê duyệt “/)).toBeVisible({ timeout: 120_000 });
  told('it was approved');

  await page.getByRole('link', { name: 'Bắt đầu' }).click();
  await page.getByRole('button', { name: 'Phát thử sau một phút' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Xếp lịch' }).click();
  await expect(page.getByText(/Còn \d+ giây/)).toBeVisible();
  told('a play was scheduled');
  await expect(page.locator('[data-proof="sounded"]')).toBeVisible({ timeout: 180_000 });
  await expect(page.getByText('Đã kêu. Cụm loa đo được âm thanh ở đầu ra')).toBeVisible();
  await expect(page.getByText('Đã có một lượt phát được chứng minh')).toBeVisible();
  await expectAccessible(page);
  told('it was heard, and proven on the screen,');
});

function required(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === '') throw new Error(`${name} is not set; tests/it/setup.rs sets it`);
  return value;
}
