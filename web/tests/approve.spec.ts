// Approving in the browser, before a made-up center that checks every signature with other code than the page's.
import type { Locator, Page } from '@playwright/test';
import { readFileSync } from 'node:fs';
import type { SealedKey } from '../src/lib/signing/keys.ts';
import type { FakeCenter } from './fake-center.ts';
import { aSound } from './fake-desk.ts';
import {
  chooseEnglish,
  enter,
  enterByName,
  expect,
  expectAccessible,
  expectNoSidewaysScroll,
  test,
} from './harness.ts';
import { aKey, asFile, type TestKey } from './keys.ts';
import { NOW_MS } from './samples.ts';

const DAY_MS = 24 * 60 * 60_000;
const HOUR_MS = 60 * 60_000;
const WIDE = { width: 1280, height: 900 };
const PHONE = { width: 360, height: 740 };

test.use({ viewport: WIDE });

// This machine's clock agrees with the center's, except where a test says otherwise.
test.beforeEach(async ({ page }) => page.clock.setFixedTime(NOW_MS));

const KEY = aKey('Nguyễn Thị Duyệt, phó chủ tịch');

/** One bulletin that waits, one approver who may approve it, and the page open at it. */
async function open(page: Page, center: FakeCenter, key: TestKey = KEY): Promise<void> {
  if (center.desk.bulletins.length === 0) center.desk.submit();
  if (center.desk.certificates.length === 0) center.desk.certify(key);
  await enter(page, center);
  await page.getByRole('link', { name: 'Phê duyệt' }).click();
  await page
    .getByRole('link', { name: /^Nghe và duyệt/ })
    .first()
    .click();
  await expect(page.getByText('Âm thanh đã tải về khớp')).toBeVisible();
}

/** Says why it is approved without having been listened to; that somebody listens has a test of its own. */
async function excuse(page: Page): Promise<void> {
  await page.getByText('Duyệt khi chưa nghe hết').click();
  await page.getByRole('button', { name: 'Tôi đã nghe bản này trước khi trình.' }).click();
}

async function fill(page: Page, key: TestKey = KEY, passphrase = key.passphrase): Promise<void> {
  await excuse(page);
  await page.getByLabel('Tệp khóa của người duyệt').setInputFiles(asFile(key));
  await page.getByLabel('Cụm mật khẩu của khóa').fill(passphrase);
}

const submit = (page: Page) => page.getByRole('button', { name: 'Ký và phê duyệt' }).click();
const alert = (page: Page, words: string | RegExp): Locator => page.getByRole('alert').filter({ hasText: words });

