// The built page in a real browser, before a made-up center: what a person sees, in both languages, when all is well
// and when it is not.
import type { Locator, Page } from '@playwright/test';
import { gzipSync } from 'node:zlib';
import type { Play, Reason } from '../src/lib/api.ts';
import { chooseEnglish, enter, expect, expectAccessible, test } from './harness.ts';
import {
  anAbsentSpeaker,
  anAirPlay,
  aPlay,
  aSilentPlay,
  aSpeaker,
  aTrouble,
  aWaiting,
  everyOutcome,
  HOUR_MS,
  MINUTE_MS,
  NOW_MS,
  threeSpeakers,
} from './samples.ts';

// The stream's first pauses before a retry add up to a few seconds; a busy machine may need one more.
const RECOVERY = { timeout: 20_000 };

const WIDE = { width: 1280, height: 900 };
const PHONE = { width: 360, height: 740 };

const row = (page: Page, table: string, text: string | RegExp): Locator =>
  page.getByRole('table', { name: table }).getByRole('row').filter({ hasText: text });

/** How many speakers stand so. */
const standing = (page: Page, word: string): Locator => page.locator(`a[href="#speakers?state=${word}"]`);

test.use({ viewport: WIDE });

test.describe('signing in', () => {
  test('by the address: the code opens the page and leaves the address bar', async ({ page, center }) => {
    await enter(page, center);
    expect(page.url()).toBe(`${center.url}/`);
    expect(await page.evaluate(() => document.cookie)).toBe('');
    await page.reload();
    await expect(page.getByRole('heading', { name: 'Nhật ký phát' })).toBeVisible();
    expect(center.count('POST /api/v1/session')).toBe(1);
  });

  test('by the form, with the keyboard alone', async ({ page, center, expected }) => {
    expected.failedRequests = true;
    await page.goto(center.url);
    await expect(page.getByLabel('Tên đăng nhập')).toBeFocused();
    await page.getByRole('button', { name: 'Dùng mã truy cập của máy chủ' }).press('Enter');
    await expect(page.getByLabel('Mã truy cập')).toBeFocused();
    await expect(page.getByText('loaxa token')).toBeVisible();
    await page.keyboard.type(`  ${center.token} `);
    await page.keyboard.press('Enter');
    await expect(page.getByRole('heading', { name: 'Nhật ký phát' })).toBeVisible();
  });

  test('a wrong code is said in plain words, in the form and in the address', async ({ page, center, expected }) => {
    expected.failedRequests = true;
    await page.goto(`${center.url}/#token=sai`);
    await expect(page.getByRole('alert')).toContainText('Mã truy cập không đúng');
    expect(page.url()).not.toContain('token');
    await chooseEnglish(page);
    await expect(page.getByRole('alert')).toContainText('That access code is not right');
    await page.getByRole('button', { name: 'Enter' }).click();
    await expect(page.getByRole('alert')).toContainText('Please enter the access code');
    await page.getByLabel('Access code').fill(center.token);
    await page.getByRole('button', { name: 'Enter' }).click();
    await expect(page.getByRole('heading', { name: 'Playback log' })).toBeVisible();
  });

  test('a server that does not answer costs nobody their code', async ({ page, center, expected }) => {
    expected.failedRequests = true;
    await page.goto(center.url);
    await page.getByRole('button', { name: 'Dùng mã truy cập của máy chủ' }).click();
    await page.getByLabel('Mã truy cập').fill(center.token);
    center.down = true;
    await page.getByRole('button', { name: 'Vào trang' }).click();
    await expect(page.getByRole('alert')).toContainText('Không kết nối được với máy chủ');
    await expect(page.getByLabel('Mã truy cập')).toHaveValue(center.token);
    center.down = false;
    await page.getByRole('button', { name: 'Vào trang' }).click();
    await expect(page.getByRole('heading', { name: 'Nhật ký phát' })).toBeVisible();
  });

  test('a new code in the address of an open page is used', async ({ page, center }) => {
    await enter(page, center);
    await page.evaluate((token) => (location.hash = `token=${token}`), center.token);
    await expect.poll(() => center.count('POST /api/v1/session')).toBe(2);
    await expect(page.getByRole('heading', { name: 'Nhật ký phát' })).toBeVisible();
    await expect(page).toHaveURL(`${center.url}/`);
    await expect.poll(() => center.streamCount).toBe(1);
  });

  test('signing out ends the session and the stream', async ({ page, center, expected }) => {
    expected.failedRequests = true;
    await enter(page, center);
    await expect.poll(() => center.streamCount).toBe(1);
    await page.getByRole('button', { name: 'Đăng xuất' }).click();
    await expect(page.getByText('Bạn đã đăng xuất.')).toBeVisible();
    expect(center.count('DELETE /api/v1/session')).toBe(1);
    await expect.poll(() => center.streamCount).toBe(0);
    await page.reload();
    await expect(page.getByLabel('Mật khẩu')).toBeVisible();
  });

  test('a session the server has forgotten leads back to the form', async ({ page, center, expected }) => {
    expected.failedRequests = true;
    await enter(page, center);
    await expect.poll(() => center.streamCount).toBe(1);
    center.sessionLost = true;
    center.emit('speakers');
    await expect(page.getByText('Phiên làm việc đã hết hạn')).toBeVisible();
  });
});

