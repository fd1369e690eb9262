// The tests against a real, running center; its address and token come from the environment.
import { defineConfig } from '@playwright/test';
import { shared } from './playwright.shared.ts';

export default defineConfig({
  ...shared,
  testDir: 'tests',
  testMatch: 'center.spec.ts',
  workers: 1,
});