test.describe('approving', () => {
  test('from the list to a signature that holds, with everything as it was said', async ({ page, center }) => {
    const bulletin = center.desk.submit();
    await open(page, center);
    await expect(page.getByText('Sáng mai cắt nước từ 8 giờ.')).toBeVisible();
    await expect(page.getByText('−23,0\u00a0LUFS; khi phát chỉnh 4,5\u00a0dB')).toBeVisible();
    await fill(page);
    await page.getByLabel('Hiệu lực, số ngày').fill('30');
    await page.getByLabel('Mức ưu tiên cao nhất').selectOption('ưu tiên');
    await page.getByLabel('Thêm khu vực').fill('Xã Ea Kao');
    await page.getByLabel('Thêm khu vực').press('Enter');
    const summary = page.getByRole('region', { name: 'Điều bạn sẽ ký' });
    await expect(summary.getByRole('definition')).toHaveText([
      /Thông báo cắt nước\s*mã cat-nuoc, bản số 1/,
      /2\s+giây\s*dấu SHA-256: [0-9a-f]{16}…/,
      /Phường Buôn Ma Thuột \(24133\)\s*Xã Ea Kao \(24169\)/,
      'ưu tiên',
      /từ .*21 tháng 11.*2026.*đến .*21 tháng 12.*2026/,
      new RegExp(`Nguyễn Thị Duyệt, phó chủ tịch\\s*dấu của khóa: ${KEY.id}`),
    ]);
    await submit(page);
    await expect(page.getByText('Đã phê duyệt “Thông báo cắt nước”.')).toBeVisible();
    await expect(page.getByText('Không có bản tin nào đang chờ duyệt.')).toBeVisible();
    expect(center.desk.approvals).toEqual([
      {
        site: 'mau',
        bulletin: 'cat-nuoc',
        revision: 1,
        title: 'Thông báo cắt nước',
        media: bulletin.revisions[0]?.sound?.media,
        areas: ['24133', '24169'],
        highest: 'priority',
        valid_from_ms: NOW_MS - HOUR_MS,
        valid_until_ms: NOW_MS + 30 * DAY_MS,
        made_ms: NOW_MS,
        approver: KEY.id,
      },
    ]);
  });

  test('with a key as the command line sealed it, while the page stays alive', async ({ page, center }) => {
    const sealed = JSON.parse(
      readFileSync(new URL('../../tests/golden/sealed-key.json', import.meta.url), 'utf8'),
    ) as SealedKey;
    const passphrase = 'ngõ nhỏ, phố nhỏ: 12 cây bàng';
    const key = { sealed, passphrase, id: '19eef55a2fa780329693c8b5e6845b7a' };
    await open(page, center, key);
    await fill(page, key);
    await submit(page);
    await expect(page.getByText(/Đang mở khóa: \d+ %/)).toBeVisible();
    // The page answers while the key is being opened.
    await chooseEnglish(page);
    await expect(page.getByText(/Approved "Thông báo cắt nước"|Đã phê duyệt/)).toBeVisible({ timeout: 30_000 });
    expect(center.desk.approvals.map(({ approver }) => approver)).toEqual([key.id]);
  });

  test('neither key nor passphrase leaves the page or stays in it', async ({ page, center }) => {
    const sent: string[] = [];
    page.on('request', (request) => sent.push(`${request.url()} ${request.postData() ?? ''}`));
    await open(page, center);
    await fill(page);
    await submit(page);
    await expect(page.getByText('Đã phê duyệt')).toBeVisible();
    const secrets = [KEY.passphrase, encodeURIComponent(KEY.passphrase), KEY.sealed.sealed, KEY.sealed.salt];
    for (const request of sent) for (const secret of secrets) expect(request).not.toContain(secret);
    const stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
    expect(stored).not.toContain(KEY.passphrase);
    expect(await page.evaluate(() => indexedDB.databases().then((all) => all.length))).toBeLessThanOrEqual(1);
    expect(page.workers()).toHaveLength(0);
  });

  test('listening to the end is noticed; skipping to it is not', async ({ page, center }) => {
    center.desk.submit({}, {}, aSound(4));
    await open(page, center);
    const audio = page.locator('audio');
    await expect.poll(() => audio.evaluate((sound: HTMLAudioElement) => sound.readyState)).toBeGreaterThanOrEqual(3);
    await audio.evaluate(async (sound: HTMLAudioElement) => {
      const ended = new Promise((resolve) => sound.addEventListener('ended', resolve, { once: true }));
      sound.currentTime = Math.max(0, sound.duration - 0.2);
      await sound.play();
      await ended;
    });
    await expect(page.getByText(/Đã nghe [0-9]+ %/)).toBeVisible();
    await audio.evaluate(async (sound: HTMLAudioElement) => {
      const ended = new Promise((resolve) => sound.addEventListener('ended', resolve, { once: true }));
      sound.currentTime = 0;
      await sound.play();
      await ended;
    });
    await expect(page.getByText('Bạn đã nghe đến hết.')).toBeVisible();
    await page.getByLabel('Tệp khóa của người duyệt').setInputFiles(asFile(KEY));
    await page.getByLabel('Cụm mật khẩu của khóa').fill(KEY.passphrase);
    await submit(page);
    await expect(page.getByText('Đã phê duyệt')).toBeVisible();
    expect(center.desk.unheard).toEqual([null]);
  });

  test('a remembered key stays sealed, is there again, and can be forgotten', async ({ page, center }) => {
    center.desk.submit();
    center.desk.submit({ id: 'hai', title: 'Tin thứ hai' });
    await open(page, center);
    await fill(page);
    await page.getByLabel('Nhớ tệp khóa').check();
    await submit(page);
    await expect(page.getByText('Đã phê duyệt')).toBeVisible();
    // The next one follows.
    await expect(page.getByRole('heading', { name: 'Tin thứ hai' })).toBeFocused();
    await page.reload();
    await expect(page.getByText('Khóa đã chọn: Nguyễn Thị Duyệt, phó chủ tịch')).toBeVisible();
    await expect(page.getByText('Âm thanh đã tải về khớp')).toBeVisible();
    await excuse(page);
    await page.getByLabel('Cụm mật khẩu của khóa').fill(KEY.passphrase);
    await page.getByRole('button', { name: 'Quên khóa này' }).click();
    await expect(page.getByText('Khóa đã chọn:')).toHaveCount(0);
    await submit(page);
    await expect(alert(page, 'Hãy chọn tệp khóa.')).toBeVisible();
    await page.reload();
    await expect(page.getByText('Âm thanh đã tải về khớp')).toBeVisible();
    await expect(page.getByText('Khóa đã chọn:')).toHaveCount(0);
  });

  test('where two must sign: 1/2, then 2/2, and nobody twice', async ({ page, center }) => {
    const second = aKey('Trần Văn Hai, trưởng đài');
    center.desk.certify(KEY);
    center.desk.certify(second);
    center.desk.submit({}, { approvals: [], approvals_needed: 2 });
    await open(page, center);
    await expect(page.getByText('0/2 người đã duyệt')).toBeVisible();
    await fill(page);
    await submit(page);
    await expect(page.getByText('Đã ký “Thông báo cắt nước”: 1/2 người.')).toBeVisible();
    await expect(page.getByRole('table', { name: 'Phê duyệt' })).toContainText('1/2 người đã duyệt');
    await page.getByRole('link', { name: /^Nghe và duyệt/ }).click();
    await expect(page.getByText('Đã duyệt: Nguyễn Thị Duyệt')).toBeVisible();
    await expect(page.getByText('Còn cần 1 người khác.')).toBeVisible();
    await fill(page);
    await submit(page);
    await expect(alert(page, 'Khóa này đã ký bản này')).toBeVisible();
    await page.getByLabel('Chọn tệp khác').setInputFiles(asFile(second));
    await page.getByLabel('Cụm mật khẩu của khóa').fill(second.passphrase);
    await submit(page);
    await expect(page.getByText('Đã phê duyệt “Thông báo cắt nước”.')).toBeVisible();
    expect(center.desk.approvals.map(({ approver }) => approver)).toEqual([KEY.id, second.id]);
  });

  test('by an approver who signed in by name; a viewer only looks', async ({ page, center, expected }) => {
    expected.failedRequests = true;
    center.desk.submit();
    await enterByName(page, center, '#approve/cat-nuoc/1');
    await expect(page.getByRole('button', { name: 'Ký và phê duyệt' })).toBeVisible();
    await page.getByRole('button', { name: 'Đăng xuất' }).click();
    center.accounts.who = { ...center.accounts.who, grants: [{ role: 'viewer', area: '66' }] };
    await enterByName(page, center, '#approve/cat-nuoc/1');
    await expect(page.getByText('không có vai trò người duyệt')).toBeVisible();
    await expect(page.getByRole('button', { name: 'Ký và phê duyệt' })).toHaveCount(0);
    await expect(page.getByRole('heading', { name: 'Nghe' })).toBeVisible();
  });
});

