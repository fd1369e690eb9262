// What every page test starts from: a fresh fake center, and a page that is watched for errors and for strangers.
import AxeBuilder from '@axe-core/playwright';
import { test as base, expect, type Page } from '@playwright/test';
import { FakeCenter } from './fake-center.ts';
import { NOW_MS } from './samples.ts';

/** Set by a test that cuts the line or is refused: the browser itself then logs each failed request. */
export interface Expected {
  failedRequests: boolean;
  violations?: boolean;
}

interface Harness {
  center: FakeCenter;
  expected: Expected;
}

export const test = base.extend<Harness>({
  // Playwright reads from the braces which fixtures this one needs: none.
  center: async ({}, use) => {
    const center = new FakeCenter(NOW_MS);
    await center.listen();
    await use(center);
    await center.close();
  },

  expected: async ({}, use) => use({ failedRequests: false }),

  page: async ({ page, center, expected }, use) => watch(page, () => center.url, expected, use),
});

/** A page that is watched while it is used: no error in the console, nothing refused by the policy, no request to anybody else. */
export async function watch(
  page: Page,
  home: () => string,
  expected: Expected,
  use: (page: Page) => Promise<void>,
): Promise<void> {
  const errors: string[] = [];
  const strangers: string[] = [];
  await page.exposeFunction('loaxaViolation', (what: string) => errors.push(`refused by the policy: ${what}`));
  await page.addInitScript(() => {
    const tell = (globalThis as unknown as { loaxaViolation: (what: string) => void }).loaxaViolation;
    document.addEventListener('securitypolicyviolation', (event) =>
      tell(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`),
    );
  });
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => {
    if (message.type() !== 'error' && message.type() !== 'warning') return;
    // How the runner keeps service workers off.
    if (message.text().startsWith('Service Worker registration blocked')) return;
    // Whoever comes without a session is asked to sign in, and the browser logs the answer that says so.
    if (/^Failed to load resource.* 401 /.test(message.text())) return;
    if (expected.failedRequests && /^Failed to load resource/.test(message.text())) return;
    errors.push(message.text());
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(home()) && !/^(data|blob):/.test(request.url())) strangers.push(request.url());
  });
  await use(page);
  if (expected.violations) await expect.poll(() => errors.join('\n')).toContain('refused by the policy: connect-src');
  else expect(errors, 'errors in the console').toEqual([]);
  expect(strangers, 'requests to another origin').toEqual([]);
}

export { expect };

/** Opens the page by an address that carries the code, as the center prints it, and waits for the figures. */
export async function enter(page: Page, center: FakeCenter): Promise<void> {
  await page.goto(`${center.url}/#token=${center.token}`);
  await expect(page.getByRole('heading', { level: 2 }).last()).toHaveText(/^(Nhật ký phát|Playback log)$/);
}

export async function chooseEnglish(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'English' }).click();
  await expect(page.locator('html')).toHaveAttribute('lang', 'en');
}

/** Signs in by name and password, as an approver does. */
export async function enterByName(page: Page, center: FakeCenter, part = ''): Promise<void> {
  await page.goto(`${center.url}/${part}`);
  await page.getByLabel('Tên đăng nhập').fill(center.accounts.who.name);
  await page.getByLabel('Mật khẩu').fill(center.accounts.password);
  await page.getByRole('button', { name: 'Vào trang' }).click();
  await expect(page.getByRole('button', { name: 'Đăng xuất' })).toBeVisible();
}

export async function expectAccessible(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' | ')}`)).toEqual([]);
}

export async function expectNoSidewaysScroll(page: Page): Promise<void> {
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
}

/** Opens a part by its link, which on a phone may stand behind "more". */
export async function openPart(page: Page, name: string): Promise<void> {
  const parts = page.getByRole('navigation', { name: /^(Các phần của trang|Parts of the page)$/ });
  const link = parts.getByRole('link', { name, exact: true });
  const more = parts.getByRole('button', { name: /^(Thêm|More)$/ });
  await expect(link.or(more).first()).toBeVisible();
  if (await link.isVisible()) return link.click();
  await more.click();
  await page.getByRole('dialog').getByRole('link', { name, exact: true }).click();
}
