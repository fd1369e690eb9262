// Schedules before a real center: a rule is written while what it means stands beside it; occurrences are moved by mouse and by keyboard, left
// out, and put back; two people edit the same one; days of the office. And the pure functions beneath.
import { clockOf, dateOf, plusDays } from '../src/lib/schedules/days.ts';
import { emptyForm, nameFor, toForm, toRule, type Rule } from '../src/lib/schedules/form.ts';
import { place } from '../src/lib/schedules/lanes.ts';
import { moveAll, moveFromHere, moveOne, replaceOne, restoreOne, skipOne } from '../src/lib/schedules/move.ts';
import { chooseEnglish, expectAccessible, expectNoSidewaysScroll } from './harness.ts';
import { enterAs, expect, test, type Office } from './office.ts';

const WIDE = { width: 1366, height: 950 };
const PHONE = { width: 360, height: 740 };
const ZONE = 'Asia/Ho_Chi_Minh';

test.use({ viewport: WIDE });

/** A programme of one approved bulletin, and schedules by name; everything is named after the test. */
async function furnish(office: Office, name: string, schedules: Record<string, Partial<Rule>>): Promise<void> {
  office.bulletin(`tin-${name}`, { title: `Tin ${name}` });
  const programme = { [name]: { title: `Chương trình ${name}`, items: [`tin-${name}`] } };
  const entries = Object.entries(schedules).map(([id, rule]) => [id, { targets: ['66'], programme: name, ...rule }]);
  await office.api('POST', '/playlists', { programme, schedule: Object.fromEntries(entries) });
}

/** A day of the week after this one, so that nothing is locked and the calendar is the tests' own. */
const nextWeek = (days = 7) => plusDays(dateOf(Date.now(), ZONE), days);

const ruleOf = async (office: Office, id: string) =>
  ((await office.api('GET', `/schedules/${id}`)) as { rule: Rule }).rule;

test('a rule is written while its meaning, its plays and its clashes stand beside it', async ({ page, office }) => {
  await furnish(office, 'viet', {
    'viet-cu': { title: 'Buổi sáng có sẵn', at: ['05:30'], from: nextWeek(1), priority: 'priority' },
  });
  await enterAs(page, office, 'bientap', 'schedules/new');
  const form = page.locator('form');
  const meaning = page.getByRole('region', { name: 'Lịch này nghĩa là' });
  await form.getByLabel('Tên lịch phát').fill('Phát thanh sáng xã');
  await expect(meaning).toContainText('05:30 hằng ngày', { ignoreCase: true });
  await expect(form).toContainText('chưa chọn nơi phát');
  await form.getByLabel('Nơi nhận').fill('Phường Ea Kao');
  await form.getByRole('button', { name: 'Thêm', exact: true }).click();
  await form.getByLabel('Chương trình').selectOption({ label: 'Chương trình viet' });
  await expect(form).not.toContainText('chưa chọn');
  await form.getByText('CN', { exact: true }).click();
  await expect(meaning).toContainText('05:30 Chủ nhật hằng tuần');
  await expect(meaning.getByRole('listitem').filter({ hasText: 'âm lịch' })).toHaveCount(10);
  // The expert's line says the same, and what is wrong with it is told beside it.
  await form.getByLabel('Dòng cron (nâng cao)').check();
  await form.getByLabel('Dòng cron', { exact: true }).fill('0 30 25 * * *');
  await expect(form).toContainText('không đọc được');
  await expect(form.getByLabel('Dòng cron', { exact: true })).toHaveAttribute('aria-invalid', 'true');
  await form.getByLabel('Giờ trong ngày').check();
  await expectAccessible(page);
  // A reload costs nothing.
  await page.reload();
  await expect(page.getByText('bản nháp chưa lưu')).toBeVisible();
  await expect(form.getByLabel('Tên lịch phát')).toHaveValue('Phát thanh sáng xã');
  await form.getByRole('button', { name: 'Lưu lịch phát' }).click();
  await expect(page.getByText('Đã lưu “Phát thanh sáng xã”.')).toBeVisible();
  await page.getByRole('button', { name: 'Hoàn tác' }).click();
  await expect(page.getByText('Đã trả lại như trước.')).toBeVisible();
  const left = (await office.api('GET', '/schedules')) as { title: string }[];
  expect(left.map(({ title }) => title)).not.toContain('Phát thanh sáng xã');
});

