// The tests that need nothing but web/dist: pure functions, and the page before a made-up center.
import { defineConfig } from '@playwright/test';
import { shared } from './playwright.shared.ts';

export default defineConfig({
  ...shared,
  testDir: 'tests',
  testIgnore: ['center.spec.ts', 'first-five-minutes.spec.ts'],
  fullyParallel: true,
  workers: 2,
});
