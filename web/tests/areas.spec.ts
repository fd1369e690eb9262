// Units: the tree by hand and by keyboard, an official list, a merger that the authority signs in the page, and lawful hours. Before a real
// center, on a desk and on a phone.
import { chooseEnglish, expectAccessible, expectNoSidewaysScroll } from './harness.ts';
import { AUTHORITY_PASSPHRASE, enterAs, expect, test } from './office.ts';

const WIDE = { width: 1280, height: 900 };
const PHONE = { width: 360, height: 740 };
// Opening a seal costs 64 MiB and a second or two on a slow machine.
const SEAL_MS = 90_000;

test.use({ viewport: WIDE });

function csv(text: string) {
  return { name: 'danh-sach.csv', mimeType: 'text/csv', buffer: Buffer.from(`\ufeff${text}`) };
}

test('the tree is searched without marks and walked by keyboard', async ({ page, office }) => {
  await enterAs(page, office, 'quantri', 'admin/areas');
  const tree = page.getByRole('tree', { name: 'Cây đơn vị hành chính' });
  const top = tree.getByRole('treeitem', { name: /Tỉnh Đắk Lắk/ });
  await expect(top).toHaveAttribute('aria-expanded', 'true');
  await expect(tree.getByRole('treeitem', { name: /Ea Kao/ })).toBeVisible();
  await top.focus();
  await page.keyboard.press('ArrowLeft');
  await expect(top).toHaveAttribute('aria-expanded', 'false');
  await expect(tree.getByRole('treeitem', { name: /Ea Kao/ })).toHaveCount(0);
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowDown');
  await expect(tree.getByRole('treeitem').nth(1)).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(tree.getByRole('treeitem').nth(1)).toHaveAttribute('aria-selected', 'true');
  await expectAccessible(page);
  await page.getByLabel('Tìm theo tên hoặc mã').fill('buon ma');
  await expect(tree.getByRole('treeitem')).toHaveCount(2);
  await page.getByLabel('Tìm theo tên hoặc mã').fill('không có');
  await expect(page.getByText('Không có đơn vị nào khớp')).toBeVisible();
});

