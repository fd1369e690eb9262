// The speakers' part: before a real center what an operator does with one and with several; before a made-up one what thousands of them ask
// of the list and the map; and the pure things beneath.
import type { Page } from '@playwright/test';
import { canPart, clusters, fitting, labels, placed, project, scaleBar, zoomed } from '../src/lib/speakers/cluster.ts';
import { causes, filterOf, matching, queryOf, sorted, subtree } from '../src/lib/speakers/filter.ts';
import { fold, holds, wordsOf } from '../src/lib/speakers/fold.ts';
import { fromLocal, left, toLocal } from '../src/lib/speakers/moment.ts';
import { lanes } from '../src/lib/speakers/stretches.ts';
import { CROWD_AREAS, crowd } from './crowd.ts';
import {
  chooseEnglish,
  enter,
  expect,
  expectAccessible,
  expectNoSidewaysScroll,
  openPart,
  test as made,
} from './harness.ts';
import { enterAs, test, type Office } from './office.ts';
import { aSpeaker, anAbsentSpeaker, HOUR_MS, NOW_MS, threeSpeakers } from './samples.ts';

const PHONE = { width: 360, height: 740 };
const WIDE = { width: 1280, height: 900 };

test.describe('pure', () => {
  test('people search without the marks of Vietnamese', () => {
    expect(fold('  Chợ ĐẦU   mối ')).toBe('cho dau moi');
    for (const query of ['cho', 'chợ', 'CHO dau', 'mối chợ', 'đầu']) {
      expect(holds(fold('Chợ Đầu mối'), wordsOf(query)), query).toBe(true);
    }
    expect(holds(fold('Chợ'), wordsOf('chùa'))).toBe(false);
    expect(wordsOf('  ')).toEqual([]);
  });

  test('a filter stands in the address and comes back from it', () => {
    const filter = filterOf(
      new URLSearchParams('q=cho&area=66&state=offline.attention.odd&cause=fault:hot&sort=next&down=1'),
    );
    expect(filter).toEqual({
      q: 'cho',
      area: '66',
      standings: ['attention', 'offline'],
      cause: 'fault:hot',
      language: '',
      sort: 'next',
      down: true,
    });
    const told = Object.entries(queryOf(filter)).flatMap(([name, value]) => (value === null ? [] : [[name, value]]));
    expect(filterOf(new URLSearchParams(told))).toEqual(filter);
    expect(Object.values(queryOf(filterOf(new URLSearchParams()))).every((value) => value === null)).toBe(true);
  });

  test('each part of the filter keeps out what does not match', () => {
    const all = [
      aSpeaker({ id: 'a', title: 'Chợ', languages: ['rad'] }),
      anAbsentSpeaker({ id: 'b', title: 'Đình', area: '24169' }),
      aSpeaker({
        id: 'c',
        title: 'Bến xe',
        standing: 'attention',
        causes: ['fault'],
        faults: [{ fault: 'hot', words: '' }],
      }),
    ];
    const areas = [
      { code: '66', title: 'Tỉnh', parent: null },
      { code: '24133', title: 'X', parent: '66' },
      { code: '24169', title: 'Y', parent: '66' },
    ];
    expect([...subtree(areas, '66')].toSorted()).toEqual(['24133', '24169', '66']);
    const ids = (query: string) => matching(all, areas, filterOf(new URLSearchParams(query))).map(({ id }) => id);
    expect(ids('')).toEqual(['a', 'b', 'c']);
    expect(ids('q=cho')).toEqual(['a']);
    expect(ids('q=dinh')).toEqual(['b']);
    expect(ids('area=66')).toEqual(['a', 'b', 'c']);
    expect(ids('area=24169')).toEqual(['b']);
    expect(ids('state=offline.attention')).toEqual(['b', 'c']);
    expect(ids('cause=fault:hot')).toEqual(['c']);
    expect(ids('cause=link_down')).toEqual(['b']);
    expect(ids('lang=rad')).toEqual(['a']);
    expect(causes(all)).toEqual([
      ['link_down', 1],
      ['fault:hot', 1],
    ]);
    const order = (query: string) => sorted(all, filterOf(new URLSearchParams(query))).map(({ id }) => id);
    expect(order('')).toEqual(['c', 'a', 'b']);
    expect(order('down=1')).toEqual(['b', 'a', 'c']);
    expect(order('sort=standing')).toEqual(['c', 'b', 'a']);
    expect(order('sort=since')).toEqual(['b', 'c', 'a']);
  });

  test('the map keeps the place under the pointer, and parts what can be parted', () => {
    const size = { width: 800, height: 600 };
    const points = placed(crowd(3000));
    const outlook = fitting(points, size);
    for (const point of points) {
      const [x, y] = project(point, outlook, size);
      expect(x > 0 && y > 0 && x < size.width && y < size.height).toBe(true);
    }
    const groups = clusters(points, outlook, size);
    expect(groups.reduce((sum, { speakers }) => sum + speakers.length, 0)).toBe(3000);
    expect(groups.length).toBeLessThan(250);
    const [first] = points;
    if (!first) throw new Error('nobody');
    const [x, y] = project(first, outlook, size);
    const [nearX, nearY] = project(first, zoomed(outlook, 3, x, y, size), size);
    expect(Math.hypot(nearX - x, nearY - y)).toBeLessThan(1);
    const largest = groups.toSorted((a, b) => b.speakers.length - a.speakers.length)[0];
    if (!largest) throw new Error('no group');
    expect(canPart(largest)).toBe(true);
    expect(clusters(points, fitting(placed(largest.speakers), size), size).length).toBeGreaterThan(1);
    expect(canPart({ ...largest, speakers: [first, first] })).toBe(false);
    const bar = scaleBar(outlook, 120);
    expect(bar.width).toBeLessThanOrEqual(120);
    expect(bar.metres).toBeGreaterThan(1000);
    expect(labels(points, outlook, size).length).toBeGreaterThan(5);
  });

  test('local times of the center and back', () => {
    expect(toLocal(NOW_MS, 'Asia/Ho_Chi_Minh')).toBe('2026-11-21T10:00:00');
    for (const zone of ['Asia/Ho_Chi_Minh', 'America/New_York', 'UTC']) {
      expect(fromLocal(toLocal(NOW_MS, zone), zone), zone).toBe(NOW_MS);
    }
    expect(fromLocal('2026-11-21T10:00', 'Asia/Ho_Chi_Minh')).toBe(NOW_MS);
    expect(fromLocal('x', 'UTC')).toBe(null);
    const say = { days: (d: string, h: string) => `${d}d${h}`, hours: (h: string, m: string) => `${h}h${m}` };
    expect([left(26 * HOUR_MS, say), left(90 * 60_000, say), left(-5, say)]).toEqual(['1d2', '1h30', '0h0']);
  });

  test('a history becomes stretches that follow each other to the end', () => {
    const turn = (at_ms: number, subject: 'link' | 'clock' | 'fault', value: string, fault?: string) => ({
      at_ms,
      subject,
      value,
      detail: '',
      ...(fault ? { fault } : {}),
    });
    const rows = lanes({
      from_ms: 100,
      until_ms: 200,
      more: false,
      before: [turn(50, 'link', 'up'), turn(60, 'fault', 'begun', 'hot')],
      turns: [
        turn(120, 'link', 'down'),
        turn(130, 'fault', 'ended', 'hot'),
        turn(150, 'link', 'unheard'),
        turn(180, 'link', 'up'),
      ],
    });
    const told = rows.map(({ subject, stretches }) => [
      subject,
      stretches.map(({ from_ms, until_ms, kind, value }) => `${from_ms}-${until_ms} ${kind} ${value}`),
    ]);
    expect(told).toEqual([
      ['link', ['100-120 good up', '120-150 bad down', '150-180 unknown unheard', '180-200 good up']],
      ['fault', ['100-130 bad hot']],
    ]);
  });
});

