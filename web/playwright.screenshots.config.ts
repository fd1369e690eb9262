// Pictures of every page; `make screenshots`. Not a test.
import { defineConfig } from '@playwright/test';
import { shared } from './playwright.shared.ts';

export default defineConfig({
  ...shared,
  testDir: 'screenshots',
  fullyParallel: true,
  workers: 2,
});
