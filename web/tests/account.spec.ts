// People: signing in by name, the first administrator, and my account, before a made-up center.
import type { Page } from '@playwright/test';
import { RECOVERY_CODES, SECRET } from './fake-accounts.ts';
import {
  chooseEnglish,
  enter,
  enterByName,
  expect,
  expectAccessible,
  expectNoSidewaysScroll,
  openPart,
  test,
} from './harness.ts';

const WIDE = { width: 1280, height: 900 };
const PHONE = { width: 360, height: 740 };

test.use({ viewport: WIDE });

// A browser logs each 401 by itself, and signing in begins with one.
test.beforeEach(({ expected }) => void (expected.failedRequests = true));

const log = (page: Page) => page.getByRole('heading', { name: 'Nhật ký phát' });

test.describe('signing in by name', () => {
  test('with the keyboard alone, as a password manager expects it, and out again', async ({ page, center }) => {
    await page.goto(center.url);
    await expect(page.getByLabel('Tên đăng nhập')).toBeFocused();
    await expect(page.getByLabel('Tên đăng nhập')).toHaveAttribute('autocomplete', 'username');
    await expect(page.getByLabel('Mật khẩu')).toHaveAttribute('autocomplete', 'current-password');
    await page.keyboard.press('Enter');
    await expect(page.getByRole('alert')).toContainText('Hãy nhập tên đăng nhập và mật khẩu');
    await page.keyboard.type(center.accounts.who.name);
    await page.keyboard.press('Tab');
    await page.keyboard.type(center.accounts.password);
    await page.keyboard.press('Enter');
    await expect(log(page)).toBeVisible();
    await expect(page.getByRole('banner')).toContainText('Nguyễn Thị Duyệt');
    await page.getByRole('button', { name: 'Đăng xuất' }).click();
    await expect(page.getByText('Bạn đã đăng xuất.')).toBeVisible();
    await expect(page.getByRole('banner')).not.toContainText('Nguyễn Thị Duyệt');
    await expect(page.getByLabel('Mật khẩu')).toHaveValue('');
  });

  test('a wrong password in plain words, without telling which half was wrong', async ({ page, center }) => {
    await page.goto(center.url);
    for (const name of [center.accounts.who.name, 'khong-co-ai']) {
      await page.getByLabel('Tên đăng nhập').fill(name);
      await page.getByLabel('Mật khẩu').fill('sai');
      await page.getByRole('button', { name: 'Vào trang' }).click();
      await expect(page.getByRole('alert')).toHaveText('Tên đăng nhập hoặc mật khẩu không đúng.');
    }
  });

  test('the second factor is asked for only where the center asks', async ({ page, center }) => {
    center.accounts.who = { ...center.accounts.who, totp: true };
    await page.goto(center.url);
    await expect(page.getByLabel('Mã xác nhận')).toHaveCount(0);
    await page.getByLabel('Tên đăng nhập').fill(center.accounts.who.name);
    await page.getByLabel('Mật khẩu').fill(center.accounts.password);
    await page.keyboard.press('Enter');
    await expect(page.getByText('Tài khoản này cần thêm mã xác nhận.')).toBeVisible();
    const code = page.getByLabel('Mã xác nhận');
    await expect(code).toBeFocused();
    await expect(code).toHaveAttribute('autocomplete', 'one-time-code');
    await page.keyboard.press('Enter');
    await expect(page.getByRole('alert')).toContainText('Hãy nhập mã xác nhận.');
    await page.keyboard.type('000000');
    await page.keyboard.press('Enter');
    await expect(page.getByRole('alert')).toContainText('Mỗi mã chỉ dùng được một lần');
    await code.fill(` ${center.accounts.code} `);
    await page.keyboard.press('Enter');
    await expect(log(page)).toBeVisible();
  });

  test('too many tries: how long to wait', async ({ page, center }) => {
    await page.goto(center.url);
    await page.getByLabel('Tên đăng nhập').fill('duyet');
    await page.getByLabel('Mật khẩu').fill('x');
    for (const [wait_s, words] of [
      [8, 'Hãy đợi 8\u00a0giây rồi thử lại'],
      [200, 'Hãy đợi 4\u00a0phút rồi thử lại'],
    ] as const) {
      center.accounts.wait_s = wait_s;
      await page.getByRole('button', { name: 'Vào trang' }).click();
      await expect(page.getByRole('alert')).toContainText(words);
    }
    // What was typed is still there when the wait is over.
    await expect(page.getByLabel('Tên đăng nhập')).toHaveValue('duyet');
  });

  test('a part that was asked for by its address is shown after signing in', async ({ page, center }) => {
    await enterByName(page, center, '#account');
    await expect(page.getByRole('heading', { name: 'Tài khoản của tôi' })).toBeVisible();
    await page.getByRole('link', { name: 'Tổng quan' }).click();
    await expect(log(page)).toBeVisible();
    await expect(page.getByRole('link', { name: 'Tổng quan' })).toHaveAttribute('aria-current', 'page');
    await page.goBack();
    await expect(page.getByRole('heading', { name: 'Tài khoản của tôi' })).toBeVisible();
  });
});

