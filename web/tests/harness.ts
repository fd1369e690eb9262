// What every page test starts from: a fresh fake center, and a page that is watched for errors and for strangers.
import { test as base, expect, type Page } from '@playwright/test';
import { FakeCenter } from './fake-center.ts';
import { NOW_MS } from './samples.ts';

interface Harness {
  center: FakeCenter;
  /** Set by a test that cuts the line or is refused: the browser itself then logs each failed request. */
  expected: { failedRequests: boolean };
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

  page: async ({ page, center, expected }, use) => {
    const errors: string[] = [];
    const strangers: string[] = [];
    page.on('pageerror', (error) => errors.push(String(error)));
    page.on('console', (message) => {
      if (message.type() !== 'error' && message.type() !== 'warning') return;
      if (expected.failedRequests && /^Failed to load resource/.test(message.text())) return;
      errors.push(message.text());
    });
    page.on('request', (request) => {
      if (!request.url().startsWith(center.url) && !request.url().startsWith('data:')) strangers.push(request.url());
    });
    await use(page);
    expect(errors, 'errors in the console').toEqual([]);
    expect(strangers, 'requests to another origin').toEqual([]);
  },
});

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