test.describe('returning', () => {
  test('needs a reason, and says that it was done', async ({ page, center }) => {
    const bulletin = center.desk.submit();
    await open(page, center);
    await page.getByRole('button', { name: 'Trả lại biên tập viên' }).click();
    await expect(alert(page, 'Hãy nêu lý do trả lại.')).toBeVisible();
    expect(center.count('POST /api/v1/bulletins')).toBe(0);
    await page.getByLabel('Lý do, để').fill('  Sai giờ cắt nước.  ');
    await page.getByRole('button', { name: 'Trả lại biên tập viên' }).click();
    await expect(page.getByText('Đã trả lại.')).toBeVisible();
    expect(bulletin.revisions[0]).toMatchObject({ state: 'returned', reason: 'Sai giờ cắt nước.' });
  });
});

test.describe('refusing, in plain words', () => {
  test('what is missing is asked for, one after the other', async ({ page, center }) => {
    await open(page, center);
    await submit(page);
    await expect(alert(page, 'Hãy nghe đến hết, hoặc nêu lý do')).toBeVisible();
    await excuse(page);
    await submit(page);
    await expect(alert(page, 'Hãy chọn tệp khóa.')).toBeVisible();
    await page.getByLabel('Tệp khóa của người duyệt').setInputFiles(asFile(KEY));
    await submit(page);
    await expect(alert(page, 'Hãy nhập cụm mật khẩu')).toBeVisible();
    await page.getByLabel('Cụm mật khẩu của khóa').fill(KEY.passphrase);
    await page.getByRole('button', { name: 'Bỏ Phường Buôn Ma Thuột (24133)' }).click();
    await submit(page);
    await expect(alert(page, 'ít nhất một khu vực')).toBeVisible();
    await page.getByLabel('Thêm khu vực').fill('Hà Nội');
    await page.getByRole('button', { name: 'Thêm', exact: true }).click();
    await expect(alert(page, 'Không có khu vực nào là “Hà Nội”.')).toBeVisible();
    await page.getByLabel('Thêm khu vực').fill('24169');
    await page.getByRole('button', { name: 'Thêm', exact: true }).click();
    for (const days of ['0', '1.5', '-3', '99999', '']) {
      await page.getByLabel('Hiệu lực, số ngày').fill(days);
      await submit(page);
      await expect(alert(page, 'Số ngày phải là số nguyên')).toBeVisible();
    }
    expect(center.count('POST /api/v1/bulletins')).toBe(0);
  });

  test('a session that has ended meanwhile leads to the form', async ({ page, center, expected }) => {
    expected.failedRequests = true;
    await open(page, center);
    await page.getByLabel('Lý do, để').fill('x');
    // Not before: whatever the page still asks for would lead there too.
    center.sessionLost = true;
    await page.getByRole('button', { name: 'Trả lại biên tập viên' }).click();
    await expect(page.getByText('Phiên làm việc đã hết hạn')).toBeVisible();
  });

  test('a wrong passphrase, and then the right one', async ({ page, center }) => {
    await open(page, center);
    await fill(page, KEY, 'không phải cụm này');
    await submit(page);
    await expect(alert(page, 'Cụm mật khẩu không đúng')).toBeVisible();
    await expect(page.getByLabel('Cụm mật khẩu của khóa')).toHaveValue('');
    await expect(page.getByLabel('Cụm mật khẩu của khóa')).toBeFocused();
    await page.getByLabel('Cụm mật khẩu của khóa').fill(KEY.passphrase);
    await submit(page);
    await expect(page.getByText('Đã phê duyệt')).toBeVisible();
  });

  test('a file that is no key', async ({ page, center }) => {
    await open(page, center);
    const other = { name: 'anh.json', mimeType: 'application/json', buffer: Buffer.alloc(3_000_000, 'x') };
    await page.getByLabel('Tệp khóa của người duyệt').setInputFiles(other);
    await expect(alert(page, 'Đây không phải tệp khóa của loaxa')).toBeVisible();
  });

  test('other sound than the revision names cannot be signed', async ({ page, center }) => {
    center.desk.submit();
    center.desk.certify(KEY);
    center.otherSound = aSound(5);
    await enter(page, center);
    await page.evaluate(() => (location.hash = 'approve/cat-nuoc/1'));
    await expect(alert(page, 'KHÔNG phải là âm thanh mà bản này nêu tên')).toBeVisible();
    await expect(page.locator('audio')).toHaveCount(0);
    await page.getByLabel('Tệp khóa của người duyệt').setInputFiles(asFile(KEY));
    await page.getByLabel('Cụm mật khẩu của khóa').fill(KEY.passphrase);
    await submit(page);
    await expect(alert(page, 'Hãy nghe đến hết')).toBeVisible();
    expect(center.count('POST /api/v1/bulletins')).toBe(0);
  });

  test('a certificate that does not cover it, by its own cause', async ({ page, center }) => {
    await open(page, center);
    await fill(page);
    const cases = [
      { changes: { valid_until_ms: NOW_MS - DAY_MS }, words: /Chứng nhận của khóa này đã hết hạn lúc .*20 tháng 11/ },
      { changes: { valid_from_ms: NOW_MS + DAY_MS }, words: 'chỉ có hiệu lực từ' },
      {
        changes: { areas: ['24169'] },
        words: 'không được duyệt cho Phường Buôn Ma Thuột (24133); chỉ cho Xã Ea Kao (24169)',
      },
      { changes: { highest: 'filler' as const }, words: 'chỉ được duyệt đến mức lấp giờ trống' },
      { changes: null, words: 'không biết khóa đã chọn' },
    ];
    for (const { changes, words } of cases) {
      center.desk.certificates = [];
      if (changes !== null) center.desk.certify(KEY, changes);
      await page.getByRole('link', { name: 'Về danh sách chờ duyệt' }).click();
      await page.getByRole('link', { name: /^Nghe và duyệt/ }).click();
      await expect(page.getByText('Âm thanh đã tải về khớp')).toBeVisible();
      await fill(page);
      await submit(page);
      await expect(alert(page, words)).toBeVisible();
    }
    expect(center.count('POST /api/v1/bulletins')).toBe(0);
  });

  test('what the center says against it is told in its words', async ({ page, center, expected }) => {
    expected.failedRequests = true;
    center.desk.refusal = 'the approval was not taken: the key was revoked yesterday';
    await open(page, center);
    await fill(page);
    await submit(page);
    await expect(
      alert(page, 'Máy chủ không nhận: the approval was not taken: the key was revoked yesterday'),
    ).toBeVisible();
    center.down = true;
    await page.getByLabel('Cụm mật khẩu của khóa').fill(KEY.passphrase);
    await submit(page);
    await expect(alert(page, 'Không kết nối được với máy chủ')).toBeVisible();
  });

  test('a browser without Ed25519, and a page without HTTPS, each with the way out', async ({ page, center }) => {
    await page.addInitScript(() => {
      const real = crypto.subtle.importKey.bind(crypto.subtle) as (...all: unknown[]) => Promise<CryptoKey>;
      crypto.subtle.importKey = ((...all: unknown[]) =>
        all[2] === 'Ed25519' ? Promise.reject(new DOMException('', 'NotSupportedError')) : real(...all)) as never;
    });
    await open(page, center);
    await expect(alert(page, 'Chrome hoặc Edge 137, Safari 17, Firefox 129')).toBeVisible();
    await expect(page.getByText('loaxa bulletin approve')).toBeVisible();
    await page.addInitScript(() => Object.defineProperty(Crypto.prototype, 'subtle', { value: undefined }));
    await page.reload();
    await expect(alert(page, 'mở bằng https://')).toBeVisible();
    // It can still be heard and returned.
    await expect(page.getByRole('button', { name: 'Nghe', exact: true })).toBeVisible();
    await expect(page.getByRole('button', { name: 'Trả lại biên tập viên' })).toBeVisible();
  });

  test('a clock that is wrong here is said before it is signed', async ({ page, center }) => {
    await page.clock.setFixedTime(NOW_MS + 3 * DAY_MS);
    await open(page, center);
    await expect(page.getByText(/Đồng hồ máy này .*24 tháng 11.* lệch với trung tâm .*21 tháng 11/)).toBeVisible();
  });

  test('an emergency of more than a day is warned about', async ({ page, center }) => {
    await open(page, center);
    await page.getByLabel('Mức ưu tiên cao nhất').selectOption('khẩn cấp');
    await expect(page.getByText('không được phát trong giờ yên tĩnh')).toBeVisible();
    await page.getByLabel('Hiệu lực, số ngày').fill('1');
    await expect(page.getByText('không được phát trong giờ yên tĩnh')).toHaveCount(0);
  });

  test('a revision that was dealt with meanwhile is gone, not stuck', async ({ page, center }) => {
    const bulletin = center.desk.submit();
    await open(page, center);
    const [revision] = bulletin.revisions;
    if (revision) revision.state = 'approved';
    await page.reload();
    await expect(page.getByText('Bản tin này không còn chờ duyệt.')).toBeVisible();
  });
});