function add(office: Office, id: string, title: string, area = '24133'): void {
  office.cli('speaker', 'add', id, '--title', title, '--area', area);
}

async function inRow(page: Page, title: string) {
  return page.getByRole('grid', { name: 'Cụm loa' }).getByRole('row').filter({ hasText: title });
}

for (const viewport of [WIDE, PHONE]) {
  test.describe(`${viewport.width} px`, () => {
    test.use({ viewport });

    test('an operator adds a speaker, says where it is, gets its code, and shuts it out', async ({ page, office }) => {
      test.setTimeout(120_000);
      const name = `Chợ Ea ${viewport.width}`;
      const id = `cho-ea-${viewport.width}`;
      await enterAs(page, office, 'kythuat', 'speakers');
      await page.getByRole('button', { name: 'Thêm cụm loa' }).first().click();
      await page.getByLabel('Tên cụm loa').fill(name);
      await page.getByRole('dialog').getByLabel('Khu vực').selectOption('24133');
      await page.getByRole('dialog').getByRole('button', { name: 'Thêm', exact: true }).click();
      await expect(page.getByRole('heading', { name, level: 2 })).toBeVisible();
      await expect(page.getByText('chưa có bộ điều khiển').first()).toBeVisible();
      await page.getByRole('button', { name: 'Sửa thông tin' }).click();
      await page.getByLabel('Vĩ độ').fill('12.6797, 108.0377');
      await expect(page.getByLabel('Kinh độ')).toHaveValue('108.0377');
      await page.getByLabel('Ngôn ngữ của người dân').fill('rad, vie');
      // A draft outlives the page.
      await page.reload();
      await page.getByRole('button', { name: 'Sửa thông tin' }).click();
      await expect(page.getByLabel('Ngôn ngữ của người dân')).toHaveValue('rad, vie');
      await expectAccessible(page);
      await page.getByRole('button', { name: 'Lưu', exact: true }).click();
      await expect(page.getByText('Đã lưu thông tin cụm loa.')).toBeVisible();
      await expect(page.getByText('12.6797, 108.0377')).toBeVisible();
      await page.getByRole('button', { name: 'Mã kết nối' }).click();
      await page.getByRole('button', { name: 'Tạo mã' }).click();
      await expect(page.getByRole('img', { name: `Hình QR để kết nối ${name}` })).toBeVisible();
      await expect(page.getByText(/Còn \d+\sngày/)).toBeVisible();
      await expectAccessible(page);
      await page.keyboard.press('Escape');
      await expect(page.getByText('có mã kết nối chưa dùng')).toBeVisible();
      await page.getByRole('button', { name: 'Ngắt khỏi hệ thống' }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Ngắt khỏi hệ thống' }).click();
      await expect(page.getByText('Đã ngắt cụm loa khỏi hệ thống.')).toBeVisible();
      await expect(
        page
          .getByText('người trực đã ngắt')
          .or(page.getByText('Đã ngắt', { exact: true }))
          .first(),
      ).toBeVisible();
      await page.getByRole('button', { name: 'Cho kết nối lại' }).click();
      await expect(page.getByText('Cụm loa được kết nối lại.')).toBeVisible();
      await page.getByRole('button', { name: 'Bây giờ' }).click();
      await expect(page.locator('.answer')).not.toBeEmpty();
      await expectNoSidewaysScroll(page);
      await expectAccessible(page);
      await page.getByText('Bảng thay đổi').click();
      await expect(page.getByRole('cell', { name: 'bị ngắt khỏi hệ thống' })).toBeVisible();
      await chooseEnglish(page);
      await expect(page.getByRole('cell', { name: 'was shut out' })).toBeVisible();
      await expectAccessible(page);
      expect(office.json('speaker', 'show', id)).toMatchObject({ latitude: 12.6797, languages: ['rad', 'vie'] });
    });
  });
}

test('two who edit at once are told, and choose', async ({ page, office, expected }) => {
  expected.failedRequests = true;
  add(office, 'hai-nguoi', 'Hai người');
  await enterAs(page, office, 'kythuat', 'speakers/hai-nguoi');
  await page.getByRole('button', { name: 'Sửa thông tin' }).click();
  await page.getByLabel('Tên cụm loa').fill('Tên của tôi');
  office.cli('speaker', 'set', 'hai-nguoi', '--title', 'Tên của người kia');
  await page.getByRole('button', { name: 'Lưu', exact: true }).click();
  await expect(page.getByRole('dialog')).toContainText('Tên của người kia');
  await expect(page.getByRole('dialog')).toContainText('Tên của tôi');
  await expectAccessible(page);
  await page.getByRole('dialog').getByRole('button').last().click();
  await expect(page.getByRole('heading', { name: 'Tên của tôi', level: 2 })).toBeVisible();
});

test('several are chosen, and codes are made for them as a sheet', async ({ page, office }) => {
  for (const n of [1, 2, 3]) add(office, `nhieu-${n}`, `Nhiều ${n}`);
  await enterAs(page, office, 'kythuat', 'speakers?q=nhieu');
  await (await inRow(page, 'Nhiều 1')).getByRole('checkbox').click();
  await (await inRow(page, 'Nhiều 3')).getByRole('checkbox').click({ modifiers: ['Shift'] });
  await expect(page.getByText('Đã chọn 3')).toBeVisible();
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Mã kết nối' }).click();
  await page.getByRole('button', { name: 'Tạo mã' }).click();
  await expect(page.getByRole('img', { name: /Hình QR/ })).toHaveCount(3);
  await expectAccessible(page);
  // Codes are shown this once: Escape asks to print them first.
  await page.keyboard.press('Escape');
  await expect(page.getByText('Phiếu chưa được in.')).toBeVisible();
  await page.getByRole('dialog').getByRole('button', { name: 'Đóng' }).last().click();
  await page.getByRole('button', { name: 'Ngôn ngữ', exact: true }).click();
  await page.getByLabel('Mã ngôn ngữ').fill('jra, vie');
  await page.getByRole('button', { name: 'Áp dụng' }).click();
  await expect(page.getByText('Đã xong 3 cụm loa.').last()).toBeVisible();
  // The words of the codes still stand there, and say the same.
  const languages = () => (office.json('speaker', 'show', 'nhieu-2') as { languages?: string[] }).languages;
  await expect.poll(languages).toEqual(['jra', 'vie']);
  // A command goes to an area, and the page says whom else it reaches.
  await page.getByRole('button', { name: 'Lệnh cho khu vực' }).click();
  await expect(page.getByText(/cụm loa trong khu vực này, trong đó 3 cụm loa bạn đã chọn/)).toBeVisible();
  await page.getByLabel('To hơn').fill('-3');
  await page.getByRole('button', { name: 'Gửi lệnh' }).click();
  await expect(page.getByText(/Đã gửi: 0 trong \d+ cụm loa đang kết nối/)).toBeVisible();
});

test('who only looks is offered nothing that changes', async ({ page, office }) => {
  add(office, 'chi-xem', 'Chỉ xem');
  await enterAs(page, office, 'xem', 'speakers?q=chi xem');
  await expect(await inRow(page, 'Chỉ xem')).toBeVisible();
  await expect(page.getByRole('checkbox')).toHaveCount(0);
  await expect(page.getByRole('button', { name: 'Thêm cụm loa' })).toHaveCount(0);
  await (await inRow(page, 'Chỉ xem')).getByRole('link').click();
  await expect(page.getByRole('heading', { name: 'Chỉ xem', level: 2 })).toBeVisible();
  await expect(page.getByRole('button', { name: 'Sửa thông tin' })).toHaveCount(0);
  await page.goto(`${office.url}/#speakers/khong-co`);
});

made.describe('thousands', () => {
  made.use({ viewport: WIDE });
  made.beforeEach(({ center }) => {
    center.pageSize = 5000;
    center.speakers = crowd(3000);
    center.desk.areas = CROWD_AREAS as typeof center.desk.areas;
  });

  made('the list finds, filters and keeps its filter in the address', async ({ page, center }) => {
    await enter(page, center);
    await openPart(page, 'Cụm loa');
    const grid = page.getByRole('grid', { name: 'Cụm loa' });
    await expect(grid).toHaveAttribute('aria-rowcount', '3001');
    await expect(grid.getByRole('row')).not.toHaveCount(0);
    expect(await grid.getByRole('row').count()).toBeLessThan(60);
    await page.getByLabel('Tìm theo tên').fill('cho phien');
    await expect(grid).toHaveAttribute('aria-rowcount', '31');
    await expect(page).toHaveURL(/q=cho\+phien/);
    await page.reload();
    await expect(page.getByLabel('Tìm theo tên')).toHaveValue('cho phien');
    await expect(grid).toHaveAttribute('aria-rowcount', '31');
    await page.getByRole('button', { name: 'Bỏ lọc' }).click();
    await page.getByRole('button', { name: /^Mất kết nối/ }).click();
    await expect(grid).toHaveAttribute('aria-rowcount', '121');
    await page.getByLabel('Khu vực', { exact: true }).selectOption('24103');
    await expect(page.getByText(/^\d+ trong 3\.000 cụm loa/)).toBeVisible();
    await page.getByLabel('Tìm theo tên').fill('không đâu có');
    await expect(page.getByText('Không có cụm loa nào khớp với bộ lọc.')).toBeVisible();
  });

  made('the keyboard goes through all of it and never loses its place', async ({ page, center }) => {
    await enter(page, center);
    await openPart(page, 'Cụm loa');
    const grid = page.getByRole('grid', { name: 'Cụm loa' });
    await grid.locator('[data-index="0"]').focus();
    await page.keyboard.press('End');
    await expect(grid.locator('[data-index="2999"]')).toBeFocused();
    await expect(grid.locator('[data-index="2999"]')).toHaveAttribute('aria-rowindex', '3001');
    await page.keyboard.press('Space');
    await expect(page.getByText('Đã chọn 1')).toBeVisible();
    await page.keyboard.press('ArrowUp');
    await expect(grid.locator('[data-index="2998"]')).toBeFocused();
    await page.evaluate(() => scrollTo(0, 0));
    await expect(grid.locator('[data-index="0"]')).toBeVisible();
    await expect(grid.locator('[data-index="2998"]')).toBeFocused();
    await page.keyboard.press('Home');
    await expect(grid.locator('[data-index="0"]')).toBeFocused();
    await page.keyboard.press('PageDown');
    await expect(grid.locator('[data-index="0"]')).not.toBeFocused();
  });

  made('scrolling through it shows the right rows, without the page standing still', async ({ page, center }) => {
    await page.addInitScript(() => {
      const seen: number[] = [];
      Object.assign(globalThis, { longTasks: seen });
      new PerformanceObserver((list) => seen.push(...list.getEntries().map(({ duration }) => duration))).observe({
        type: 'longtask',
      });
    });
    await enter(page, center);
    const began = Date.now();
    await openPart(page, 'Cụm loa');
    const grid = page.getByRole('grid', { name: 'Cụm loa' });
    await expect(grid.locator('[data-index="0"]')).toBeVisible();
    const shown_ms = Date.now() - began;
    await expect(grid).toHaveAttribute('aria-rowcount', '3001');
    const measured = await page.evaluate(async () => {
      const tasks = (globalThis as unknown as { longTasks: number[] }).longTasks;
      const frame = () => new Promise((done) => requestAnimationFrame(done));
      for (let i = 0; i < 20; i += 1) await frame();
      tasks.length = 0;
      const frames: number[] = [];
      let last = performance.now();
      // As a wheel does it for a while, then at a pace at which every frame has other rows.
      const height = document.documentElement.scrollHeight;
      for (let y = 0; y < height; y += y < 20_000 ? 120 : 700) {
        scrollTo(0, y);
        await frame();
        frames.push(performance.now() - last);
        last = performance.now();
        if (y === 19_920) Object.assign(globalThis, { wheelTasks: [...tasks] });
      }
      scrollTo(0, height);
      await frame();
      const { wheelTasks } = globalThis as unknown as { wheelTasks: number[] };
      return { tasks: [...tasks], wheelTasks, frames: frames.toSorted((a, b) => a - b) };
    });
    const { tasks, wheelTasks, frames } = measured;
    console.info(
      `3,000 speakers: first row after ${shown_ms} ms; by the wheel ${wheelTasks.length} tasks over 50 ms in 167 frames; in all ${frames.length} steps of scrolling, p50 ${frames[Math.floor(frames.length / 2)]?.toFixed(1)} ms, ` +
        `p95 ${frames[Math.floor(frames.length * 0.95)]?.toFixed(1)} ms, worst ${frames.at(-1)?.toFixed(1)} ms; ` +
        `${tasks.length} tasks over 50 ms, the longest ${Math.max(0, ...tasks).toFixed(0)} ms`,
    );
    // What can be asserted on any machine: the end is there, and few rows are in the document.
    await expect(grid.locator('[data-index="2999"]')).toBeVisible();
    expect(await grid.getByRole('row').count()).toBeLessThan(60);
    expect(frames.length).toBeGreaterThan(100);
  });

  made('a filter is saved under a name, for whoever saved it', async ({ page, center }) => {
    await enter(page, center);
    await openPart(page, 'Cụm loa');
    await page.getByLabel('Tìm theo tên').fill('cho');
    await page.getByRole('button', { name: 'Lọc thêm' }).click();
    await page.getByRole('button', { name: 'Lưu bộ lọc này' }).click();
    await page.getByLabel('Tên bộ lọc').fill('Các chợ');
    await page.getByRole('dialog').getByRole('button', { name: 'Lưu bộ lọc này' }).click();
    await expectAccessible(page);
    await page.getByRole('button', { name: 'Bỏ lọc' }).click();
    await page.getByRole('link', { name: 'Các chợ' }).click();
    await expect(page.getByLabel('Tìm theo tên')).toHaveValue('cho');
    await page.getByRole('button', { name: 'Xóa bộ lọc Các chợ' }).click();
    await expect(page.getByText('Chưa lưu bộ lọc nào.')).toBeVisible();
  });

  made('the map groups them, and the keyboard gets from a group to a speaker', async ({ page, center, expected }) => {
    // The made-up center knows nothing of one speaker alone.
    expected.failedRequests = true;
    await enter(page, center);
    await page.goto(`${center.url}/#speakers?as=map`);
    const map = page.getByRole('group', { name: 'Bản đồ cụm loa' });
    const groups = map.getByRole('button', { name: /cụm loa: .*Nhấn để phóng to/ });
    await expect(groups.first()).toBeVisible();
    expect(await map.getByRole('button').count()).toBeLessThan(300);
    await expectAccessible(page);
    await map.focus();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('+');
    await page.keyboard.press('0');
    // Each press comes nearer, until a single one opens.
    for (let i = 0; i < 12 && !/#speakers\/loa-/.test(page.url()); i += 1) {
      const single = map.getByRole('button', { name: /^(Cụm loa thôn|Chợ phiên) \d+:/ }).first();
      const next = (await single.count()) > 0 ? single : groups.first();
      await next.focus();
      await page.keyboard.press('Enter');
      await page.waitForFunction(() => new Promise((done) => requestAnimationFrame(() => done(true))));
    }
    await expect(page).toHaveURL(/#speakers\/loa-\d{4}/);
  });

  made('the map moves under a finger and the wheel', async ({ page, center }) => {
    await enter(page, center);
    await page.goto(`${center.url}/#speakers?as=map`);
    const map = page.getByRole('group', { name: 'Bản đồ cụm loa' });
    const names = () => map.locator('.place').allTextContents();
    await expect(map.getByRole('button').first()).toBeVisible();
    const box = await map.boundingBox();
    if (!box) throw new Error('no map');
    const before = await map.locator('.cluster').first().getAttribute('transform');
    await page.mouse.move(box.x + 30, box.y + 30);
    await page.mouse.down();
    await page.mouse.move(box.x + 130, box.y + 90, { steps: 4 });
    await page.mouse.up();
    await expect.poll(() => map.locator('.cluster').first().getAttribute('transform')).not.toBe(before);
    const count = (await names()).length;
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await page.mouse.wheel(0, -1500);
    await expect.poll(async () => (await names()).length).not.toBe(count);
  });
});

for (const viewport of [WIDE, PHONE]) {
  for (const english of [false, true]) {
    made(
      `nothing that axe knows at ${viewport.width} px, ${english ? 'English' : 'Vietnamese'}`,
      async ({ page, center }) => {
        await page.setViewportSize(viewport);
        center.pageSize = 5000;
        center.speakers = [...threeSpeakers(), ...crowd(60)];
        center.desk.areas = CROWD_AREAS as typeof center.desk.areas;
        await enter(page, center);
        if (english) await chooseEnglish(page);
        await openPart(page, english ? 'Speakers' : 'Cụm loa');
        await expect(page.getByRole('grid')).toBeVisible();
        await expectNoSidewaysScroll(page);
        await expectAccessible(page);
        await page.emulateMedia({ colorScheme: 'dark' });
        await expectAccessible(page);
        await page.getByRole('button', { name: english ? 'Map' : 'Bản đồ', exact: true }).click();
        await expect(page.getByRole('group', { name: english ? 'Map of speakers' : 'Bản đồ cụm loa' })).toBeVisible();
        await expectNoSidewaysScroll(page);
        await expectAccessible(page);
      },
    );
  }
}
