// The administration before a real center: who finds which page, people, keys signed in the page, tokens, health, the log, settings; on a
// desk and on a phone, in both languages.
import { readFileSync } from 'node:fs';
import type { Page } from '@playwright/test';
import { firstPassword } from '../src/lib/admin/users/password.ts';
import { certificateOf, nextList } from '../src/lib/admin/keys/lists.ts';
import { expectAccessible, expectNoSidewaysScroll, chooseEnglish } from './harness.ts';
import { AUTHORITY_PASSPHRASE, enterAs, expect, test, type Office } from './office.ts';

const WIDE = { width: 1280, height: 900 };
const PHONE = { width: 360, height: 740 };
const PAGES = ['users', 'keys', 'tokens', 'health', 'audit', 'settings'];

test.use({ viewport: WIDE });

const heading = (page: Page, name: string | RegExp) => page.getByRole('heading', { level: 2, name });
const dialog = (page: Page) => page.getByRole('dialog');

async function sign(page: Page, office: Office): Promise<void> {
  await dialog(page).getByLabel('Tệp khóa gốc của cơ quan').setInputFiles(office.authorityKey);
  await dialog(page).getByLabel('Cụm mật khẩu của khóa').fill(AUTHORITY_PASSPHRASE);
  await dialog(page).getByRole('button', { name: 'Ký bằng khóa gốc' }).click();
}

test('each page is whole, on a desk and on a phone, in both languages', async ({ page, office }) => {
  test.slow();
  await enterAs(page, office, 'quantri', 'admin');
  await expect(heading(page, 'Quản trị')).toBeVisible();
  await expectAccessible(page);
  for (const english of [false, true]) {
    if (english) await chooseEnglish(page);
    for (const size of [WIDE, PHONE]) {
      await page.setViewportSize(size);
      for (const name of PAGES) {
        await page.evaluate((hash) => (location.hash = hash), `admin/${name}`);
        await expect(page.locator('a[aria-current=page]').last()).toBeVisible();
        await expect(page.locator('main [aria-busy]')).toHaveCount(0);
        await expect(page.locator('main .panel, main ul[aria-label]').first()).toBeVisible();
        await expectNoSidewaysScroll(page);
        await expectAccessible(page);
      }
    }
  }
});

test('who administers one commune finds people there, and nothing of the whole center', async ({ page, office }) => {
  const password = 'một hai ba bốn năm';
  const grants = [{ role: 'admin', area: '24175' }];
  await office.api('POST', '/users', { name: 'tri.tanlap', title: 'Quản trị Tân Lập', password, grants });
  await page.goto(`${office.url}/#admin`);
  await page.getByLabel('Tên đăng nhập').fill('tri.tanlap');
  await page.getByLabel('Mật khẩu').fill(password);
  await page.getByRole('button', { name: 'Vào trang' }).click();
  await expect(page.getByRole('link', { name: /^Người dùng/ })).toBeVisible();
  await expect(page.getByRole('link', { name: /^Tình trạng máy chủ/ })).toHaveCount(0);
  await expect(page.getByRole('link', { name: /^Nhật ký thao tác/ })).toHaveCount(0);
});

