// The frame round every part, before a real center: who finds what in the navigation, on a desk and on a phone, by keyboard; light and
// dark; a server that is restarted under an open page.
import { expectAccessible, expectNoSidewaysScroll } from './harness.ts';
import { enterAs, expect, test, type Account } from './office.ts';

const WIDE = { width: 1280, height: 900 };
const PHONE = { width: 360, height: 740 };

test.use({ viewport: WIDE });

const nav = /^(Các phần của trang|Parts of the page)$/;

test('each role finds its own parts', async ({ page, office }) => {
  const approves: Record<Account, boolean> = {
    quantri: true,
    bientap: false,
    duyet: true,
    kythuat: false,
    xem: false,
  };
  for (const [account, may] of Object.entries(approves) as [Account, boolean][]) {
    await enterAs(page, office, account);
    const parts = page.getByRole('navigation', { name: nav });
    await expect(parts.getByRole('link', { name: 'Tổng quan' })).toHaveAttribute('aria-current', 'page');
    await expect(parts.getByRole('link', { name: 'Phê duyệt' })).toHaveCount(may ? 1 : 0);
    await page.getByRole('button', { name: 'Đăng xuất' }).click();
    await expect(page.getByLabel('Mật khẩu')).toBeVisible();
  }
});

test('on a phone the parts are at the bottom, the rest behind one button', async ({ page, office }) => {
  await page.setViewportSize(PHONE);
  await enterAs(page, office, 'quantri');
  const parts = page.getByRole('navigation', { name: nav });
  const box = await parts.boundingBox();
  expect((box?.y ?? 0) + (box?.height ?? 0)).toBeCloseTo(PHONE.height, 0);
  await parts.getByRole('button', { name: 'Thêm', exact: true }).click();
  await page.getByRole('dialog').getByRole('link', { name: 'Tài khoản' }).click();
  await expect(page.getByRole('heading', { name: 'Tài khoản của tôi' })).toBeVisible();
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await expectNoSidewaysScroll(page);
});

test('by keyboard: past the navigation to the content, and a dialog lets go of the focus', async ({ page, office }) => {
  await page.setViewportSize(PHONE);
  await enterAs(page, office, 'quantri');
  await page.getByRole('button', { name: 'Tới nội dung' }).focus();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('main')).toBeFocused();
  const more = page.getByRole('button', { name: 'Thêm', exact: true });
  await more.focus();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('dialog')).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await expect(more).toBeFocused();
});

test('light and dark are chosen here and remembered', async ({ page, office }) => {
  await page.emulateMedia({ colorScheme: 'light' });
  await enterAs(page, office, 'xem');
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  const theme = page.getByRole('button', { name: /^Nền/ });
  await theme.click();
  await theme.click();
  await expect(theme).toHaveAccessibleName('Nền: Tối');
  await expect.poll(ground).not.toBe(light);
  const dark = await ground();
  await page.reload();
  await expect(theme).toHaveAccessibleName('Nền: Tối');
  expect(await ground()).toBe(dark);
  await expectAccessible(page);
});

test('a server that is restarted under an open page is said and waited for', async ({ page, office, expected }) => {
  expected.failedRequests = true;
  await enterAs(page, office, 'kythuat');
  await office.stop();
  await expect(page.getByText('Mất kết nối với máy chủ')).toBeVisible({ timeout: 20_000 });
  await office.start();
  await expect(page.getByText('Mất kết nối với máy chủ')).toHaveCount(0, { timeout: 30_000 });
  await expect(page.getByRole('button', { name: 'Đăng xuất' })).toBeVisible();
});