test.describe('what is shown', () => {
  test('empty lists say what to do next', async ({ page, center }) => {
    await enter(page, center);
    await expect(page.getByText('Chưa có cụm loa nào. Thêm cụm loa ở phần Cụm loa.')).toBeVisible();
    await expect(page.getByText('Lúc này không có gì đang phát.')).toBeVisible();
    await expect(page.getByText('loaxa schedule --help')).toBeVisible();
    await chooseEnglish(page);
    await expect(page.getByText('There are no speakers yet. Add one under Speakers.')).toBeVisible();
  });

  test('the log is newest first, each outcome in words in both languages', async ({ page, center }) => {
    center.speakers = [aSpeaker()];
    center.plays = everyOutcome();
    await enter(page, center);
    const log = (name: string) => page.getByRole('table', { name }).getByRole('row');
    await expect(log('Nhật ký phát')).toHaveText([
      /Giờ theo lịch/,
      /10:04:00.*Sắp phát/s,
      /09:58:48.*khẩn cấp.*Đang phát/s,
      /07:00:00.*Chưa có báo cáo.*cụm loa không gửi báo cáo/s,
      /06:30:00.*Không phát.*tệp âm thanh chưa về đủ cụm loa.*mới có trong lịch/s,
      /06:00:00.*ưu tiên.*Phát thiếu.*nhường cho lượt phát ưu tiên cao hơn.*sớm 0,6\sms.*20,0\sgiây/s,
      /05:30:00.*Phát muộn.*05:30:42.*muộn 42,0\ss/s,
      /05:00:00.*Đã phát.*muộn 1,2\sms.*62,4\sgiây.*−18,2\sdBFS.*đã thu lại được tiếng loa/s,
      /14:00:00 20\/11.*Chương trình hôm qua.*Đã phát.*đo được âm thanh ở đầu ra/s,
    ]);
    await chooseEnglish(page);
    await expect(log('Playback log')).toHaveText([
      /Planned time/,
      /10:04:00.*Coming up/s,
      /09:58:48.*emergency.*Playing/s,
      /07:00:00.*No report yet.*the speaker sent no report/s,
      /06:30:00.*Not played.*the audio had not all arrived.*only scheduled/s,
      /06:00:00.*priority.*Played in part.*gave way to a play of higher priority.*0\.6\sms early.*20\.0\ss/s,
      /05:30:00.*Played late.*05:30:42.*42\.0\ss late/s,
      /05:00:00.*Played.*1\.2\sms late.*62\.4\ss.*−18\.2\sdBFS.*heard back/s,
      /14:00:00 20 Nov.*Played.*sound measured at the output/s,
    ]);
  });

  test('each outcome has a shape of its own', async ({ page, center }) => {
    center.plays = everyOutcome();
    await enter(page, center);
    const shapes = await page
      .getByRole('table', { name: 'Nhật ký phát' })
      .locator('tbody tr .fact > svg')
      .evaluateAll((marks) => marks.map((mark) => mark.innerHTML));
    // Eight rows, two of them "played".
    expect(shapes).toHaveLength(8);
    expect(new Set(shapes).size).toBe(7);
  });

  test('"played" without proof of sound wears no tick', async ({ page, center }) => {
    center.plays = [
      aPlay({ title: 'có đo' }),
      aPlay({ title: 'không đo', occurrence: 'x', evidence: 'content_ready' }),
    ];
    await enter(page, center);
    await expect(row(page, 'Nhật ký phát', 'có đo').locator('.fact > svg')).toHaveClass(/\bok\b/);
    await expect(row(page, 'Nhật ký phát', 'không đo').locator('.fact > svg')).toHaveClass(/\bwarn\b/);
  });

  test('every reason in words in both languages, and an unknown one by its code', async ({ page, center }) => {
    const reasons: Record<Reason, true> = {
      content_missing: true,
      content_corrupt: true,
      not_approved: true,
      no_ticket: true,
      revoked: true,
      clock_untrusted: true,
      powered_off: true,
      interrupted: true,
      output_failed: true,
      not_heard: true,
      pre_empted: true,
      decode_failed: true,
      withdrawn: true,
      quiet_hours: true,
      slot_over: true,
      other: true,
      no_report: true,
    };
    const codes = Object.keys(reasons) as Reason[];
    const missed = (reason: Reason, i: number): Play =>
      aSilentPlay({ outcome: 'missed', reason, title: `mục ${i}.`, start_ms: NOW_MS - i * MINUTE_MS });
    center.plays = [...codes, 'eaten_by_mice' as Reason].map(missed);
    await enter(page, center);
    const said = () =>
      page.locator('tbody .reason').evaluateAll((all) => all.map((reason) => reason.textContent ?? ''));
    const vietnamese = await said();
    await chooseEnglish(page);
    const english = await said();
    for (const words of [vietnamese, english]) {
      expect(new Set(words).size).toBe(codes.length + 1);
      expect(words.slice(0, -1).join()).not.toMatch(/_|undefined/);
      expect(words.at(-1)).toContain('eaten_by_mice');
    }
    expect(english.join()).not.toMatch(/[^\x20-\x7e]/);
  });

  test('a level close to silence is called that', async ({ page, center }) => {
    center.plays = [aPlay({ level_dbfs: -91 })];
    await enter(page, center);
    await expect(row(page, 'Nhật ký phát', '−91,0')).toContainText('gần như không có tiếng');
  });

  test('titles stay text, however they look', async ({ page, center }) => {
    const hostile = '<img src=x onerror="document.title=\'hacked\'"><script>alert(1)</script>{@html 1}';
    center.info = { ...center.info, title: hostile };
    center.troubles = [aTrouble({ area_title: hostile, named: [{ id: 'a', title: hostile }] })];
    center.plays = [aPlay({ title: hostile, speaker_title: hostile, reason: hostile as Reason })];
    await enter(page, center);
    await expect(page.getByText(hostile)).toHaveCount(6);
    await expect(page.locator('main img, main script, header img')).toHaveCount(0);
    await expect(page).toHaveTitle(`${hostile} · loaxa`);
  });

  test('the switch of language is remembered and tells the document', async ({ page, center }) => {
    center.speakers = threeSpeakers();
    center.plays = everyOutcome().map((play) => ({ ...play, title: 'P', speaker_title: 'S' }));
    center.info = { ...center.info, title: 'Centre' };
    center.accounts.local = { ...center.accounts.local, title: 'Ann' };
    await enter(page, center);
    await expect(page.locator('html')).toHaveAttribute('lang', 'vi');
    await expect(page.getByRole('heading', { level: 1 })).toHaveText('loaxa — truyền thanh cơ sở');
    await chooseEnglish(page);
    await page.reload();
    await expect(page.getByRole('heading', { name: 'Playback log' })).toBeVisible();
    await expect(page.locator('html')).toHaveAttribute('lang', 'en');
    // Nothing Vietnamese is left over but the name of the language itself.
    const seen = (await page.locator('body').innerText()).replace('Tiếng Việt', '');
    expect(seen).not.toMatch(/[\u00c0-\u024f\u1e00-\u1eff]/);
  });

  test('times are those of the center, by its zone and its clock', async ({ page, center }) => {
    center.info = { ...center.info, time_zone: 'Asia/Tokyo' };
    center.plays = [aPlay({ start_ms: NOW_MS - HOUR_MS })];
    await enter(page, center);
    await expect(row(page, 'Nhật ký phát', '11:00:00')).toContainText('1 giờ trước');
    await expect(page.getByText('Giờ hiển thị: Asia/Tokyo')).toBeVisible();
  });

  test('long lists are read page by page and shown in parts', async ({ page, center }) => {
    center.pageSize = 50;
    center.plays = Array.from({ length: 230 }, (_, i) => aPlay({ start_ms: NOW_MS - HOUR_MS - i * 1000 }));
    await enter(page, center);
    const rows = page.getByRole('table', { name: 'Nhật ký phát' }).locator('tbody tr');
    await expect(rows).toHaveCount(100);
    await page.getByRole('button', { name: 'Hiện thêm 100 dòng' }).click();
    await page.getByRole('button', { name: 'Hiện thêm 30 dòng' }).click();
    await expect(rows).toHaveCount(230);
  });

  test('earlier days come on request', async ({ page, center }) => {
    center.plays = [aPlay({ start_ms: NOW_MS - 100 * HOUR_MS, title: 'Tuần trước' })];
    await enter(page, center);
    await expect(page.getByText('Từ ngày 20/11 đến nay')).toBeVisible();
    await expect(page.getByText('Chưa có lượt phát nào trong khoảng này.')).toBeVisible();
    await page.getByRole('button', { name: 'Xem thêm 7 ngày trước' }).click();
    await expect(row(page, 'Nhật ký phát', 'Tuần trước')).toBeVisible();
    await expect(page.getByText('Từ ngày 13/11 đến nay')).toBeVisible();
  });
});