test.describe('the first administrator', () => {
  test('is made with the code of the address, and is signed in', async ({ page, center }) => {
    center.accounts.setupCode = 'ma-thiet-lap';
    await page.goto(`${center.url}/#setup=ma-thiet-lap`);
    await expect(page.getByRole('heading', { name: 'Người quản trị đầu tiên' })).toBeVisible();
    expect(page.url()).not.toContain('setup');
    await page.getByLabel('Tên đăng nhập').fill('quantri');
    await page.getByLabel('Họ tên và chức vụ').fill('Trần Quản Trị');
    await page.getByLabel('Mật khẩu').fill('ngắn');
    const make = page.getByRole('button', { name: 'Tạo tài khoản' });
    await make.click();
    await expect(page.getByRole('alert')).toContainText('ít nhất 12 ký tự');
    expect(center.count('POST /api/v1/setup')).toBe(0);
    await page.getByLabel('Mật khẩu').fill('mat khau qua de doan');
    await make.click();
    await expect(page.getByRole('alert')).toContainText('that password is among the commonest');
    await page.getByLabel('Mật khẩu').fill('mười hai con giáp quanh năm');
    await expect(page.getByLabel('Mật khẩu')).toHaveAttribute('autocomplete', 'new-password');
    await make.click();
    await expect(log(page)).toBeVisible();
    await expect(page.getByRole('banner')).toContainText('Trần Quản Trị');
  });

  test('a code that was used already, and the way back to the form', async ({ page, center }) => {
    await page.goto(`${center.url}/#setup=cu`);
    await page.getByLabel('Tên đăng nhập').fill('quantri');
    await page.getByLabel('Họ tên và chức vụ').fill('X');
    await page.getByLabel('Mật khẩu').fill('mười hai con giáp');
    await page.getByRole('button', { name: 'Tạo tài khoản' }).click();
    await expect(page.getByRole('alert')).toContainText('Mã thiết lập không đúng hoặc đã được dùng');
    await page.getByRole('button', { name: 'Đã có tài khoản' }).click();
    await expect(page.getByRole('heading', { name: 'Đăng nhập' })).toBeVisible();
  });
});

test.describe('my account', () => {
  test('says who I am and what I may', async ({ page, center }) => {
    await enterByName(page, center, '#account');
    const account = page.getByRole('region', { name: 'Tài khoản của tôi' });
    await expect(account.getByRole('definition')).toHaveText([
      'duyet',
      'Nguyễn Thị Duyệt',
      'người duyệt ở 24133',
      /22:00:00/,
    ]);
  });

  test('changes the password', async ({ page, center }) => {
    await enterByName(page, center, '#account');
    const change = page.getByRole('button', { name: 'Đổi mật khẩu' });
    await change.click();
    await expect(page.getByRole('alert').filter({ hasText: 'Hãy nhập mật khẩu hiện nay' })).toBeVisible();
    await page.getByLabel('Mật khẩu hiện nay').fill('sai');
    await page.getByLabel('Mật khẩu mới').fill('một câu dài khác hẳn');
    await change.click();
    await expect(page.getByRole('alert').filter({ hasText: 'the old password is wrong' })).toBeVisible();
    await page.getByLabel('Mật khẩu hiện nay').fill(center.accounts.password);
    await change.click();
    await expect(page.getByText('Đã đổi mật khẩu.')).toBeVisible();
    expect(center.accounts.password).toBe('một câu dài khác hẳn');
    await expect(page.getByLabel('Mật khẩu hiện nay')).toHaveValue('');
    await expect(page.getByLabel('Mật khẩu mới')).toHaveAttribute('autocomplete', 'new-password');
  });

  test('switches the code on: secret and picture, recovery codes once; and off again', async ({ page, center }) => {
    await enterByName(page, center, '#account');
    const start = page.getByRole('button', { name: 'Bật mã xác nhận' });
    await page.getByLabel('Mật khẩu, để bật').fill('sai');
    await start.click();
    await expect(page.getByRole('alert').filter({ hasText: 'the password is wrong' })).toBeVisible();
    await page.getByLabel('Mật khẩu, để bật').fill(center.accounts.password);
    await start.click();
    await expect(page.getByText(SECRET, { exact: true })).toBeVisible();
    await expect(page.getByText(`otpauth://totp/loaxa:duyet?secret=${SECRET}`)).toBeVisible();
    const picture = page.getByRole('img', { name: 'Hình QR' });
    await expect(picture).toBeVisible();
    expect((await picture.locator('path').getAttribute('d'))?.length).toBeGreaterThan(1_000);
    await page.getByLabel('Mã sáu chữ số').fill('000000');
    await page.getByRole('button', { name: 'Xác nhận và bật' }).click();
    await expect(page.getByRole('alert').filter({ hasText: 'that code is not right' })).toBeVisible();
    await page.getByLabel('Mã sáu chữ số').fill(center.accounts.code);
    await page.getByRole('button', { name: 'Xác nhận và bật' }).click();
    for (const code of RECOVERY_CODES) await expect(page.getByText(code)).toBeVisible();
    await expect(page.getByText(SECRET)).toHaveCount(0);
    await page.getByRole('button', { name: 'Tôi đã cất các mã này' }).click();
    await expect(page.getByText(RECOVERY_CODES[0] ?? '')).toHaveCount(0);
    await expect(page.getByText('Đang bật.')).toBeVisible();
    await page.getByLabel('Mật khẩu, để tắt').fill('sai');
    await page.getByRole('button', { name: 'Tắt mã xác nhận' }).click();
    await expect(page.getByRole('alert').filter({ hasText: 'the password is wrong' })).toBeVisible();
    await page.getByLabel('Mật khẩu, để tắt').fill(center.accounts.password);
    await page.getByRole('button', { name: 'Tắt mã xác nhận' }).click();
    await expect(page.getByText('Đã tắt mã xác nhận.')).toBeVisible();
    expect(center.accounts.who.totp).toBe(false);
  });

  test('ends another session, and never this one', async ({ page, center }) => {
    await enterByName(page, center, '#account');
    const sessions = page.getByRole('list', { name: 'Các phiên đang mở' }).getByRole('listitem');
    await expect(sessions).toHaveText([
      /Chromium, Linux\s*\(phiên này\)/,
      /Firefox, Android.*10\.0\.0\.9.*2 giờ trước/s,
    ]);
    await expect(sessions.first().getByRole('button')).toHaveCount(0);
    await page.getByRole('button', { name: 'Kết thúc phiên Firefox, Android, 10.0.0.9' }).click();
    await expect(sessions).toHaveCount(1);
    expect(center.count('DELETE /api/v1/sessions/s2')).toBe(1);
  });

  test('the access code has no password to change; a center without people says so', async ({ page, center }) => {
    await enter(page, center);
    await page.getByRole('link', { name: 'Tài khoản' }).click();
    await expect(page.getByText('không phải bằng tài khoản của một người')).toBeVisible();
    await expect(page.getByLabel('Mật khẩu mới')).toHaveCount(0);
    center.accounts.signedIn = null;
    await page.reload();
    await expect(page.getByText('Trung tâm này chưa có tài khoản theo tên người')).toBeVisible();
  });
});