test('the list is read page by page, the oldest first, without what does not wait', async ({ page, center }) => {
  center.pageSize = 3;
  for (let i = 0; i < 7; i += 1) {
    const state = i === 2 ? 'approved' : 'submitted';
    center.desk.submit({ id: `b${i}`, title: `Tin ${i}` }, { state, created_ms: NOW_MS - i * HOUR_MS });
  }
  await enter(page, center);
  await page.getByRole('link', { name: 'Phê duyệt' }).click();
  const titles = page.getByRole('table', { name: 'Phê duyệt' }).getByRole('link');
  await expect(titles).toHaveText(['Tin 6', 'Tin 5', 'Tin 4', 'Tin 3', 'Tin 1', 'Tin 0']);
  await page.getByRole('link', { name: /Tin 4/ }).click();
  await expect(page.getByRole('heading', { name: 'Tin 4' })).toBeFocused();
  await page.goBack();
  await expect(titles).toHaveCount(6);
});

test('whatever people typed stays text, and cannot turn a line around', async ({ page, center }) => {
  const nasty =
    '<img src=x onerror="document.title=\'hacked\'"><script>alert(1)</script>\u202eevil\u0000\u2066{@html 1}`x`';
  const shown = '<img src=x onerror="document.title=\'hacked\'"><script>alert(1)</script>[U+202E]evil[U+0000][U+2066]';
  const key = aKey(nasty);
  center.info = { ...center.info, title: nasty };
  center.accounts.local = {
    ...center.accounts.local,
    title: nasty,
    grants: [
      { role: nasty, area: nasty },
      { role: 'admin', area: nasty },
    ],
  };
  center.accounts.sessions = center.accounts.sessions.map((session) => ({ ...session, agent: nasty, address: nasty }));
  center.desk.areas = center.desk.areas.map((area) => ({ ...area, title: nasty }));
  center.desk.certify(key);
  const approvals = [{ approver: 'k', title: nasty }];
  const revision = {
    flaws: [{ code: 'said' as const, words: nasty }],
    file_name: nasty,
    approvals,
    approvals_needed: 2,
  };
  center.desk.submit({ title: nasty, text: nasty, language: nasty }, revision);
  await enter(page, center);
  await page.getByRole('link', { name: 'Phê duyệt' }).click();
  const everywhere = async (count: number) => {
    await expect(page.getByText(shown)).toHaveCount(count);
    await expect(page.locator('main :is(img, script), header :is(img, script)')).toHaveCount(0);
    expect(await page.locator('body').innerText()).not.toMatch(/[\u202a-\u202e\u2066-\u2069\u0000]/);
    await expect(page).toHaveTitle(/ · loaxa$/);
  };
  // Header: office and person; list: title, area, warning.
  await everywhere(5);
  await page.getByRole('link', { name: /^Nghe và duyệt/ }).click();
  await expect(page.getByText('Âm thanh đã tải về khớp')).toBeVisible();
  await fill(page, key);
  await expect(page.getByRole('region', { name: 'Điều bạn sẽ ký' })).toContainText(shown);
  // Header 2; title, area, signer so far, words, language, file, warning; chosen area, key; summary: title, area, signer.
  // And the three areas that could be added.
  await everywhere(17);
  await submit(page);
  await expect(page.getByText('Đã phê duyệt “<img')).toBeVisible();
  // The statement holds the title as it is: what is shown is changed, never what is signed.
  expect(center.desk.approvals[0]?.title).toBe(nasty);
  await page.getByRole('link', { name: 'Tài khoản' }).click();
  await expect(page.getByRole('heading', { name: 'Các phiên đang mở' })).toBeVisible();
  await expect(page.getByRole('list', { name: 'Các phiên đang mở' })).toContainText(shown);
  expect(await page.locator('body').innerText()).not.toMatch(/[\u202a-\u202e\u2066-\u2069\u0000]/);
});

