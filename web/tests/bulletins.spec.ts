// Bulletins before a real center: from the file or the microphone to what waits for approval, and everything that is shown of one.
import { readFileSync } from 'node:fs';
import { chooseEnglish, expectAccessible, expectNoSidewaysScroll, openPart } from './harness.ts';
import { APPROVER_PASSPHRASE, enterAs, expect, sample, test, type Office } from './office.ts';
import type { Page } from '@playwright/test';

const WIDE = { width: 1280, height: 900 };
const PHONE = { width: 360, height: 740 };

test.use({ viewport: WIDE });

async function choose(page: Page, name: string): Promise<void> {
  await page.getByLabel('Chọn tệp âm thanh').setInputFiles(sample(name));
}

async function shown(page: Page, office: Office, id: string): Promise<void> {
  await page.goto(`${office.url}/#bulletins/${id}`);
  await expect(page.getByRole('button', { name: 'Nghe', exact: true })).toBeVisible();
}

test('from a file to what waits for approval, by keyboard', async ({ page, office }) => {
  await enterAs(page, office, 'bientap');
  await openPart(page, 'Bản tin');
  await page.getByRole('link', { name: 'Bản tin mới' }).first().press('Enter');
  await choose(page, 'cat-nuoc.opus');
  await expect(page.getByText('Đã tải lên xong.')).toBeVisible();
  await page.getByLabel('Tên bản tin').fill('Cắt nước thứ hai');
  await page.getByLabel('Khu vực').selectOption('Phường Ea Kao');
  await page.getByRole('textbox', { name: 'Lời của bản tin' }).fill('Sáng thứ hai cắt nước từ 8 giờ.');
  await page.getByRole('button', { name: 'Thêm bản tin' }).press('Enter');
  await expect(page.getByRole('heading', { name: 'Cắt nước thứ hai', level: 2 })).toBeVisible();
  await expect(page.getByRole('button', { name: 'Nghe', exact: true })).toBeVisible({ timeout: 30_000 });
  await expect(page.getByText(/Độ lớn −\d+,\d\sLUFS/)).toBeVisible();
  await expect(page.getByText('Sáng thứ hai cắt nước từ 8 giờ.').first()).toBeVisible();
  // The outline is searched by keyboard.
  const place = page.getByRole('slider', { name: 'Vị trí trong âm thanh' });
  await place.press('ArrowRight');
  await expect(place).toHaveAttribute('aria-valuenow', '5');
  await place.press('Home');
  await expect(place).toHaveAttribute('aria-valuenow', '0');
  await page.getByRole('button', { name: 'Trình duyệt' }).press('Enter');
  await page.getByRole('dialog').getByRole('button', { name: 'Trình duyệt' }).press('Enter');
  await expect(page.getByText('Chờ duyệt').first()).toBeVisible();
  const history = page.getByRole('region', { name: 'Ai đã làm gì' });
  await expect(history.getByRole('listitem')).toHaveText([
    /Trình duyệt · bản số 1 · Lê Thị Biên/,
    /Sửa · bản số 1 · Lê Thị Biên[\s\S]*lời/,
    /Thêm âm thanh · bản số 1 · Lê Thị Biên/,
  ]);
  await page.getByRole('link', { name: 'Về danh sách bản tin' }).click();
  await page.getByLabel('Tìm trong tên và lời').fill('cat nuoc thu hai');
  await expect(page.getByRole('list', { name: 'Bản tin' }).getByRole('listitem')).toHaveCount(1);
  await page.getByLabel('Trạng thái').selectOption({ label: 'Chờ duyệt (1)' });
  await expect(page.getByRole('list', { name: 'Bản tin' })).toContainText('Cắt nước thứ hai');
});

test('an upload goes on after the line broke, and after a reload', async ({ page, office, expected }) => {
  expected.failedRequests = true;
  await enterAs(page, office, 'bientap', 'bulletins/new');
  const offsets: number[] = [];
  let broken = 0;
  await page.route('**/api/v1/uploads/*?offset=*', async (route) => {
    offsets.push(Number(new URL(route.request().url()).searchParams.get('offset')));
    // Every second part is lost on its way.
    if (broken++ % 2 === 0) await route.abort('connectionreset');
    else await route.continue();
  });
  const wav = readFileSync(sample('nhac-hieu.wav'));
  const samples = Buffer.concat(Array.from({ length: 8 }, () => wav.subarray(44)));
  const head = Buffer.from(wav.subarray(0, 44));
  head.writeUInt32LE(36 + samples.length, 4);
  head.writeUInt32LE(samples.length, 40);
  const file = { name: 'Nhạc hiệu.wav', mimeType: 'audio/wav', buffer: Buffer.concat([head, samples]) };
  await page.getByLabel('Tên bản tin').fill('Nhạc hiệu dài');
  await page.getByLabel('Chọn tệp âm thanh').setInputFiles(file);
  await expect(page.getByText('Phần đã tải vẫn còn')).toBeVisible();
  await expect.poll(() => Math.max(...offsets), { timeout: 20_000 }).toBeGreaterThan(0);
  // The page is lost in the middle, and with it the file; what was typed and sent is not.
  await page.reload();
  await expect(page.getByLabel('Tên bản tin')).toHaveValue('Nhạc hiệu dài');
  await expect(page.getByText('Hãy chọn lại đúng tệp ấy')).toBeVisible();
  await page.unrouteAll({ behavior: 'ignoreErrors' });
  await page.getByLabel('Chọn tệp âm thanh').setInputFiles(file);
  await expect(page.getByText('Đã tải lên xong.')).toBeVisible({ timeout: 30_000 });
  await page.getByRole('button', { name: 'Thêm bản tin' }).click();
  await expect(page.getByRole('button', { name: 'Nghe', exact: true })).toBeVisible({ timeout: 30_000 });
});

