// Pictures of every page, on a desk and on a phone, for people to look at: `make screenshots` puts them under target/screenshots/.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chooseEnglish } from '../tests/harness.ts';
import { enterAs, expect, test } from '../tests/office.ts';
import { furnish, PAGES_OF_CONSOLE } from '../tests/pages.ts';

const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url));
const OUT = join(process.env['CARGO_TARGET_DIR'] ?? join(REPOSITORY, 'target'), 'screenshots');
const LOOKS = [
  { look: 'desk', size: { width: 1440, height: 1000 }, scheme: 'light', english: false },
  { look: 'phone', size: { width: 360, height: 740 }, scheme: 'light', english: false },
  { look: 'desk-dark-en', size: { width: 1280, height: 900 }, scheme: 'dark', english: true },
] as const;

for (const { name, address, account } of PAGES_OF_CONSOLE) {
  test(name, async ({ page, office }) => {
    test.setTimeout(120_000);
    mkdirSync(OUT, { recursive: true });
    await furnish(office);
    await page.emulateMedia({ colorScheme: 'light' });
    await enterAs(page, office, account, address);
    for (const { look, size, scheme, english } of LOOKS) {
      await page.setViewportSize(size);
      await page.emulateMedia({ colorScheme: scheme });
      if (english) await chooseEnglish(page);
      await expect(page.locator('main h2').first()).toBeVisible();
      await expect(page.locator('main [aria-busy=true]')).toHaveCount(0);
      await page.screenshot({ path: join(OUT, `${name}.${look}.png`), fullPage: true });
    }
  });
}
