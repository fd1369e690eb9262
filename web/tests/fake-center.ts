// A center that a test writes the answers for: serves web/dist, keeps one session cookie, and can misbehave on demand.
// It follows the real API's shapes and knows nothing of what they mean.
import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CenterInfo, Play, PlayReadiness, Schema, Topic } from '../src/lib/api.ts';
import type { Bulletin } from '../src/lib/approve/calls.ts';
import { FakeAccounts, type Answer } from './fake-accounts.ts';
import { FakeDesk, Refused } from './fake-desk.ts';

const DIST = fileURLToPath(new URL('../dist/', import.meta.url));
const COOKIE = 'loaxa_session=made-up';
const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.webmanifest': 'application/json',
};

/** What the real center sends with every answer, read from its own source: the page is tried under that, or not at all. */
export const HEADERS = headersOf(new URL('../../src/center/api/web.rs', import.meta.url));

export class FakeCenter {
  /** Known once it listens, and still after it has closed. */
  url = '';
  info: CenterInfo;
  speakers: Schema<'SpeakerListed'>[] = [];
  onAir: Schema<'OnAir'>[] = [];
  troubles: Schema<'Trouble'>[] = [];
  waiting: Schema<'WaitingForMe'>[] = [];
  plays: Play[] = [];
  coming: PlayReadiness[] = [];
  token = 'dung-ma-nay';
  /** How many items a page of a list holds, whatever the page asked for. */
  pageSize = 500;
  /** Accepts connections and cuts them, as a dead line or a stopped server looks to a browser. */
  down = false;
  /** Answers every read with this status and a problem. */
  failing: { status: number; title: string } | null = null;
  /** Refuses the change stream alone, as a proxy does that cannot carry one. */
  streamRefused = false;
  /** The server has forgotten the session. */
  sessionLost = false;
  /** Every API call, as "METHOD /path?query". */
  readonly calls: string[] = [];
  readonly accounts = new FakeAccounts();
  readonly desk = new FakeDesk();
  /** Sends these bytes for every sound. */
  otherSound: Buffer | null = null;

  readonly #server: Server;
  readonly #streams = new Set<ServerResponse>();
  readonly #sockets = new Set<Socket>();

