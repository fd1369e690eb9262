// A server on an empty directory, as somebody new finds it: `loaxa serve` as a process, on free ports, with the address that it prints.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { test as base, expect } from '@playwright/test';
import { watch, type Expected } from './harness.ts';

const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url));
const TARGET = process.env['CARGO_TARGET_DIR'] ?? join(REPOSITORY, 'target');

export class Newcomer {
  readonly dir = mkdtempSync(join(tmpdir(), 'loaxa-newcomer-'));
  url = '';
  setupUrl = '';
  #child: ChildProcess | null = null;

  async start(): Promise<void> {
    const args = [
      'serve',
      '--json',
      '--plain-http',
      '--until-stdin-ends',
      '--http',
      '127.0.0.1:0',
      '--mqtt',
      '127.0.0.1:0',
    ];
    const env = { ...process.env, LOAXA_DATA: join(this.dir, 'data') };
    const child = spawn(join(TARGET, 'debug/loaxa'), args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
    let log = '';
    child.stderr.on('data', (part) => (log += String(part)));
    this.#child = child;
    const line = await new Promise<string>((resolve, reject) => {
      createInterface(child.stdout).once('line', resolve);
      child.once('error', reject);
      child.once('exit', () => reject(new Error(`loaxa serve has ended: ${log}`)));
    });
    const told = JSON.parse(line) as { http: string; setup_url: string };
    this.url = told.http;
    this.setupUrl = told.setup_url;
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child !== null && child.exitCode === null) {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await gone;
    }
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export const test = base.extend<{ expected: Expected; newcomer: Newcomer }>({
  newcomer: async ({}, use) => {
    const newcomer = new Newcomer();
    await newcomer.start();
    await use(newcomer);
    await newcomer.stop();
  },

  // Between set-up and normal serving an answer may be missing, and the page asks again.
  expected: async ({}, use) => use({ failedRequests: true }),

  page: async ({ page, newcomer, expected }, use) => watch(page, () => newcomer.url, expected, use),
});

export { expect };