test('a person is added by keyboard, with a first password that opens the page', async ({ page, office, browser }) => {
  await enterAs(page, office, 'quantri', 'admin/users');
  await page.getByRole('button', { name: 'Thêm người dùng' }).focus();
  await page.keyboard.press('Enter');
  await dialog(page).getByLabel('Tên đăng nhập').fill('moi.bantin');
  await page.keyboard.press('Tab');
  await page.keyboard.type('Đỗ Thị Mới, biên tập');
  await dialog(page).getByLabel('Đơn vị (mã hoặc tên)').fill('Phường Ea Kao');
  await page.keyboard.press('Enter');
  await expect(dialog(page).getByRole('listitem')).toHaveText(/biên tập viên · Phường Ea Kao \(24169\)/);
  await dialog(page).getByRole('button', { name: 'Thêm người dùng' }).press('Enter');
  await expect(dialog(page).getByText('Mật khẩu tạm: chỉ hiện lần này (moi.bantin)')).toBeVisible();
  const password = (await dialog(page).locator('code').innerText()).trim();
  // What is shown once is not lost by a key too many.
  await page.keyboard.press('Escape');
  await dialog(page).getByRole('button', { name: 'Tôi đã chép' }).click();
  await page.getByRole('searchbox').fill('do thi moi');
  await expect(page.getByRole('list', { name: 'Danh sách người dùng' }).getByRole('link')).toHaveText([
    'Đỗ Thị Mới, biên tập',
  ]);
  expect(page.url()).toContain('q=do+thi+moi');
  expect(await page.evaluate(() => JSON.stringify({ ...localStorage }))).not.toContain(password);

  const other = await browser.newPage();
  await other.goto(`${office.url}/`);
  await other.getByLabel('Tên đăng nhập').fill('moi.bantin');
  await other.getByLabel('Mật khẩu').fill(password);
  await other.getByRole('button', { name: 'Vào trang' }).click();
  await expect(other.getByRole('button', { name: 'Đăng xuất' })).toBeVisible();

  await page.getByRole('link', { name: 'Đỗ Thị Mới, biên tập' }).click();
  await expect(page.getByRole('button', { name: /^Kết thúc phiên/ })).toBeVisible();
  await page.getByRole('button', { name: 'Khóa tài khoản' }).click();
  await expect(dialog(page)).toContainText('sẽ bị đăng xuất ngay');
  await dialog(page).getByRole('button', { name: 'Khóa tài khoản' }).click();
  await expect(page.getByText('Không có phiên nào đang mở.')).toBeVisible();
  await page.getByRole('button', { name: 'Hoàn tác' }).click();
  await expect(page.getByRole('button', { name: 'Khóa tài khoản' })).toBeVisible();
  await other.close();
});

test('two who change one person at once are given a choice', async ({ page, office, expected }) => {
  expected.failedRequests = true;
  const password = 'một hai ba bốn năm';
  const grants = [{ role: 'viewer', area: '24133' }];
  await office.api('POST', '/users', { name: 'tranh', title: 'Trần Chanh', password, grants });
  await enterAs(page, office, 'quantri', 'admin/users/tranh');
  await page.getByRole('button', { name: 'Sửa họ tên và vai trò' }).click();
  await dialog(page).getByLabel('Họ tên, chức vụ').fill('Trần Chanh, kế toán');
  await office.api('PUT', '/users/tranh', { title: 'Trần Chanh, văn thư' });
  await dialog(page).getByRole('button', { name: 'Lưu' }).click();
  const choice = page.getByRole('dialog', { name: 'Có người vừa sửa mục này' });
  await expect(choice).toContainText('Trần Chanh, văn thư');
  await choice.getByRole('button').last().click();
  await expect(heading(page, 'Trần Chanh, kế toán')).toBeVisible();
});

