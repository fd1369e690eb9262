// Programmes before a real center: bulletins are added and set in order by mouse and by keyboard, lengths add up, what fits a slot is said,
// warnings stand where they belong, and what was saved can be taken back.
import { moved, toItem, toText } from '../src/lib/programmes/items.ts';
import { chooseEnglish, expectAccessible, expectNoSidewaysScroll } from './harness.ts';
import { enterAs, expect, test } from './office.ts';

test.use({ viewport: { width: 1366, height: 950 } });

test('a programme is put together, ordered by keyboard and by mouse, saved and taken back', async ({
  page,
  office,
}) => {
  office.bulletin('ct-mot', { title: 'Tin một' });
  office.bulletin('ct-hai', { title: 'Tin hai', file: 'sot-xuat-huyet.mp3' });
  office.bulletin('ct-ba', { title: 'Tin ba', approve: false });
  await enterAs(page, office, 'bientap', 'programmes/new');
  const order = page.getByRole('region', { name: 'Thứ tự phát' });
  await order.getByLabel('Tên chương trình').fill('Buổi thử');
  await page.getByLabel('Tìm bản tin').fill('tin');
  for (const name of ['Tin một', 'Tin hai', 'Tin ba']) await page.getByRole('button', { name: `Thêm ${name}` }).click();
  const items = order.locator('ol > li');
  await expect(items).toHaveCount(3);
  await expect(items.nth(2)).toContainText('Chưa được duyệt');
  await expect(order).toContainText(/Tổng thời lượng: \d+.*giây/);
  const names = () => items.locator('strong').allTextContents();
  // By button: the focus stays with the button.
  await order.getByRole('button', { name: 'Đưa xuống: Tin một' }).focus();
  await page.keyboard.press('Enter');
  expect(await names()).toEqual(['Tin hai', 'Tin một', 'Tin ba']);
  await expect(order.getByRole('button', { name: 'Đưa xuống: Tin một' })).toBeFocused();
  await page.keyboard.press('Alt+ArrowUp');
  expect(await names()).toEqual(['Tin một', 'Tin hai', 'Tin ba']);
  // By mouse.
  const grip = items.nth(0).locator('.grip');
  const [from, onto] = [await grip.boundingBox(), await items.nth(1).boundingBox()];
  if (from === null || onto === null) throw new Error('nothing to drag');
  await page.mouse.move(from.x + 8, from.y + 8);
  await page.mouse.down();
  await page.mouse.move(onto.x + 20, onto.y + onto.height - 6, { steps: 6 });
  await page.mouse.up();
  expect(await names()).toEqual(['Tin hai', 'Tin một', 'Tin ba']);
  // What fits a slot of twelve seconds.
  await order.getByLabel('Thử với khung giờ (phút)').fill('0,2');
  await expect(order).toContainText('Bị bỏ lại');
  await expect(order).toContainText('dài hơn thời gian còn lại');
  await expectAccessible(page);
  await page.getByRole('button', { name: '+ Khoảng lặng' }).click();
  await order.getByRole('spinbutton').fill('0');
  await expect(items.nth(3)).toContainText('từ 1 đến 3600 giây');
  await order.getByRole('spinbutton').fill('5');
  await expect(items.nth(3)).not.toContainText('từ 1 đến 3600 giây');
  await order.getByRole('button', { name: 'Nghe Tin một' }).click();
  await expect(order.locator('audio')).toHaveAttribute('src', /\/api\/v1\/media\/[0-9a-f]{64}/);
  await order.getByRole('button', { name: 'Dừng nghe' }).click();
  // A reload costs nothing.
  await page.reload();
  await expect(page.getByText('bản nháp chưa lưu')).toBeVisible();
  await expect(items).toHaveCount(4);
  await order.getByRole('button', { name: 'Lưu chương trình' }).click();
  await expect(page.getByText('Đã lưu chương trình “Buổi thử”.')).toBeVisible();
  await page.getByRole('button', { name: 'Hoàn tác' }).click();
  await expect(page.getByText('Đã trả lại như trước.')).toBeVisible();
  await expect(page.getByRole('link', { name: 'Buổi thử' })).toHaveCount(0);
});

test('on a phone, in English, with an edit of what somebody else has changed meanwhile', async ({
  page,
  office,
  expected,
}) => {
  expected.failedRequests = true;
  office.bulletin('ct-doi', { title: 'Tin đôi' });
  await office.api('PUT', '/programmes/ct-doi', { title: 'Chương trình đôi', items: ['ct-doi'] });
  await page.setViewportSize({ width: 360, height: 740 });
  await enterAs(page, office, 'bientap', 'programmes');
  await expectAccessible(page);
  await page.getByRole('link', { name: 'Chương trình đôi' }).click();
  await chooseEnglish(page);
  const title = page.getByLabel('Name of the programme');
  await title.fill('Của tôi');
  await expectNoSidewaysScroll(page);
  await expectAccessible(page);
  await office.api('PUT', '/programmes/ct-doi', { title: 'Của người khác', items: ['ct-doi'] });
  await page.getByRole('button', { name: 'Save the programme' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog).toContainText('Của người khác');
  await dialog.locator('footer button').nth(1).click();
  await expect(title).toHaveValue('Của người khác');
});

test('items are read and written as the center has them', () => {
  const texts = ['tin', { tune: 'nhac' }, { pause_s: 5 }, { relay: 'line:1', minutes: 15 }, { bed: 'nen' }];
  expect(texts.map((text, key) => toText(toItem(text, key)))).toEqual(texts);
  expect(moved(['a', 'b', 'c'], 0, 2)).toEqual(['b', 'c', 'a']);
  expect(moved(['a', 'b', 'c'], 2, 0)).toEqual(['c', 'a', 'b']);
});
