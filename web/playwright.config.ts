// The tests that `npm test` runs: pure functions, and the page before a made-up center or a real one of its own. The others are started from
// tests/it/, where speakers play.
import { defineConfig } from '@playwright/test';
import { shared } from './playwright.shared.ts';

const NOT_HERE = ['center.spec.ts', 'first-five-minutes.spec.ts'];

export default defineConfig({
  ...shared,
  testDir: 'tests',
  fullyParallel: true,
  workers: 2,
  // The sweep furnishes its office for itself; the others count what is in theirs.
  projects: [
    { name: 'parts', testIgnore: [...NOT_HERE, 'every-page.spec.ts'] },
    { name: 'every page', testMatch: 'every-page.spec.ts' },
  ],
});
