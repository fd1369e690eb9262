// Every page, in both languages, light and dark, on a desk and on a phone: it shows its content, nothing that axe knows is wrong with it,
// nothing has to be scrolled sideways, and (as with every test) no error, no stranger's request.
import type { Page } from '@playwright/test';
import { chooseEnglish, expectAccessible, expectNoSidewaysScroll } from './harness.ts';
import { enterAs, expect, test } from './office.ts';
import { furnish, PAGES_OF_CONSOLE } from './pages.ts';

const WIDE = { width: 1280, height: 900 };
const PHONE = { width: 360, height: 740 };
const LOOKS = [
  { english: false, scheme: 'light', size: WIDE },
  { english: false, scheme: 'dark', size: PHONE },
  { english: true, scheme: 'light', size: PHONE },
  { english: true, scheme: 'dark', size: WIDE },
] as const;

for (const { name, address, account } of PAGES_OF_CONSOLE) {
  test(`${name}: both languages, both themes`, async ({ page, office }) => {
    test.setTimeout(90_000);
    await furnish(office);
    await page.emulateMedia({ colorScheme: LOOKS[0].scheme });
    await enterAs(page, office, account, address);
    for (const { english, scheme, size } of LOOKS) {
      await page.setViewportSize(size);
      await page.emulateMedia({ colorScheme: scheme });
      if (english) await chooseEnglish(page);
      await settled(page);
      await expectNoSidewaysScroll(page);
      await expectAccessible(page);
    }
  });
}

/** The part is there, and nothing in it is still on its way. */
export async function settled(page: Page): Promise<void> {
  await expect(page.locator('main h2').first()).toBeVisible();
  await expect(page.locator('main [aria-busy=true]')).toHaveCount(0);
}