test('spoken into the microphone, listened to, and taken in by the center', async ({ page, office }) => {
  await enterAs(page, office, 'bientap', 'bulletins/new');
  await page.getByRole('button', { name: 'Ghi âm bằng micrô' }).click();
  await page.getByRole('button', { name: 'Bắt đầu ghi' }).click();
  await expect(page.getByText('Đang ghi')).toBeVisible();
  await expect(page.getByLabel('Đã ghi 0:02')).toBeVisible();
  await page.getByRole('button', { name: 'Tạm dừng' }).click();
  await page.getByRole('button', { name: 'Ghi tiếp' }).click();
  await expect(page.getByLabel('Đã ghi 0:03')).toBeVisible();
  await page.getByRole('button', { name: 'Xong, nghe lại' }).click();
  await expect(page.getByRole('button', { name: 'Nghe', exact: true })).toBeVisible();
  await page.getByRole('button', { name: 'Dùng bản ghi này' }).click();
  await expect(page.getByText('Đã tải lên xong.')).toBeVisible();
  await page.getByLabel('Tên bản tin').fill('Lời nói trực tiếp');
  await page.getByRole('button', { name: 'Thêm bản tin' }).click();
  await expect(page.getByRole('heading', { name: 'Lời nói trực tiếp', level: 2 })).toBeVisible();
  await expect(page.getByRole('button', { name: 'Nghe', exact: true })).toBeVisible({ timeout: 30_000 });
});

