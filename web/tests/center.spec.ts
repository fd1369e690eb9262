// The page before a real center, started by whoever runs this: `npm run test:center` with
//   LOAXA_TEST_CENTER         its address, e.g. http://127.0.0.1:8080
//   LOAXA_TEST_TOKEN          its access code
//   LOAXA_TEST_SPEAKER_TITLE  the title of a speaker that is connected and has played something
//   LOAXA_TEST_BULLETIN       the id of a bulletin that waits for approval
//   LOAXA_TEST_KEY            the sealed key file of an approver who may approve it
//   LOAXA_TEST_PASSPHRASE     that key's passphrase
// Without them the run fails at once and says which is missing.
import { expect, test } from '@playwright/test';

const center = required('LOAXA_TEST_CENTER').replace(/\/$/, '');
const token = required('LOAXA_TEST_TOKEN');
const title = required('LOAXA_TEST_SPEAKER_TITLE');
const bulletin = required('LOAXA_TEST_BULLETIN');
const key = required('LOAXA_TEST_KEY');
const passphrase = required('LOAXA_TEST_PASSPHRASE');

// A demonstration's first play may still be on its way when the page opens; the page shows it without a reload.
const PLAY_TIMEOUT_MS = 60_000;

test.use({ viewport: { width: 1280, height: 900 } });

// What the page asks for, a real center understands: the only refusals are those of a missing or wrong code.
const refused: string[] = [];
test.beforeEach(({ page }) => {
  refused.length = 0;
  page.on('response', (response) => {
    // A center without accounts does not say who is signed in.
    if (response.status() === 405 && response.url().endsWith('/session')) return;
    if (response.status() >= 400 && response.status() !== 401) refused.push(`${response.status()} ${response.url()}`);
  });
});
test.afterEach(() => expect(refused).toEqual([]));

test('signs in by the address, and the code leaves the address bar', async ({ page }) => {
  await page.goto(`${center}/#token=${encodeURIComponent(token)}`);
  await expect(page.getByRole('heading', { name: 'Nhật ký phát' })).toBeVisible();
  expect(page.url()).not.toContain('token');
});

test('refuses a wrong code in plain words', async ({ page }) => {
  await page.goto(center);
  await page.getByRole('button', { name: 'Dùng mã truy cập của máy chủ' }).click();
  await page.getByLabel('Mã truy cập').fill('khong-phai-ma-nay');
  await page.getByRole('button', { name: 'Vào trang' }).click();
  await expect(page.getByRole('alert')).toContainText('Mã truy cập không đúng');
});

test('shows the speaker connected', async ({ page }) => {
  await page.goto(`${center}/#token=${encodeURIComponent(token)}`);
  await page.getByRole('link', { name: 'Cụm loa', exact: true }).click();
  const row = page.getByRole('grid', { name: 'Cụm loa' }).getByRole('row').filter({ hasText: title });
  await expect(row).toContainText('đang kết nối', { timeout: PLAY_TIMEOUT_MS });
});

test('shows a play that sounded, with its level', async ({ page }) => {
  test.setTimeout(PLAY_TIMEOUT_MS + 30_000);
  await page.goto(`${center}/#token=${encodeURIComponent(token)}`);
  const played = page
    .getByRole('table', { name: 'Nhật ký phát' })
    .getByRole('row')
    .filter({ hasText: title })
    .filter({ hasText: /đã phát/i })
    .filter({ hasText: 'đo được âm thanh ở đầu ra' })
    .first();
  await expect(played).toBeVisible({ timeout: PLAY_TIMEOUT_MS });
  await expect(played).toContainText(/−\d+,\d\sdBFS/);
});

test('approves with the sealed key, after the sound was fetched and checked', async ({ page }) => {
  test.setTimeout(120_000);
  await page.goto(`${center}/#token=${encodeURIComponent(token)}`);
  await page.getByRole('link', { name: 'Phê duyệt' }).click();
  await page
    .getByRole('link', { name: /^Nghe và duyệt/ })
    .filter({ hasText: bulletin })
    .click();
  await expect(page.getByText('Âm thanh đã tải về khớp')).toBeVisible();
  // What the center sends is playable here, and as long as it says.
  const seconds = () => page.locator('audio').evaluate((sound: HTMLAudioElement) => sound.duration);
  await expect.poll(seconds).toBeGreaterThan(1);
  // Really listened to, from its beginning to its end.
  await page.getByRole('button', { name: 'Nghe', exact: true }).click();
  await expect(page.getByText('Bạn đã nghe đến hết.')).toBeVisible({ timeout: 60_000 });
  await page.getByLabel('Tệp khóa của người duyệt').setInputFiles(key);
  await page.getByLabel('Cụm mật khẩu của khóa').fill(passphrase);
  await expect(page.getByRole('region', { name: 'Điều bạn sẽ ký' })).toContainText(bulletin);
  await page.getByRole('button', { name: 'Ký và phê duyệt' }).click();
  await expect(page.getByText(/Đã phê duyệt “/)).toBeVisible({ timeout: 90_000 });
});

test('signs out, and the way back asks for a sign-in', async ({ page }) => {
  await page.goto(`${center}/#token=${encodeURIComponent(token)}`);
  await page.getByRole('button', { name: 'Đăng xuất' }).click();
  await expect(page.getByLabel('Mật khẩu')).toBeVisible();
  await page.reload();
  await expect(page.getByLabel('Mật khẩu')).toBeVisible();
});

function required(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === '') throw new Error(`${name} is not set; see the top of center.spec.ts`);
  return value;
}