test('a clash and an unlawful hour are told while the rule is typed', async ({ page, office }) => {
  office.cli(
    'speaker',
    'add',
    'loa-trung',
    '--title',
    'Loa trùng',
    '--area',
    '24175',
    '--config-out',
    `${office.dir}/loa-trung.toml`,
  );
  await furnish(office, 'trung', {
    'trung-uu-tien': { title: 'Ưu tiên của tỉnh', at: ['06:15'], priority: 'priority', targets: ['24175'] },
    'trung-xa': { title: 'Của phường', at: ['09:00'], targets: ['24175'] },
  });
  office.cli('area', 'hours', '24175', '--allow', '05:00-21:00');
  await enterAs(page, office, 'bientap', 'schedules/rule/trung-xa');
  const meaning = page.getByRole('region', { name: 'Lịch này nghĩa là' });
  await expect(meaning).toContainText('Giống hệt bản đã lưu');
  await page.getByLabel('Giờ phát thứ 1').fill('06:15');
  await expect(meaning).toContainText('Ưu tiên của tỉnh');
  await expect(meaning).toContainText('thay đổi có hiệu lực từ');
  await page.getByLabel('Giờ phát thứ 1').fill('23:15');
  await expect(meaning).toContainText('ngoài giờ được phép phát thanh');
});

test('an occurrence is dragged to another time, and put back', async ({ page, office }) => {
  await furnish(office, 'keo', { keo: { title: 'Lịch kéo', at: ['08:00'], from: nextWeek(3), targets: ['24133'] } });
  const day = nextWeek(8);
  await enterAs(page, office, 'bientap', `schedules?area=24133&view=day&date=${day}`);
  const block = page.getByRole('button', { name: /08:00.* Lịch kéo/ });
  await expect(block).toBeVisible();
  await block.scrollIntoViewIfNeeded();
  const box = await block.boundingBox();
  if (box === null) throw new Error('the block stands nowhere');
  await page.mouse.move(box.x + 20, box.y + 8);
  await page.mouse.down();
  await page.mouse.move(box.x + 20, box.y + 60, { steps: 4 });
  await page.mouse.move(box.x + 20, box.y + 8 + 96, { steps: 4 });
  await page.mouse.up();
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByLabel('Giờ', { exact: true })).toHaveValue('10:00');
  await expect(dialog.getByLabel('Chỉ lượt này')).toBeChecked();
  await dialog.getByRole('button', { name: 'Dời', exact: true }).click();
  await expect(page.getByRole('button', { name: /10:00.* Lịch kéo.*đã dời/ })).toBeVisible();
  expect((await ruleOf(office, 'keo')).exceptions).toMatchObject([{ at: `${day}T08:00`, move_to: `${day}T10:00` }]);
  await page.getByRole('button', { name: 'Hoàn tác' }).click();
  await expect(block).toBeVisible();
  expect((await ruleOf(office, 'keo')).exceptions ?? []).toEqual([]);
});

test('by keyboard: one is moved with Alt and arrows, then all, then one is left out', async ({ page, office }) => {
  await furnish(office, 'phim', { phim: { title: 'Lịch phím', at: ['14:00'], from: nextWeek(3), targets: ['24169'] } });
  const day = nextWeek(8);
  await enterAs(page, office, 'bientap', `schedules?area=24169&view=day&date=${day}`);
  const block = (time: string) => page.getByRole('button', { name: new RegExp(`${time}.* Lịch phím`) });
  await block('14:00').focus();
  await page.keyboard.press('Alt+ArrowDown');
  await page.keyboard.press('Alt+ArrowDown');
  await expect(page.getByText(/Dời “Lịch phím” tới 14:10/)).toBeAttached();
  await page.keyboard.press('Escape');
  await page.keyboard.press('Alt+ArrowUp');
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByLabel('Giờ', { exact: true })).toHaveValue('13:55');
  await dialog.getByLabel('Mọi lượt sắp tới của lịch này').check();
  await expectAccessible(page);
  await dialog.getByRole('button', { name: 'Dời', exact: true }).press('Enter');
  await expect(block('13:55')).toBeVisible();
  expect((await ruleOf(office, 'phim')).at).toEqual(['13:55']);
  await block('13:55').press('Enter');
  await dialog.getByRole('button', { name: 'Bỏ lượt này' }).press('Enter');
  await expect(block('13:55')).toHaveCount(0);
  await page.getByRole('button', { name: 'Ngày sau' }).press('Enter');
  await expect(block('13:55')).toBeVisible();
});