test('a new approver: the key made here, certified with the authority’s, and revoked again', async ({
  page,
  office,
}) => {
  test.slow();
  const sent: string[] = [];
  page.on('request', (request) => sent.push(request.postData() ?? ''));
  await enterAs(page, office, 'quantri', 'admin/keys');
  await page.getByRole('button', { name: 'Cấp khóa cho người duyệt' }).click();
  await dialog(page).getByLabel('Họ tên, chức vụ').fill('Lò Thị Ký, chủ tịch');
  await dialog(page).getByLabel('Đơn vị (mã hoặc tên)').fill('24169');
  await dialog(page).getByLabel('Mức ưu tiên cao nhất').selectOption('emergency');
  await dialog(page).getByRole('button', { name: 'Tiếp: tạo khóa' }).click();
  await dialog(page).getByLabel('Cụm mật khẩu mới').fill('năm từ rất dễ nhớ');
  await dialog(page).getByLabel('Nhập lại cụm mật khẩu').fill('năm từ rất dễ quên');
  await dialog(page).getByRole('button', { name: 'Tạo khóa' }).click();
  await expect(dialog(page).getByRole('alert').filter({ hasText: 'không giống nhau' })).toBeVisible();
  await dialog(page).getByLabel('Nhập lại cụm mật khẩu').fill('năm từ rất dễ nhớ');
  await dialog(page).getByRole('button', { name: 'Tạo khóa' }).click();
  await expect(dialog(page).getByText('Đã tạo khóa của Lò Thị Ký, chủ tịch.')).toBeVisible({ timeout: 30_000 });
  // Nobody could make it again, so it has to be kept before it is certified.
  await dialog(page).getByRole('button', { name: 'Tiếp tục với khóa này' }).click();
  await expect(dialog(page).getByRole('alert').filter({ hasText: 'Hãy tải tệp khóa về' })).toBeVisible();
  const download = page.waitForEvent('download');
  await dialog(page).getByRole('link', { name: 'Tải tệp khóa về' }).click();
  const file = JSON.parse(readFileSync(await (await download).path(), 'utf8')) as {
    format: string;
    public_key: string;
  };
  expect(file.format).toBe('loaxa-sealed-key-v1');
  await dialog(page).getByRole('button', { name: 'Tiếp tục với khóa này' }).click();
  await expect(dialog(page)).toContainText('Được duyệt đến mức khẩn cấp, ở Phường Ea Kao (24169)');
  // Another key than the authority's is told before any work.
  await dialog(page).getByLabel('Tệp khóa gốc của cơ quan').setInputFiles(office.approverKey);
  await dialog(page).getByLabel('Cụm mật khẩu của khóa').fill('x');
  await dialog(page).getByRole('button', { name: 'Ký bằng khóa gốc' }).click();
  await expect(dialog(page).getByRole('alert').filter({ hasText: 'không phải khóa gốc' })).toBeVisible();
  await dialog(page).getByLabel('Chọn tệp khác').setInputFiles(office.authorityKey);
  await dialog(page).getByLabel('Cụm mật khẩu của khóa').fill(AUTHORITY_PASSPHRASE);
  await dialog(page).getByRole('button', { name: 'Ký bằng khóa gốc' }).click();
  await expect(page.getByText(/Lò Thị Ký, chủ tịch đã được chứng nhận/)).toBeVisible({ timeout: 30_000 });
  const certified = office.json('approver', 'list') as {
    certificate: { key: string; highest: string; areas: string[] };
  }[];
  const one = certified.find(({ certificate }) => certificate.key === file.public_key)?.certificate;
  expect([one?.highest, one?.areas]).toEqual(['emergency', ['24169']]);
  for (const body of sent)
    for (const secret of [AUTHORITY_PASSPHRASE, 'năm từ rất dễ nhớ']) expect(body).not.toContain(secret);

  await page.getByRole('button', { name: 'Thu hồi khóa của Lò Thị Ký, chủ tịch' }).click();
  await expect(dialog(page)).toContainText('sẽ ngừng phát ở mọi cụm loa');
  await sign(page, office);
  await expect(page.getByText('Đã thu hồi. Lịch mới')).toBeVisible({ timeout: 30_000 });
  await expect(page.getByRole('heading', { name: 'Lò Thị Ký, chủ tịch' })).toHaveCount(0);
  await page.getByLabel('Hiện cả khóa đã thu hồi').check();
  await expect(page.getByRole('listitem').filter({ hasText: 'Lò Thị Ký' }).last()).toContainText('đã thu hồi');
});