test('a browser that refuses the microphone, and a file that is none, in plain words', async ({ page, office }) => {
  await page.addInitScript(() => {
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotAllowedError'));
  });
  await enterAs(page, office, 'bientap', 'bulletins/new');
  await page.getByRole('button', { name: 'Ghi âm bằng micrô' }).click();
  await page.getByRole('button', { name: 'Bắt đầu ghi' }).click();
  await expect(page.getByRole('alert').filter({ hasText: 'không cho trang này dùng micrô' })).toBeVisible();
  await page.getByRole('button', { name: 'Thôi' }).click();
  const file = { name: 'thư.mp3', mimeType: 'audio/mpeg', buffer: Buffer.from('không phải âm thanh '.repeat(200)) };
  await page.getByLabel('Chọn tệp âm thanh').setInputFiles(file);
  await page.getByLabel('Tên bản tin').fill('Không phải âm thanh');
  await page.getByRole('button', { name: 'Thêm bản tin' }).click();
  await expect(page.getByText('Đây không phải tệp âm thanh dùng được.')).toBeVisible({ timeout: 30_000 });
  await page.getByRole('button', { name: 'Xóa', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Xóa bản tin' }).click();
  await expect(page.getByText('Đã xóa bản tin.')).toBeVisible();
});

test('two editors at once: the second chooses, and nothing is lost', async ({ page, office, browser, expected }) => {
  // The browser itself logs the refusal.
  expected.failedRequests = true;
  office.bulletin('hai-nguoi', { title: 'Hai người sửa' });
  await enterAs(page, office, 'bientap', 'bulletins/hai-nguoi');
  await page.getByRole('button', { name: 'Sửa tên, ngôn ngữ và lời' }).click();
  await page.getByRole('textbox', { name: 'Lời của bản tin' }).fill('Lời của tôi');
  const other = await browser.newPage();
  await enterAs(other, office, 'quantri', 'bulletins/hai-nguoi');
  await other.getByRole('button', { name: 'Sửa tên, ngôn ngữ và lời' }).click();
  await other.getByRole('textbox', { name: 'Lời của bản tin' }).fill('Lời của người khác');
  await other.getByRole('button', { name: 'Lưu' }).click();
  await expect(other.getByText('Đã lưu.')).toBeVisible();
  await other.close();
  // Meanwhile the page was left; what was typed is still there.
  await page.reload();
  await page.getByRole('button', { name: 'Sửa tên, ngôn ngữ và lời' }).click();
  await expect(page.getByRole('textbox', { name: 'Lời của bản tin' })).toHaveValue('Lời của tôi');
  await page.getByRole('button', { name: 'Lưu' }).click();
  const conflict = page.getByRole('dialog', { name: 'Có người vừa sửa mục này' });
  await expect(conflict).toContainText('Lời của người khác');
  await conflict.getByRole('button', { name: 'Lưu bản của tôi' }).click();
  await expect(page.getByText('Đã lưu.')).toBeVisible();
  await expect(page.getByRole('region', { name: 'Lời của bản tin' })).toContainText('Lời của tôi');
});

test('another language version beside the original', async ({ page, office }) => {
  office.bulletin('song-ngu', { title: 'Song ngữ' });
  await enterAs(page, office, 'bientap', 'bulletins/song-ngu');
  await page.getByRole('link', { name: 'Thêm bản tiếng khác' }).click();
  await choose(page, 'cat-nuoc.opus');
  await page.getByRole('combobox', { name: 'Ngôn ngữ' }).selectOption('Tiếng Chăm');
  await page.getByLabel('Tên bản tin').fill('Song ngữ, tiếng Chăm');
  await page.getByRole('textbox', { name: 'Lời của bản tin' }).fill('Lời tiếng Chăm');
  await page.getByRole('button', { name: 'Thêm bản tin' }).click();
  await expect(page.getByRole('heading', { name: 'Song ngữ, tiếng Chăm', level: 2 })).toBeVisible();
  const versions = page.getByRole('region', { name: 'Các bản bằng tiếng khác' });
  await expect(versions.getByRole('article')).toHaveCount(2);
  await expect(versions).toContainText('Lời tiếng Chăm');
  await versions.getByRole('link', { name: 'Song ngữ', exact: true }).click();
  await expect(page.getByRole('heading', { name: 'Song ngữ', exact: true, level: 2 })).toBeVisible();
});

test('an approver on a phone: what will happen, the sound to its end, the signature, the account', async ({
  page,
  office,
}) => {
  test.setTimeout(90_000);
  await page.setViewportSize(PHONE);
  office.bulletin('dien-thoai', { title: 'Duyệt trên điện thoại', approve: false });
  await office.api('PUT', '/programmes/dt', { title: 'Chiều', items: ['dien-thoai'] });
  const rule = { title: 'Bản tin chiều', at: ['17:00'], targets: ['66'], programme: 'dt' };
  await office.api('PUT', '/schedules/dt', rule);
  await office.api('POST', '/speakers', { id: 'dt-1', title: 'Loa chợ', area: '24133' });
  await enterAs(page, office, 'duyet', 'approve/dien-thoai/1');
  await expect(page.getByText('Âm thanh đã tải về khớp')).toBeVisible();
  const will = page.getByRole('region', { name: 'Duyệt rồi sẽ phát ở đâu' });
  await expect(will).toContainText(/\d+ cụm loa, 17:00/);
  await expect(will).toContainText('(nếu được duyệt)');
  await page.getByRole('button', { name: 'Nghe', exact: true }).click();
  await expect(page.getByText('Bạn đã nghe đến hết.')).toBeVisible({ timeout: 30_000 });
  await page.getByRole('button', { name: 'Duyệt…' }).click();
  await page.getByLabel('Tệp khóa của người duyệt').setInputFiles(office.approverKey);
  await page.getByLabel('Cụm mật khẩu của khóa').fill(APPROVER_PASSPHRASE);
  await page.getByRole('button', { name: 'Ký và phê duyệt' }).click();
  await expect(page.getByText('Đã phê duyệt “Duyệt trên điện thoại”.')).toBeVisible({ timeout: 60_000 });
  await shown(page, office, 'dien-thoai');
  const history = page.getByRole('region', { name: 'Ai đã làm gì' });
  await expect(history).toContainText('Đã nghe đến hết.');
  await expect(page.getByRole('region', { name: 'Phát ở đâu, khi nào' })).toContainText('1 cụm loa, 17:00');
});

for (const english of [false, true]) {
  for (const viewport of [PHONE, WIDE]) {
    test(`no violation that axe knows: ${english ? 'English' : 'Vietnamese'}, ${viewport.width} px`, async ({
      page,
      office,
    }) => {
      const id = `axe-${english ? 'en' : 'vi'}-${viewport.width}`;
      await page.setViewportSize(viewport);
      office.bulletin(id, { title: 'Nghiêng'.repeat(20) });
      await enterAs(page, office, 'quantri', 'bulletins');
      if (english) await chooseEnglish(page);
      const check = async () => {
        await expectAccessible(page);
        await expectNoSidewaysScroll(page);
      };
      await expect(page.getByRole('list', { name: english ? 'Bulletins' : 'Bản tin' })).toBeVisible();
      await check();
      await page.goto(`${office.url}/#bulletins/new`);
      await expect(page.getByLabel(english ? 'Choose an audio file' : 'Chọn tệp âm thanh')).toBeAttached();
      await check();
      await page.goto(`${office.url}/#bulletins/${id}`);
      await expect(
        page.getByRole('region', { name: english ? 'Who did what' : 'Ai đã làm gì' }).getByRole('listitem'),
      ).toHaveCount(3);
      await check();
    });
  }
}