test.describe('live', () => {
  test('a change is shown without a reload', async ({ page, center }) => {
    center.speakers = [anAbsentSpeaker()];
    await enter(page, center);
    await expect(standing(page, 'offline')).toContainText('1');
    await expect.poll(() => center.streamCount).toBe(1);
    center.speakers = [aSpeaker()];
    center.emit('speakers');
    await expect(standing(page, 'ready')).toContainText('1');
    center.plays = [aPlay({ title: 'Vừa xong' })];
    center.emit('plays');
    await expect(row(page, 'Nhật ký phát', 'Vừa xong')).toContainText('Đã phát');
  });

  test('a burst of changes is not a burst of reads', async ({ page, center }) => {
    await enter(page, center);
    await expect.poll(() => center.streamCount).toBe(1);
    // One change through and through, so that the reads of the start are over.
    center.speakers = [aSpeaker()];
    center.emit('speakers');
    await expect(standing(page, 'ready')).toContainText('1');
    const before = center.count('GET /api/v1/overview');
    for (let i = 0; i < 100; i += 1) center.emit('speakers');
    center.speakers = [aSpeaker(), aSpeaker({ id: 'b' })];
    center.emit('speakers');
    await expect(standing(page, 'ready')).toContainText('2');
    expect(center.count('GET /api/v1/overview') - before).toBeLessThanOrEqual(3);
  });

  test('a broken stream is said, and mends by itself with what was missed', async ({ page, center, expected }) => {
    expected.failedRequests = true;
    center.speakers = [aSpeaker()];
    await enter(page, center);
    await expect.poll(() => center.streamCount).toBe(1);
    const notice = page.getByText('Mất kết nối với máy chủ — đang thử lại');
    await expect(notice).toHaveCount(0);
    center.down = true;
    center.cut();
    await expect(notice).toBeVisible();
    await expect(page.getByRole('status')).toContainText('Số liệu dưới đây là của lúc 10:0');
    // What was known stays on the screen.
    await expect(standing(page, 'ready')).toContainText('1');
    await chooseEnglish(page);
    await expect(page.getByText('Connection to the server lost — trying again')).toBeVisible();

    center.speakers = [anAbsentSpeaker()];
    center.down = false;
    await expect(standing(page, 'offline')).toContainText('1', RECOVERY);
    await expect(page.getByText('Connection to the server lost')).toHaveCount(0);
    center.speakers = [aSpeaker()];
    center.emit('speakers');
    await expect(standing(page, 'ready')).toContainText('1');
  });

  test('a stream that breaks alone is said too, though every other call works', async ({ page, center, expected }) => {
    expected.failedRequests = true;
    await enter(page, center);
    await expect.poll(() => center.streamCount).toBe(1);
    center.streamRefused = true;
    center.cut();
    const before = center.count('GET /api/v1/events');
    await expect.poll(() => center.count('GET /api/v1/events'), RECOVERY).toBeGreaterThan(before);
    await expect(page.getByText('Mất kết nối với máy chủ — đang thử lại')).toBeVisible();
    center.streamRefused = false;
    await expect(page.getByText('Mất kết nối với máy chủ')).toHaveCount(0, RECOVERY);
  });

  test('an error of the server is told with its words, and passes', async ({ page, center, expected }) => {
    expected.failedRequests = true;
    await enter(page, center);
    await expect.poll(() => center.streamCount).toBe(1);
    center.failing = { status: 503, title: 'store is busy' };
    center.emit('plays');
    await expect(page.getByText('Máy chủ báo lỗi 503 (store is busy) — đang thử lại')).toBeVisible();
    center.failing = null;
    await expect(page.getByText('Máy chủ báo lỗi')).toHaveCount(0, RECOVERY);
    await expect.poll(() => center.streamCount).toBe(1);
  });

  test('a server that is away at first is waited for', async ({ page, center, expected }) => {
    expected.failedRequests = true;
    await enter(page, center);
    center.failing = { status: 502, title: 'Bad Gateway' };
    await page.reload();
    await expect(page.getByText('Máy chủ báo lỗi 502')).toBeVisible();
    center.failing = null;
    await expect(page.getByRole('heading', { name: 'Nhật ký phát' })).toBeVisible(RECOVERY);
  });
});