  constructor(now_ms: number) {
    this.info = {
      site: 'mau',
      title: 'Trung tâm Truyền thanh mẫu',
      time_zone: 'Asia/Ho_Chi_Minh',
      version: '0.1.0',
      now_ms,
    };
    this.#server = createServer((request, response) => void this.#answer(request, response));
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  get streamCount(): number {
    return this.#streams.size;
  }

  /** Calls so far that begin like this. */
  count(start: string): number {
    return this.calls.filter((call) => call.startsWith(start)).length;
  }

  emit(topic: Topic): void {
    for (const stream of this.#streams) {
      stream.write(`event: change\ndata: ${JSON.stringify({ topic })}\n\n`);
    }
  }

  /** Cuts every open line, streams included. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#streams.clear();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url);
    for (const [name, value] of HEADERS) response.setHeader(name, value);
    if (this.down) {
      request.socket.destroy();
      return;
    }
    if (!url.pathname.startsWith('/api/')) return serveFile(url.pathname, response);
    this.calls.push(`${request.method} ${url.pathname}${url.search}`);

    response.setHeader('cache-control', 'no-store');
    if (url.pathname === '/api/v1/session' && request.method !== 'GET') return this.#session(request, response);
    if (url.pathname === '/api/v1/setup' && request.method === 'GET') {
      return reply(response, { status: 200, body: { stage: 'admin' } });
    }
    if (url.pathname === '/api/v1/setup') {
      return reply(response, this.accounts.setUp(JSON.parse(await body(request)) as never));
    }
    if (this.sessionLost || !(request.headers.cookie ?? '').includes(COOKIE)) {
      return problem(response, 401, 'not signed in');
    }
    if (this.failing !== null) return problem(response, this.failing.status, this.failing.title);
    switch (url.pathname) {
      case '/api/v1/center':
        return json(response, this.info);
      case '/api/v1/speakers':
        return json(response, this.#page(this.speakers, url));
      case '/api/v1/overview':
        return json(response, this.#overview());
      case '/api/v1/plays':
        // Like the real one: whole milliseconds, or nothing.
        if (!['from_ms', 'until_ms'].every((name) => /^\d+$/.test(url.searchParams.get(name) ?? '')))
          return problem(response, 400, `not whole milliseconds: ${url.search}`);
        return json(response, this.#page(this.#playsIn(url), url));
      case '/api/v1/readiness':
        return json(response, { now_ms: this.info.now_ms, plays: this.coming, more: 0 });
      case '/api/v1/events':
        return this.streamRefused ? problem(response, 502, 'Bad Gateway') : this.#stream(response);
      case '/api/v1/bulletins':
        return json(response, this.#page(this.#bulletinsIn(url), url));
      case '/api/v1/areas':
        return json(response, this.desk.areas);
      case '/api/v1/certificates':
        return json(response, this.desk.certificates);
      default:
        return this.#rest(request, response, url.pathname.replace('/api/v1', ''));
    }
  }

  async #rest(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    const text = await body(request);
    const given = (text === '' ? {} : JSON.parse(text)) as Record<string, string>;
    const own = this.accounts.answer(`${request.method} ${path}`, given);
    if (own !== null) return reply(response, own);
    if (/^\/media\/[0-9a-f]{64}\/peaks$/.test(path)) return json(response, { peaks: [0, 90, 180, 60] });
    if (/^\/bulletins\/[^/]+\/plays$/.test(path)) {
      return json(response, { coming: this.desk.coming, until_ms: this.info.now_ms, past: [], next_before_ms: null });
    }
    const media = /^\/media\/([0-9a-f]{64})$/.exec(path)?.[1];
    if (media !== undefined) {
      const sound = this.otherSound ?? this.desk.media.get(media);
      if (sound === undefined) return problem(response, 404, 'media is not here');
      response.writeHead(200, { 'content-type': 'audio/ogg; codecs=opus' }).end(sound);
      return;
    }
    const step = /^\/bulletins\/([^/]+)\/revisions\/(\d+)\/(approve|return)$/.exec(path);
    if (step === null || request.method !== 'POST') return problem(response, 404, 'no such thing');
    try {
      json(response, this.desk.step(step[1] ?? '', Number(step[2]), step[3] ?? '', given));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      reply(response, { status: error.status, detail: error.message });
    }
  }

  async #session(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method === 'DELETE') {
      response.writeHead(204, { 'set-cookie': `loaxa_session=; Path=/; Max-Age=0` }).end();
      return;
    }
    const given = JSON.parse(await body(request)) as { token: string } | { name: string; password: string };
    if (!('token' in given)) {
      const answer = this.accounts.signIn(given);
      if (answer.status !== 204) return reply(response, answer);
    } else if (given.token !== this.token) {
      return problem(response, 401, 'wrong token');
    } else {
      this.accounts.signedIn = this.accounts.local;
    }
    this.sessionLost = false;
    response.writeHead(204, { 'set-cookie': `${COOKIE}; Path=/; HttpOnly; SameSite=Strict` }).end();
  }

  #overview(): Schema<'OverviewView'> {
    const counts = new Map<Schema<'SpeakerStanding'>, number>();
    for (const { standing } of this.speakers) counts.set(standing, (counts.get(standing) ?? 0) + 1);
    return {
      now_ms: this.info.now_ms,
      since_ms: this.info.now_ms - 34 * 3_600_000,
      speakers: this.speakers.length,
      standings: [...counts].map(([standing, speakers]) => ({ standing, speakers })),
      on_air: this.onAir,
      next: this.coming,
      troubles: this.troubles,
      waiting: this.waiting,
    };
  }

  #bulletinsIn(url: URL): Bulletin[] {
    const state = url.searchParams.get('state');
    return this.desk.bulletins.filter(
      (one) => state === null || one.revisions.some((revision) => revision.state === state),
    );
  }

  #playsIn(url: URL): Play[] {
    const from = Number(url.searchParams.get('from_ms'));
    const until = Number(url.searchParams.get('until_ms'));
    return this.plays.filter((play) => play.start_ms >= from && play.start_ms < until);
  }

  #page<T>(items: T[], url: URL): { items: T[]; next_cursor: string | null } {
    const from = Number(url.searchParams.get('cursor') ?? '0');
    const next = from + this.pageSize;
    return { items: items.slice(from, next), next_cursor: next < items.length ? String(next) : null };
  }

  #stream(response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write(': open\n\n');
    this.#streams.add(response);
    response.on('close', () => this.#streams.delete(response));
  }
}

async function body(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text;
}

function json(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

function reply(response: ServerResponse, { status, body, type, detail, retryAfter_s }: Answer): void {
  if (body !== undefined) return json(response, body);
  if (status === 204) return void response.writeHead(204).end();
  if (retryAfter_s !== undefined) response.setHeader('retry-after', String(retryAfter_s));
  response
    .writeHead(status, { 'content-type': 'application/problem+json' })
    .end(JSON.stringify({ type: type ?? 'about:blank', title: 'refused', status, detail: detail ?? '' }));
}

function problem(response: ServerResponse, status: number, title: string): void {
  response
    .writeHead(status, { 'content-type': 'application/problem+json' })
    .end(JSON.stringify({ type: 'about:blank', title, status, detail: '' }));
}

function serveFile(pathname: string, response: ServerResponse): void {
  const path = join(DIST, normalize(pathname === '/' ? '/index.html' : pathname));
  if (!path.startsWith(DIST) || !existsSync(path) || !statSync(path).isFile()) {
    response.writeHead(404).end();
    return;
  }
  response.setHeader(
    'cache-control',
    pathname.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
  );
  response.writeHead(200, { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream' });
  createReadStream(path).pipe(response);
}

/** The table of headers in the center's source, and the policy in its own file. */
function headersOf(source: URL): [string, string][] {
  const rust = readFileSync(source, 'utf8');
  const table = /const HEADERS[^=]*= \[(.*?)\n\];/s.exec(rust)?.[1] ?? '';
  const policy = readFileSync(new URL('../content-security-policy.txt', import.meta.url), 'utf8').trim();
  const found = [...table.matchAll(/\(\s*"([^"]+)",\s*(?:"([^"]*)"|POLICY),?\s*\)/g)];
  const headers = found.map(([, name = '', value = policy]): [string, string] => [name, value.replace(/\\\s+/g, '')]);
  if (headers.length < 5) throw new Error(`${source.pathname} has no table of headers that this can read`);
  return headers;
}