test('two people edit the same schedule: the second is shown both and chooses', async ({
  page,
  browser,
  office,
  expected,
}) => {
  expected.failedRequests = true;
  await furnish(office, 'doi', { doi: { title: 'Lịch đôi', at: ['07:00'], from: nextWeek(3), targets: ['24169'] } });
  await enterAs(page, office, 'bientap', 'schedules/rule/doi');
  await page.getByLabel('Tên lịch phát').fill('Của tôi');
  const context = await browser.newContext();
  const second = await context.newPage();
  await enterAs(second, office, 'quantri', 'schedules/rule/doi');
  await second.getByLabel('Giờ phát thứ 1').fill('07:45');
  await second.getByRole('button', { name: 'Lưu lịch phát' }).click();
  await expect(second.getByText('Đã lưu “Lịch đôi”.')).toBeVisible();
  await context.close();
  await page.getByRole('button', { name: 'Lưu lịch phát' }).click();
  const dialog = page.getByRole('dialog', { name: 'Có người vừa sửa mục này' });
  await expect(dialog.getByRole('region', { name: 'Bản đang có trên máy chủ' })).toContainText('07:45');
  await expect(dialog.getByRole('region', { name: 'Bản của bạn' })).toContainText('Của tôi');
  expect((await ruleOf(office, 'doi')).at).toEqual(['07:45']);
  await dialog.getByRole('button', { name: 'Lưu bản của tôi' }).click();
  await expect(page.getByText('Đã lưu “Của tôi”.')).toBeVisible();
  expect((await ruleOf(office, 'doi')).at).toEqual(['07:00']);
});