test.describe('guarded', () => {
  test('what the policy forbids does not run, and the tests notice', async ({ page, center, expected }) => {
    expected.violations = true;
    await enter(page, center);
    const tried = await page.evaluate(async () => {
      const attempt = async (work: () => unknown) => {
        try {
          await work();
          return 'taken';
        } catch {
          return 'refused';
        }
      };
      const script = document.createElement('script');
      script.append('document.title = "broken in"');
      return {
        handler: await attempt(() => document.body.setAttribute('onclick', 'document.title = "broken in"')),
        markup: await attempt(
          () => ((document.body as unknown as { innerHTML: string }).innerHTML = '<p>from a string</p>'),
        ),
        worker: await attempt(() => new Worker('/assets/any.js')),
        abroad: await attempt(() => fetch('http://127.0.0.1:9/')),
        inline: await attempt(() => document.body.append(script)),
      };
    });
    expect({ ...tried, inline: '' }).toEqual({
      handler: 'refused',
      markup: 'refused',
      worker: 'refused',
      abroad: 'refused',
      inline: '',
    });
    await expect(page).not.toHaveTitle(/broken in/);
  });

  test('every answer carries the headers that the center promises', async ({ page, center }) => {
    await enter(page, center);
    for (const path of ['/', '/api/v1/center', '/api/v1/no-such-thing']) {
      const headers = (await page.request.get(center.url + path)).headers();
      expect(headers['content-security-policy']).toContain("frame-ancestors 'none'");
      expect(headers['content-security-policy']).not.toContain('unsafe');
      expect(headers['cross-origin-opener-policy']).toBe('same-origin');
      expect(headers['cross-origin-resource-policy']).toBe('same-origin');
      expect(headers['permissions-policy']).toContain('microphone=(self)');
    }
  });

  test('the first page is small: what approving needs comes only when it is wanted', async ({ page, center }) => {
    const scripts: Promise<[string, number]>[] = [];
    page.on('response', (response) => {
      if (!response.url().endsWith('.js')) return;
      scripts.push(response.body().then((bytes) => [response.url(), gzipSync(bytes).length]));
    });
    await enter(page, center);
    const first = await Promise.all(scripts);
    expect(first.length).toBeGreaterThan(0);
    expect(first.reduce((sum, [, bytes]) => sum + bytes, 0)).toBeLessThanOrEqual(150 * 1024);
    await page.getByRole('link', { name: 'Phê duyệt' }).click();
    await expect(page.getByRole('heading', { name: 'Phê duyệt' })).toBeVisible();
    expect(scripts.length).toBeGreaterThan(first.length);
  });
});