test('two approvers are asked for in one commune, on a phone', async ({ page, office }) => {
  test.slow();
  await page.setViewportSize(PHONE);
  await enterAs(page, office, 'quantri', 'admin/keys');
  const two = page.getByRole('region', { name: 'Nơi cần hai người duyệt' });
  await two.getByLabel('Đơn vị (mã hoặc tên)').fill('Phường Tân Lập');
  await two.getByRole('button', { name: 'Đặt quy định hai người duyệt' }).click();
  await expect(dialog(page)).toContainText('Phường Tân Lập (24175): từ mức khẩn cấp');
  await sign(page, office);
  await expect(two.getByText('Phường Tân Lập (24175): từ mức khẩn cấp')).toBeVisible({ timeout: 30_000 });
});

test('a token is shown once and revoked', async ({ page, office }) => {
  await enterAs(page, office, 'quantri', 'admin/tokens');
  await page.getByRole('button', { name: 'Tạo mã' }).click();
  await dialog(page).getByLabel('Dùng để làm gì').fill('Báo cáo của Sở');
  await dialog(page).getByLabel('Vai trò', { exact: true }).selectOption('viewer');
  await dialog(page).getByLabel('Đơn vị (mã hoặc tên)').fill('66');
  await dialog(page).getByLabel('Hiệu lực').fill('500');
  await dialog(page).getByRole('button', { name: 'Tạo mã' }).click();
  await expect(dialog(page).getByRole('alert').filter({ hasText: 'từ 1 đến 400' })).toBeVisible();
  await dialog(page).getByLabel('Hiệu lực').fill('400');
  await dialog(page).getByRole('button', { name: 'Tạo mã' }).click();
  const token = (await dialog(page).locator('code').innerText()).trim();
  const ask = () => fetch(`${office.url}/api/v1/center`, { headers: { authorization: `Bearer ${token}` } });
  expect((await ask()).status).toBe(200);
  await dialog(page).getByRole('button', { name: 'Tôi đã chép' }).click();
  await page.getByRole('button', { name: 'Thu hồi mã “Báo cáo của Sở”' }).click();
  await dialog(page).getByRole('button', { name: 'Thu hồi' }).click();
  await expect(page.getByText('Đã thu hồi mã.')).toBeVisible();
  expect((await ask()).status).toBe(401);
});

test('the server says how it is, and what needs doing', async ({ page, office }) => {
  await enterAs(page, office, 'quantri', 'admin/health');
  const broker = page.getByRole('region', { name: 'Kết nối với cụm loa' });
  await expect(broker).toContainText('bộ chuyển tin sẵn trong máy chủ: đang kết nối');
  await expect(page.getByRole('region', { name: 'Lưu trữ' })).toContainText('SQLite trong thư mục dữ liệu');
  await expect(page.getByRole('region', { name: 'Sắp hết hạn, theo thứ tự' })).toContainText('Nguyễn Thị Duyệt');
});

test('the log is searched by what stands in the address, and checked', async ({ page, office }) => {
  await office.api('PUT', '/calendars/sotay', { days: ['2026-12-01'] });
  await enterAs(page, office, 'quantri', 'admin/audit?about=sotay');
  const lines = page.getByRole('list', { name: 'Các dòng nhật ký' }).getByRole('listitem');
  await expect(lines).toHaveText([/máy chủ \(tại chỗ\)\s*sửa ngày đặc biệt\s*sotay/]);
  await page.getByLabel('Loại việc').selectOption('Đăng nhập');
  await expect(page.getByText('Không có dòng nào khớp với bộ lọc.')).toBeVisible();
  await page.getByRole('button', { name: 'Bỏ lọc' }).click();
  await expect(lines.first()).toBeVisible();
  expect(page.url()).not.toContain('about');
  await page.getByRole('button', { name: 'Kiểm tra toàn bộ sổ' }).click();
  await expect(page.getByText(/Sổ nguyên vẹn: \d+ dòng nối nhau đúng/)).toBeVisible();
});