test('a schedule is removed after a question, and comes back', async ({ page, office }) => {
  await furnish(office, 'xoa', { xoa: { title: 'Lịch xóa', at: ['07:30'], targets: ['24169'] } });
  await enterAs(page, office, 'bientap', 'schedules/list');
  await page.getByLabel('Tìm theo tên').fill('lich xoa');
  await page.getByRole('link', { name: 'Lịch xóa' }).click();
  await page.getByRole('button', { name: 'Xóa lịch phát' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Xóa lịch phát' }).click();
  await expect(page.getByText('Đã xóa “Lịch xóa”.')).toBeVisible();
  await page.getByRole('button', { name: 'Hoàn tác' }).click();
  await expect(page.getByText('Đã trả lại như trước.')).toBeVisible();
  expect((await ruleOf(office, 'xoa')).at).toEqual(['07:30']);
});

test('the office names days of its own, and a schedule refers to them', async ({ page, office }) => {
  await enterAs(page, office, 'bientap', 'schedules/days');
  await page.getByRole('button', { name: 'Thêm lịch ngày' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Tên').fill('Hội làng Kon');
  await dialog.getByRole('button', { name: 'Lưu lịch ngày' }).click();
  await expect(dialog).toContainText('ít nhất một ngày');
  const days = dialog.getByRole('group', { name: 'Gồm những ngày' });
  await days.getByLabel('Loại ngày').selectOption('lunar');
  await days.getByRole('spinbutton', { name: 'Ngày' }).fill('10');
  await days.getByRole('spinbutton', { name: 'Tháng' }).fill('3');
  await days.getByRole('button', { name: 'Thêm ngày' }).click();
  await expectAccessible(page);
  await dialog.getByRole('button', { name: 'Lưu lịch ngày' }).click();
  await expect(page.getByRole('button', { name: 'Hội làng Kon' })).toBeVisible();
  await page.goto(`${office.url}/#schedules/new`);
  const not = page.getByRole('group', { name: 'Không phát vào' });
  await not.getByLabel('Loại ngày').selectOption({ label: 'Hội làng Kon' });
  await not.getByRole('button', { name: 'Thêm ngày' }).click();
  await expect(page.getByRole('region', { name: 'Lịch này nghĩa là' })).toContainText('trừ ngày thuộc «Hội làng Kon»');
});

test('on a phone: a list by day, in both languages, without sideways scroll', async ({ page, office }) => {
  await furnish(office, 'dt', {
    dt: { title: 'Lịch điện thoại', at: ['16:00'], from: nextWeek(1), targets: ['24133'] },
  });
  await page.setViewportSize(PHONE);
  await enterAs(page, office, 'bientap', `schedules?area=24133&date=${nextWeek(8)}`);
  await expect(page.getByRole('button', { name: /16:00.*Lịch điện thoại/s }).first()).toBeVisible();
  await expectNoSidewaysScroll(page);
  await expectAccessible(page);
  await chooseEnglish(page);
  await expect(page.getByRole('button', { name: 'Next week' })).toBeVisible();
  await expectAccessible(page);
  await page.getByText('Week', { exact: true }).click();
  await expect(page.getByRole('region', { name: 'Week' })).toBeVisible();
  await expectNoSidewaysScroll(page);
  await expectAccessible(page);
  await page.goto(`${office.url}/#schedules/rule/dt`);
  await expect(page.getByText('16:00 every day')).toBeVisible();
  await expectNoSidewaysScroll(page);
  await expectAccessible(page);
});

test('a viewer sees the calendar and is offered no edit', async ({ page, office }) => {
  await furnish(office, 'xem', { xem: { title: 'Lịch xem', at: ['10:30'], from: nextWeek(1), targets: ['24133'] } });
  await enterAs(page, office, 'xem', `schedules?area=24133&view=day&date=${nextWeek(8)}`);
  await page.getByRole('button', { name: /10:30.* Lịch xem/ }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog).toContainText('không sửa được');
  await expect(dialog.getByRole('button', { name: 'Dời giờ…' })).toHaveCount(0);
  await expect(page.getByRole('link', { name: 'Thêm lịch phát' })).toHaveCount(0);
});

test('texts become forms and forms become texts', () => {
  const rule: Rule = {
    title: 'Sáng',
    at: ['05:30', '17:00'],
    weekdays: ['mon', 'sun'],
    days_of_month: [1, -1],
    repeat: { times: 3, every_min: 10 },
    from: '2026-12-01',
    only_on: ['lunar:15'],
    exceptions: [{ at: '2026-12-02T05:30', skip: true }],
    duration_s: 90,
    priority: 'priority',
    volume_db: -3,
    targets: ['66'],
    programme: 'sang',
  };
  expect(toRule(toForm(rule))).toEqual(rule);
  expect(toForm({ title: '', at: ['05:30'], weekdays: ['t2', 'CN'], targets: [] }).weekdays).toEqual(['mon', 'sun']);
  expect(toRule({ ...emptyForm(), monthDays: '1; x' }).days_of_month).toEqual([1, 0]);
  expect(nameFor('Buổi sáng, xã Đắk Liêng!', (name) => name === 'buoi-sang-xa-dak-lieng')).toBe(
    'buoi-sang-xa-dak-lieng-2',
  );
  expect(clockOf(Date.UTC(2026, 10, 22, 22, 30), ZONE)).toBe('05:30');
});

test('moving one, this and later ones, or all, makes the text that says so', () => {
  const rule: Rule = { title: '', at: ['05:30', '17:00'], targets: ['66'] };
  const one = { at: '2026-11-25T05:30:00', kind: 'usual' };
  const moved = moveOne(rule, one, '2026-11-25T06:00:00');
  expect(moved.exceptions).toEqual([{ at: '2026-11-25T05:30', move_to: '2026-11-25T06:00' }]);
  expect(moveOne(moved, { ...one, kind: 'moved' }, '2026-11-25T05:30:00').exceptions).toBeUndefined();
  expect(skipOne(moved, one).exceptions).toEqual([{ at: '2026-11-25T05:30', skip: true }]);
  expect(replaceOne(moved, one, 'khac').exceptions).toEqual([
    { at: '2026-11-25T05:30', move_to: '2026-11-25T06:00', programme: 'khac' },
  ]);
  expect(restoreOne(moved, one).exceptions).toBeUndefined();
  expect(moveAll(rule, one, '2026-11-25T18:30:00')?.at).toEqual(['17:00', '18:30']);
  expect(moveAll(rule, one, '2026-11-26T05:30:00'), 'every day cannot move to another day').toBeNull();
  const weekly: Rule = { title: '', at: ['05:30'], weekdays: ['wed'], targets: [] };
  expect(moveAll(weekly, one, '2026-11-26T06:00:00')).toMatchObject({ at: ['06:00'], weekdays: ['thu'] });
  expect(moveAll({ ...rule, cron: '0 30 5 * * *' }, one, '2026-11-25T06:00:00')).toBeNull();
  const split = moveFromHere(
    { ...rule, exceptions: [{ at: '2026-11-20T17:00', skip: true }] },
    one,
    '2026-11-25T06:00:00',
  );
  expect(split?.before).toMatchObject({ until: '2026-11-24', at: ['05:30', '17:00'] });
  expect(split?.after).toMatchObject({ from: '2026-11-25', at: ['06:00', '17:00'] });
  expect(split?.before.exceptions).toHaveLength(1);
  expect(split?.after.exceptions).toBeUndefined();
  const extra: Rule = { ...rule, exceptions: [{ extra: '2026-11-25T09:00' }] };
  const added = { at: '2026-11-25T09:00:00', kind: 'extra' };
  expect(moveOne(extra, added, '2026-11-25T09:30:00').exceptions).toEqual([{ extra: '2026-11-25T09:30' }]);
  expect(skipOne(extra, added).exceptions).toBeUndefined();
});

test('blocks that would cover each other stand side by side', () => {
  const day = { start_ms: 0, end_ms: 24 };
  const at = (start_ms: number, end_ms: number) => ({ start_ms, end_ms });
  const placed = place([at(5, 7), at(6, 8), at(7, 9), at(10, 11)], (one) => one, day, 0.01);
  expect(placed.map(({ lane, lanes }) => [lane, lanes])).toEqual([
    [0, 2],
    [1, 2],
    [0, 2],
    [0, 1],
  ]);
  expect(place([at(23.99, 24)], (one) => one, day, 0.05)[0]).toMatchObject({ top: 0.95, height: 0.05 });
});