test.describe('fits', () => {
  const longWord = 'Nghiêng'.repeat(30);

  for (const width of [320, 360, 768, 1119, 1120, 1280, 1920]) {
    test(`${width} px without scrolling sideways, in both languages`, async ({ page, center }) => {
      await page.setViewportSize({ width, height: 800 });
      center.info = { ...center.info, title: longWord };
      center.speakers = threeSpeakers();
      center.troubles = [aTrouble({ area_title: longWord, named: [{ id: longWord, title: longWord }] })];
      center.waiting = [aWaiting({ title: longWord, detail: longWord })];
      center.plays = [...everyOutcome(), aPlay({ occurrence: 'long', title: longWord, speaker_title: longWord })];
      await enter(page, center);
      const overflow = () => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect(await overflow()).toBeLessThanOrEqual(0);
      await chooseEnglish(page);
      expect(await overflow()).toBeLessThanOrEqual(0);
    });
  }
});

test.describe('no violation that axe knows', () => {
  for (const colorScheme of ['light', 'dark'] as const) {
    for (const english of [false, true]) {
      for (const viewport of [PHONE, WIDE]) {
        const name = `${colorScheme}, ${english ? 'English' : 'Vietnamese'}, ${viewport.width} px`;

        test(`${name}: full`, async ({ page, center }) => {
          await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
          await page.setViewportSize(viewport);
          center.speakers = threeSpeakers();
          center.troubles = [aTrouble(), aTrouble({ cause: 'play_failed', detail: 'content_missing', plays: 12 })];
          center.waiting = [aWaiting()];
          center.onAir = [anAirPlay()];
          center.plays = everyOutcome();
          await enter(page, center);
          if (english) await chooseEnglish(page);
          await expectAccessible(page);
        });

        test(`${name}: form, empty lists, broken line`, async ({ page, center, expected }) => {
          expected.failedRequests = true;
          await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
          await page.setViewportSize(viewport);
          await page.goto(`${center.url}/#token=sai`);
          if (english) await chooseEnglish(page);
          await expect(page.getByRole('alert')).not.toBeEmpty();
          await expectAccessible(page);
          await page.getByLabel(english ? 'Access code' : 'Mã truy cập').fill(center.token);
          await page.keyboard.press('Enter');
          await expect(page.getByText('loaxa schedule --help')).toBeVisible();
          await expectAccessible(page);
          await expect.poll(() => center.streamCount).toBe(1);
          center.down = true;
          center.cut();
          await expect(page.getByRole('status')).toContainText(english ? 'trying again' : 'đang thử lại');
          await expectAccessible(page);
        });
      }
    }
  }
});
