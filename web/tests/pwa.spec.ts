// The page as an app on the device: what a browser needs to offer that, and that it opens without a line and says so.
import { readFileSync } from 'node:fs';
import { enterAs, expect, test } from './office.ts';

test.use({ serviceWorkers: 'allow' });

test('it can be installed: a manifest with icons that are there', async ({ page, office }) => {
  await page.goto(office.url);
  const href = await page.locator('link[rel=manifest]').getAttribute('href');
  const manifest = (await (await page.request.get(`${office.url}${href}`)).json()) as {
    start_url: string;
    display: string;
    icons: { src: string; sizes: string; type: string }[];
  };
  expect(manifest.display).toBe('standalone');
  expect(manifest.icons.map(({ sizes }) => sizes)).toEqual(expect.arrayContaining(['192x192', '512x512']));
  for (const { src, type } of manifest.icons) {
    const icon = await page.request.get(`${office.url}${src}`);
    expect(icon.status(), src).toBe(200);
    expect(icon.headers()['content-type']).toBe(type);
  }
});

test('it opens without a line, says that there is none, and keeps nothing that the center tells', async ({
  page,
  office,
  expected,
}) => {
  expected.failedRequests = true;
  await enterAs(page, office, 'xem');
  await page.evaluate(() => navigator.serviceWorker.ready);
  // The first visit was not the worker's yet.
  await page.reload();
  await expect(page.getByRole('button', { name: 'Đăng xuất' })).toBeVisible();
  await office.stop();
  await page.reload();
  await expect(page.getByText('Mất kết nối với máy chủ')).toBeVisible();
  await office.start();
  await expect(page.getByRole('button', { name: 'Đăng xuất' })).toBeVisible({ timeout: 30_000 });
  const kept = await page.evaluate(async () => {
    const names = await caches.keys();
    const all = await Promise.all(
      names.map(async (name) => (await (await caches.open(name)).keys()).map((r) => r.url)),
    );
    return all.flat();
  });
  expect(kept.length).toBeGreaterThan(3);
  expect(kept.filter((url) => url.includes('/api/'))).toEqual([]);
});

test('the build names every part in it', () => {
  const worker = readFileSync(new URL('../dist/service-worker.js', import.meta.url), 'utf8');
  expect(worker).not.toContain('LOAXA_');
  expect(worker).toMatch(/\/assets\/Approvals-[^"]+\.js/);
});
