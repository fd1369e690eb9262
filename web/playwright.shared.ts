// The browser every Playwright run uses: Debian's own Chromium, at a fixed path. Playwright's download is never needed.
import type { PlaywrightTestConfig } from '@playwright/test';

export const shared = {
  outputDir: 'test-results',
  reporter: 'list',
  forbidOnly: true,
  retries: 0,
  use: {
    browserName: 'chromium',
    trace: 'off',
    // Tests of a line that is gone see the line, not what is kept; pwa.spec.ts has it on.
    serviceWorkers: 'block',
    launchOptions: {
      executablePath: process.env['LOAXA_TEST_BROWSER'] ?? '/usr/bin/chromium',
      args: [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        // A microphone that beeps, for who is allowed to use it.
        '--use-fake-ui-for-media-stream',
        '--use-fake-device-for-media-stream',
      ],
    },
  },
} satisfies PlaywrightTestConfig;
