// The first five minutes of a real server on an empty directory; its address comes from the environment.
import { defineConfig } from '@playwright/test';
import { shared } from './playwright.shared.ts';

export default defineConfig({
  ...shared,
  testDir: 'tests',
  testMatch: 'first-five-minutes.spec.ts',
  workers: 1,
});