test('settings stand with the names by which they are changed', async ({ page, office }) => {
  await enterAs(page, office, 'quantri', 'admin/settings');
  await expect(page.getByRole('region', { name: 'Phiên làm việc' })).toContainText('sau 60 phút');
  await expect(page.getByRole('region', { name: 'Trung tâm' })).toContainText('Asia/Ho_Chi_Minh');
});

test('a change of the trust list touches nothing else of it', () => {
  const list = {
    site: 'mau',
    version: 5,
    made_ms: 1,
    valid_until_ms: 2,
    revoked: ['a'],
    withdrawn: [{ bulletin: 'x', up_to: 2 }],
    two_approvers: [{ area: '66', from: 'emergency' }],
  };
  const at = 1_795_000_000_000;
  const next = (change: Parameters<typeof nextList>[1]) => nextList(list, change, at);
  expect(next({ kind: 'renew' })).toEqual({
    ...list,
    version: 1_795_000_000,
    made_ms: at,
    valid_until_ms: at + 732 * 86_400_000,
  });
  expect(nextList({ ...list, version: 2_000_000_000 }, { kind: 'renew' }, at).version).toBe(2_000_000_001);
  expect(next({ kind: 'revoke', key: 'b' }).revoked).toEqual(['a', 'b']);
  expect(next({ kind: 'revoke', key: 'a' }).revoked).toEqual(['a']);
  // Never less than was withdrawn before.
  expect(next({ kind: 'withdraw', bulletin: 'x', up_to: 1 }).withdrawn).toEqual([{ bulletin: 'x', up_to: 2 }]);
  expect(next({ kind: 'withdraw', bulletin: 'y', up_to: 1 }).withdrawn).toEqual([
    ...list.withdrawn,
    { bulletin: 'y', up_to: 1 },
  ]);
  expect(next({ kind: 'two', area: '66', from: 'normal' }).two_approvers).toEqual([{ area: '66', from: 'normal' }]);
  expect(next({ kind: 'one', area: '66' }).two_approvers).toEqual([]);
  const certificate = certificateOf({ title: 'x', key: 'k', areas: ['66'], highest: 'normal', days: 1 }, 'mau', at);
  expect([certificate.valid_from_ms, certificate.valid_until_ms]).toEqual([at - 86_400_000, at + 86_400_000]);
});

test('a first password can be read out', () => {
  const made = new Set(Array.from({ length: 50 }, firstPassword));
  expect(made.size).toBe(50);
  for (const password of made) expect(password).toMatch(/^([a-hjkmnp-z2-9]{4}-){4}[a-hjkmnp-z2-9]{4}$/);
});

test('the heading of papers outlives a reload unsaved, is saved, and taken back', async ({ page, office }) => {
  await enterAs(page, office, 'quantri', 'admin/settings');
  const form = page.getByRole('region', { name: 'Tiêu đề văn bản của cơ quan' });
  await form.getByLabel('Cơ quan chủ quản').fill('UBND TỈNH ĐẮK LẮK');
  await form.getByLabel('Nơi nhận').fill('- Sở VHTTDL;\n- Lưu: VT.');
  // A draft: what is typed outlives a reload.
  await page.reload();
  await expect(form.getByLabel('Cơ quan chủ quản')).toHaveValue('UBND TỈNH ĐẮK LẮK');
  await form.getByRole('button', { name: 'Lưu' }).click();
  await expect(page.getByText('Đã lưu tiêu đề văn bản.')).toBeVisible();
  const saved = () => office.api('GET', '/settings/office') as Promise<{ superior: string; recipients: string[] }>;
  expect((await saved()).recipients).toEqual(['- Sở VHTTDL;', '- Lưu: VT.']);
  await page.getByRole('button', { name: 'Hoàn tác' }).click();
  await expect.poll(async () => (await saved()).superior).toBe('');
  await expect(form.getByLabel('Cơ quan chủ quản')).toHaveValue('');
});
