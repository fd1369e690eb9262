// A center that a test writes the answers for: serves web/dist, keeps one session cookie, and can misbehave on demand.
// It follows the real API's shapes and knows nothing of what they mean.
import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CenterInfo, Play, Speaker, Topic } from '../src/lib/api.ts';

const DIST = fileURLToPath(new URL('../dist/', import.meta.url));
const COOKIE = 'loaxa_session=made-up';
const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};

export class FakeCenter {
  /** Known once it listens, and still after it has closed. */
  url = '';
  info: CenterInfo;
  speakers: Speaker[] = [];
  plays: Play[] = [];
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
    if (this.down) {
      request.socket.destroy();
      return;
    }
    if (!url.pathname.startsWith('/api/')) return serveFile(url.pathname, response);
    this.calls.push(`${request.method} ${url.pathname}${url.search}`);

    if (url.pathname === '/api/v1/session') return this.#session(request, response);
    if (this.sessionLost || !(request.headers.cookie ?? '').includes(COOKIE)) {
      return problem(response, 401, 'not signed in');
    }
    if (this.failing !== null) return problem(response, this.failing.status, this.failing.title);
    switch (url.pathname) {
      case '/api/v1/center':
        return json(response, this.info);
      case '/api/v1/speakers':
        return json(response, this.#page(this.speakers, url));
      case '/api/v1/plays':
        // Like the real one: whole milliseconds, or nothing.
        if (!['from_ms', 'until_ms'].every((name) => /^\d+$/.test(url.searchParams.get(name) ?? '')))
          return problem(response, 400, `not whole milliseconds: ${url.search}`);
        return json(response, this.#page(this.#playsIn(url), url));
      case '/api/v1/events':
        return this.streamRefused ? problem(response, 502, 'Bad Gateway') : this.#stream(response);
      default:
        return problem(response, 404, 'no such thing');
    }
  }

  async #session(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method === 'DELETE') {
      response.writeHead(204, { 'set-cookie': `loaxa_session=; Path=/; Max-Age=0` }).end();
      return;
    }
    const { token } = JSON.parse(await body(request)) as { token: string };
    if (token !== this.token) return problem(response, 401, 'wrong token');
    this.sessionLost = false;
    response.writeHead(204, { 'set-cookie': `${COOKIE}; Path=/; HttpOnly; SameSite=Strict` }).end();
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
  response.writeHead(200, { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream' });
  createReadStream(path).pipe(response);
}
