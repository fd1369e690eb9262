// A real center for the page's tests: `loaxa init`, an area with three communes, an approver's key, one account a role, `loaxa serve` on
// a free port, all in a directory of its own. One for each worker of the test runner, so a test names what it makes after itself.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { test as base, expect, type Page } from '@playwright/test';
import { watch, type Expected } from './harness.ts';

const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url));
const TARGET = process.env['CARGO_TARGET_DIR'] ?? join(REPOSITORY, 'target');
const PASSWORD = 'con mèo trèo cây cau';
export const APPROVER_PASSPHRASE = 'mật khẩu người duyệt';
export const AUTHORITY_PASSPHRASE = 'mật khẩu của cơ quan';

export type Account = 'quantri' | 'bientap' | 'duyet' | 'kythuat' | 'xem';
const ACCOUNTS: Record<Account, [title: string, grants: string]> = {
  quantri: ['Trần Văn Trị, quản trị', 'admin@66'],
  bientap: ['Lê Thị Biên, biên tập viên', 'editor@66'],
  duyet: ['Nguyễn Thị Duyệt, phó chủ tịch', 'approver@66'],
  kythuat: ['Y Kỹ Niê, trực kỹ thuật', 'operator@66'],
  xem: ['Hồ Văn Xem', 'viewer@66'],
};

export const COMMUNES = [
  ['24133', 'Phường Buôn Ma Thuột'],
  ['24169', 'Phường Ea Kao'],
  ['24175', 'Phường Tân Lập'],
] as const;

/** A sound of the samples, such as `cat-nuoc.opus`. */
export function sample(name: string): string {
  return join(REPOSITORY, 'playlists/audio', name);
}

export class Office {
  readonly dir = mkdtempSync(join(tmpdir(), 'loaxa-office-'));
  url = '';
  /** What it has written to its log. */
  log = '';
  #child: ChildProcess | null = null;
  #http = '127.0.0.1:0';
  #mqtt = '127.0.0.1:0';

  /** The approver's sealed key; its passphrase is APPROVER_PASSPHRASE. */
  get approverKey(): string {
    return join(this.dir, 'approver.key');
  }

  /** The authority's sealed key; its passphrase is AUTHORITY_PASSPHRASE. */
  get authorityKey(): string {
    return join(this.dir, 'data', 'authority.key');
  }

  get token(): string {
    return this.cli('token').trim();
  }

  /** Runs a command that must succeed, and gives what it printed. */
  cli(...args: string[]): string {
    const done = spawnSync(this.#program(), args, { env: this.#environment(), encoding: 'utf8' });
    if (done.status !== 0) throw new Error(`loaxa ${args.join(' ')}: ${done.stderr || String(done.error)}`);
    return done.stdout;
  }

  json(...args: string[]): unknown {
    return JSON.parse(this.cli(...args, '--json'));
  }

  /** Calls the API with the center's own token, which may do everything. */
  async api(method: string, path: string, body?: unknown): Promise<unknown> {
    const init: RequestInit = { method, headers: { authorization: `Bearer ${this.token}` } };
    if (body !== undefined) {
      init.body = JSON.stringify(body);
      init.headers = { ...init.headers, 'content-type': 'application/json' };
    }
    const response = await fetch(`${this.url}/api/v1${path}`, init);
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === '' ? null : JSON.parse(text);
  }

  /** Adds a bulletin from a sample and submits it; approves it too unless told otherwise. */
  bulletin(id: string, { file = 'cat-nuoc.opus', title = id, area = '66', approve = true } = {}): void {
    this.cli('bulletin', 'add', sample(file), '--id', id, '--title', title, '--language', 'vie', '--area', area);
    this.cli('bulletin', 'submit', id);
    if (approve) this.cli('bulletin', 'approve', id, '--key', this.approverKey, '--highest', 'priority');
  }

  prepare(): void {
    const title = ['--title', 'Trung tâm Truyền thanh mẫu'];
    this.cli('init', '--site', 'mau', ...title, '--area', '66', '--area-title', 'Tỉnh Đắk Lắk');
    // Tests run at any hour.
    this.cli('area', 'hours', '66', '--allow', '00:00-24:00');
    for (const [code, name] of COMMUNES) this.cli('area', 'add', code, '--title', name);
    const approver = ['approver', 'add', ACCOUNTS.duyet[0], '--area', '66', '--highest', 'priority'];
    this.cli(...approver, '--key-out', this.approverKey);
    const password = join(this.dir, 'password');
    writeFileSync(password, PASSWORD);
    for (const [name, [title, grant]] of Object.entries(ACCOUNTS)) {
      this.cli('user', 'add', name, '--title', title, '--grant', grant, '--password-file', password);
    }
  }

  /** Starts it, or starts it again on the ports that it had. */
  async start(): Promise<void> {
    const args = ['serve', '--json', '--plain-http', '--until-stdin-ends', '--http', this.#http, '--mqtt', this.#mqtt];
    const child = spawn(this.#program(), args, { env: this.#environment(), stdio: ['pipe', 'pipe', 'pipe'] });
    child.stderr.on('data', (part) => (this.log += String(part)));
    this.#child = child;
    const line = await new Promise<string>((resolve, reject) => {
      createInterface(child.stdout).once('line', resolve);
      child.once('exit', () => reject(new Error(`loaxa serve has ended: ${this.log}`)));
    });
    const running = JSON.parse(line) as { http: string; mqtt: string };
    this.url = running.http;
    this.#http = running.http.replace(/^.*\/\//, '');
    this.#mqtt = running.mqtt.replace(/^.*\/\//, '');
  }

  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await gone;
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }

  #program(): string {
    const program = join(TARGET, 'debug/loaxa');
    if (!existsSync(program)) throw new Error('loaxa is not built: run `cargo build --bins` first, or `make test`');
    return program;
  }

  #environment(): NodeJS.ProcessEnv {
    return {
      ...process.env,
      LOAXA_DATA: join(this.dir, 'data'),
      LOAXA_AUTHORITY_PASSPHRASE: AUTHORITY_PASSPHRASE,
      LOAXA_PASSPHRASE: APPROVER_PASSPHRASE,
    };
  }
}

export const test = base.extend<{ expected: Expected }, { office: Office }>({
  office: [
    // Playwright reads from the braces which fixtures this one needs: none.
    async ({}, use) => {
      const office = new Office();
      office.prepare();
      await office.start();
      await use(office);
      await office.stop();
      office.remove();
    },
    { scope: 'worker', timeout: 120_000 },
  ],

  expected: async ({}, use) => use({ failedRequests: false }),

  page: async ({ page, office, expected }, use) => watch(page, () => office.url, expected, use),
});

export { expect };

/** Signs in as one of the office's people and opens a part, such as `speakers`. */
export async function enterAs(page: Page, office: Office, account: Account, part = ''): Promise<void> {
  await page.goto(`${office.url}/#${part}`);
  await page.getByLabel('Tên đăng nhập').fill(account);
  await page.getByLabel('Mật khẩu').fill(PASSWORD);
  await page.getByRole('button', { name: 'Vào trang' }).click();
  await expect(page.getByRole('button', { name: 'Đăng xuất' })).toBeVisible();
}