test('a unit is renamed, and a new one added', async ({ page, office }) => {
  office.cli('area', 'add', 'khu-pho-1', '--title', 'Khu phố Một', '--parent', '24169');
  await enterAs(page, office, 'quantri', 'admin/areas?unit=khu-pho-1');
  await page.getByRole('button', { name: 'Sửa…' }).click();
  await page.getByLabel('Tên', { exact: true }).fill('Khu phố 1');
  await page.getByRole('button', { name: 'Lưu' }).click();
  await expect(page.getByRole('heading', { name: 'Khu phố 1' })).toBeVisible();
  await page.getByRole('button', { name: 'Thêm đơn vị bên dưới…' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Lưu' }).click();
  await expect(dialog.getByRole('alert')).toContainText('Hãy điền');
  await dialog.getByLabel('Mã', { exact: true }).fill('to-dan-pho-3');
  await dialog.getByLabel('Tên', { exact: true }).fill('Tổ dân phố 3');
  await dialog.getByRole('button', { name: 'Lưu' }).click();
  await page.getByLabel('Tìm theo tên hoặc mã').fill('to dan pho');
  await expect(page.getByRole('treeitem', { name: /Tổ dân phố 3/ })).toBeVisible();
});

test('a list is previewed line by line, and comes in whole', async ({ page, office }) => {
  await enterAs(page, office, 'quantri', 'admin/areas');
  await page.getByRole('button', { name: 'Nhập danh sách…' }).click();
  const dialog = page.getByRole('dialog');
  const head = 'Mã tỉnh;Tên tỉnh;Mã xã;Tên xã\r\n';
  await dialog
    .getByLabel('Chọn tệp CSV')
    .setInputFiles(csv(`${head}66;Tỉnh Đắk Lắk;24001;Xã Một\r\n66;Tỉnh Đắk Lắk;24002;\r\n`));
  await expect(dialog.getByText('Chưa nhập được')).toBeVisible();
  await expect(dialog.getByText('Không có tên')).toBeVisible();
  await expectAccessible(page);
  await dialog
    .getByLabel('Chọn tệp CSV')
    .setInputFiles(
      csv(`${head}66;Tỉnh Đắk Lắk;24001;Xã Một\r\n66;Tỉnh Đắk Lắk;24002;Xã Hai\r\n1;Hà Nội;4;Phường Ba Đình\r\n`),
    );
  await expect(dialog.getByText('Không có gì vướng')).toBeVisible();
  await dialog.getByRole('button', { name: 'Nhập 2 thay đổi' }).click();
  await expect(page.getByText('Đã nhập: 2 đơn vị')).toBeVisible();
  await expect(page.getByRole('treeitem', { name: /Xã Hai/ })).toBeVisible();
});

test('a merger is previewed, signed here, and done', async ({ page, office }) => {
  test.setTimeout(SEAL_MS);
  office.cli('area', 'add', '24901', '--title', 'Xã Cũ Chín');
  office.cli('area', 'add', '24902', '--title', 'Xã Mới Chín');
  office.cli('speaker', 'add', 'sap-nhap-1', '--title', 'Cụm loa sáp nhập', '--area', '24901');
  await enterAs(page, office, 'quantri', 'admin/areas/merge');
  await page.getByLabel('Đơn vị mới', { exact: true }).fill('24902');
  await page.getByLabel('Thêm đơn vị cũ').fill('Xã Cũ Chín');
  await page.keyboard.press('Enter');
  await expect(page.getByText('Xã Cũ Chín (24901)')).toBeVisible();
  await page.reload();
  // What was chosen is still there.
  await expect(page.getByText('Xã Cũ Chín (24901)')).toBeVisible();
  await page.getByRole('button', { name: 'Xem trước' }).click();
  await expect(page.getByText('1 cụm loa chuyển chỗ')).toBeVisible();
  await expectAccessible(page);
  const sign = page.getByRole('button', { name: 'Ký và sáp nhập…' });
  await expect(sign).toHaveAttribute('aria-disabled', 'true');
  await page.getByLabel('Mã đơn vị mới').fill('24902');
  await sign.click();
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByText(/Xã Cũ Chín \(24901\): từ nay thuộc|Xã Cũ Chín \(24901\) từ nay thuộc/)).toBeVisible();
  await dialog.locator('input[type=file]').setInputFiles(office.authorityKey);
  await dialog.locator('input[type=password]').fill(AUTHORITY_PASSPHRASE);
  await dialog.getByRole('button', { name: 'Ký và sáp nhập' }).click();
  await expect(page.getByText('Đã sáp nhập 1 đơn vị')).toBeVisible({ timeout: SEAL_MS });
  await expect(page.getByText('Đã nhập vào đơn vị này')).toBeVisible();
  const list = office.json('area', 'list') as { code: string; replaced_by?: string }[];
  expect(list.find(({ code }) => code === '24901')?.replaced_by).toBe('24902');
});

test('lawful hours are drawn, checked and signed here', async ({ page, office }) => {
  test.setTimeout(SEAL_MS);
  await enterAs(page, office, 'quantri', 'admin/hours?unit=24175');
  await expect(page.getByText('chưa có giờ riêng')).toBeVisible();
  await page.getByLabel('Khung 1: từ').fill('07:00');
  await page.getByLabel('Khung 1: đến').fill('06:00');
  await page.getByRole('button', { name: 'Ký giờ này…' }).click();
  await expect(page.getByRole('alert')).toContainText('Khung 1');
  await page.getByLabel('Khung 1: từ').fill('05:00');
  await page.getByLabel('Khung 1: đến').fill('06:30');
  await page.getByRole('button', { name: 'Thêm khung giờ' }).click();
  await page.getByLabel('Dài nhất một buổi').fill('30');
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Ký giờ này…' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByText('05:00–06:30, 17:00–18:00')).toBeVisible();
  await dialog.locator('input[type=file]').setInputFiles(office.authorityKey);
  await dialog.locator('input[type=password]').fill(AUTHORITY_PASSPHRASE);
  await dialog.getByRole('button', { name: 'Ký giờ được phát' }).click();
  await expect(page.getByText('Đã ký giờ được phát của')).toBeVisible({ timeout: SEAL_MS });
  await expect(page.getByText(/^bản \d+, ký/)).toBeVisible();
  await page.getByLabel('Bản tin của đơn vị này phát trước').check();
  await expect(page.getByText('Đã lưu thứ tự phát')).toBeVisible();
});

test('on a phone and in English nothing is cut off', async ({ page, office }) => {
  await page.setViewportSize(PHONE);
  await enterAs(page, office, 'quantri', 'admin/areas?unit=24133');
  await expect(page.getByRole('tree')).toBeVisible();
  await expectNoSidewaysScroll(page);
  await chooseEnglish(page);
  for (const part of ['admin/areas', 'admin/areas/merge', 'admin/hours?unit=24133']) {
    await page.goto(`${office.url}/#${part}`);
    await expect(page.getByRole('heading', { level: 2 })).toBeVisible();
    await expectNoSidewaysScroll(page);
    await expectAccessible(page);
  }
});

test('who only looks sees the tree and the hours, and changes nothing', async ({ page, office }) => {
  await enterAs(page, office, 'xem', 'admin/areas?unit=24133');
  await expect(page.getByRole('treeitem', { name: /Ea Kao/ })).toBeVisible();
  await expect(page.getByRole('button', { name: 'Sửa…' })).toHaveCount(0);
  await expect(page.getByRole('button', { name: 'Nhập danh sách…' })).toHaveCount(0);
});