test('English is complete', async ({ page, center }) => {
  center.info = { ...center.info, title: 'Centre' };
  center.accounts.local = { ...center.accounts.local, title: 'Ann' };
  center.desk.areas = center.desk.areas.map((area) => ({ ...area, title: 'Place' }));
  const key = aKey('Ann');
  center.desk.certify(key);
  center.desk.submit(
    { title: 'Water', text: 'No water.' },
    { approvals: [{ approver: 'k', title: 'Bob' }], approvals_needed: 3 },
  );
  const seen = async () => (await page.locator('body').innerText()).replace('Tiếng Việt', '');
  const foreign = /[\u00c0-\u00d6\u00d8-\u024f\u1e00-\u1eff]|undefined|\[object/;
  await enter(page, center);
  await chooseEnglish(page);
  await page.getByRole('link', { name: 'Approval' }).click();
  await expect(page.getByRole('table', { name: 'Approval' })).toBeVisible();
  expect(await seen()).not.toMatch(foreign);
  await page.getByRole('link', { name: /^Listen and approve/ }).click();
  await page.getByText('Approve without having heard').click();
  await page.getByRole('button', { name: 'It is urgent; I have read the words.' }).click();
  await page.getByLabel("approver's key file").setInputFiles(asFile(key));
  await page.getByLabel('Highest priority').selectOption('emergency');
  await page.getByLabel('Passphrase').fill('not this one at all');
  await page.getByRole('button', { name: 'Sign and approve' }).click();
  await expect(alert(page, 'This key may approve only up to priority')).toBeVisible();
  await page.getByLabel('Highest priority').selectOption('priority');
  await page.getByLabel('Passphrase').fill('not this one at all');
  await page.getByRole('button', { name: 'Sign and approve' }).click();
  await expect(alert(page, 'The passphrase is wrong')).toBeVisible();
  expect(await seen()).not.toMatch(foreign);
  await page.getByLabel('Passphrase').fill(key.passphrase);
  await page.getByRole('button', { name: 'Sign and approve' }).click();
  await expect(page.getByText('Signed "Water": 2/3.')).toBeVisible();
});

for (const colorScheme of ['light', 'dark'] as const) {
  for (const english of [false, true]) {
    for (const viewport of [PHONE, WIDE]) {
      const name = `${colorScheme}, ${english ? 'English' : 'Vietnamese'}, ${viewport.width} px`;

      test(`no violation that axe knows, no scrolling sideways: ${name}`, async ({ page, center }) => {
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
        await page.setViewportSize(viewport);
        const long = 'Nghiêng'.repeat(20);
        const revision = {
          flaws: [{ code: 'said' as const, words: long }],
          file_name: long,
          approvals: [{ approver: 'k', title: long }],
          approvals_needed: 2,
        };
        center.desk.submit({ title: long, text: long }, revision);
        center.desk.certify(KEY);
        await enter(page, center);
        if (english) await chooseEnglish(page);
        const check = async () => {
          await expectAccessible(page);
          await expectNoSidewaysScroll(page);
        };
        await page.getByRole('link', { name: english ? 'Approval' : 'Phê duyệt' }).click();
        const item = page.getByRole('link', { name: english ? /^Listen and approve/ : /^Nghe và duyệt/ });
        await expect(item).toBeVisible();
        await check();
        await item.click();
        await page.getByText(english ? 'Approve without having heard' : 'Duyệt khi chưa nghe hết').click();
        await page.getByRole('textbox', { name: english ? 'Why you have not' : 'Vì sao không' }).fill(long);
        await page
          .locator('input[type=file]')
          .setInputFiles(asFile({ ...KEY, sealed: { ...KEY.sealed, title: long } }));
        await expect(
          page.getByRole('region', { name: english ? 'What you will sign' : 'Điều bạn sẽ ký' }),
        ).toBeVisible();
        await page.getByRole('button', { name: english ? 'Sign and approve' : 'Ký và phê duyệt' }).click();
        await expect(page.getByRole('alert').filter({ hasText: english ? 'Please enter' : 'Hãy nhập' })).toBeVisible();
        await check();
      });
    }
  }
}