for (const colorScheme of ['light', 'dark'] as const) {
  for (const english of [false, true]) {
    for (const viewport of [PHONE, WIDE]) {
      const name = `${colorScheme}, ${english ? 'English' : 'Vietnamese'}, ${viewport.width} px`;

      test(`no violation that axe knows, no scrolling sideways: ${name}`, async ({ page, center }) => {
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
        await page.setViewportSize(viewport);
        center.accounts.who = { ...center.accounts.who, totp: true };
        const foreign = /[\u00c0-\u00d6\u00d8-\u024f\u1e00-\u1eff]|undefined|\[object/;
        const check = async () => {
          await expectAccessible(page);
          await expectNoSidewaysScroll(page);
          const words = await page.locator('main').innerText();
          if (english) expect(words.replaceAll('Nguyễn Thị Duyệt', '')).not.toMatch(foreign);
        };
        await page.goto(`${center.url}/#setup=x`);
        if (english) await chooseEnglish(page);
        await expect(page.getByRole('button').filter({ hasText: english ? 'Make the account' : 'Tạo' })).toBeVisible();
        await check();
        await page.getByRole('button', { name: english ? 'I have an account' : 'Đã có tài khoản' }).click();
        await page.getByLabel(english ? 'Name' : 'Tên đăng nhập').fill('duyet');
        await page.getByLabel(english ? 'Password' : 'Mật khẩu').fill(center.accounts.password);
        await page.keyboard.press('Enter');
        await expect(page.getByLabel(english ? 'Confirmation code' : 'Mã xác nhận')).toBeVisible();
        await check();
        await page.keyboard.type(center.accounts.code);
        await page.keyboard.press('Enter');
        center.accounts.who = { ...center.accounts.who, totp: false };
        center.accounts.signedIn = center.accounts.who;
        await openPart(page, english ? 'Account' : 'Tài khoản');
        await expect(page.getByRole('list', { name: english ? 'Open sessions' : 'Các phiên' })).toBeVisible();
        await check();
        await page.reload();
        await page
          .getByLabel(english ? 'Password, to switch it on' : 'Mật khẩu, để bật')
          .fill(center.accounts.password);
        await page.keyboard.press('Enter');
        await expect(page.getByRole('img')).toBeVisible();
        await check();
        await page.getByLabel(english ? 'Six-digit code' : 'Mã sáu chữ số').fill(center.accounts.code);
        await page.keyboard.press('Enter');
        await expect(page.getByText(RECOVERY_CODES[9] ?? '')).toBeVisible();
        await check();
      });
    }
  }
}
