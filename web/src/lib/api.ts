// The typed client of the center's HTTP API: shapes that stand in its OpenAPI description (`schema.ts` is made from it), the
// ways to call it, and one error class. It keeps no state and shows nothing; the session lives in an HttpOnly cookie that no
// script can read.
import type { components, paths } from './schema.ts';

/** A shape of the API by its name there. */
export type Schema<Name extends keyof components['schemas']> = components['schemas'][Name];
export type Right = Schema<'Right'>;

export interface CenterInfo {
  site: string;
  title: string;
  time_zone: string;
  version: string;
  /** The area at the top of the tree. */
  area?: string;
  now_ms: number;
}

/** Who is signed in, as the center says. */
export interface Who {
  name: string;
  title: string;
  grants: { role: string; area: string }[];
  /** What they may do in some place. */
  rights: Right[];
  totp: boolean;
  ends_ms: number;
}

export type Credentials = { token: string } | { name: string; password: string; code?: string };

export type LinkState = 'online' | 'offline' | 'never';
export type Priority = 'filler' | 'normal' | 'priority' | 'emergency';
export type Outcome = 'planned' | 'playing' | 'played' | 'late' | 'partial' | 'missed' | 'unreported';
export type Evidence = 'scheduled' | 'content_ready' | 'sounded' | 'heard_back';
export type Reason =
  | 'content_missing'
  | 'content_corrupt'
  | 'not_approved'
  | 'no_ticket'
  | 'revoked'
  | 'clock_untrusted'
  | 'powered_off'
  | 'interrupted'
  | 'output_failed'
  | 'pre_empted'
  | 'decode_failed'
  | 'withdrawn'
  | 'not_heard'
  | 'quiet_hours'
  | 'slot_over'
  | 'other'
  | 'no_report';

export interface Play {
  speaker: string;
  speaker_title: string;
  occurrence: string;
  schedule: string;
  title: string;
  priority: Priority;
  start_ms: number;
  end_ms: number;
  outcome: Outcome;
  reason: Reason | null;
  started_ms: number | null;
  start_error_ms: number | null;
  heard_ms: number | null;
  level_dbfs: number | null;
  peak_dbfs: number | null;
  evidence: Evidence;
}

/** A speaker in a list. */
export type Speaker = Schema<'SpeakerListed'>;

export type WaitingReason =
  'content_missing' | 'plan_on_its_way' | 'plan_refused' | 'clock_untrusted' | 'never_heard' | 'disabled';

/** A speaker that could not sound a play as things stand. */
export interface NotReady {
  speaker: string;
  title: string;
  area: string;
  reason: WaitingReason;
  missing_bytes: number;
  online: boolean;
  since_ms: number | null;
}

/** A play to come, on all speakers that it reaches. */
export interface PlayReadiness {
  occurrence: string;
  schedule: string;
  title: string;
  priority: Priority;
  start_ms: number;
  speakers: number;
  ready: number;
  /** Of those that are ready; they have what they need. */
  ready_offline: number;
  waiting: { reason: WaitingReason; speakers: number }[];
  missing_bytes: number;
  warning: 'none' | 'soon' | 'late';
  /** The first of them. */
  not_ready: NotReady[];
}

export interface Outlook {
  now_ms: number;
  plays: PlayReadiness[];
  /** How many later plays were left out. */
  more: number;
}

/** What the change stream speaks of. */
export const TOPICS = ['speakers', 'plays', 'bulletins', 'schedules', 'areas', 'trust', 'accounts', 'reports'] as const;
export type Topic = (typeof TOPICS)[number];

/** A list that was read page by page; `complete` is false where reading stopped at the limit. */
export interface Listing<T> {
  items: T[];
  complete: boolean;
}

interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

/** What went wrong with a call. `status` is null where no answer came at all. */
export class ApiError extends Error {
  constructor(
    readonly status: number | null,
    readonly title: string,
    readonly detail: string,
    /** RFC 9457's `type`, where it says more than the status. */
    readonly type = 'about:blank',
    readonly retryAfter_s: number | null = null,
  ) {
    super(title);
  }
}

/** The `type` of a refusal that only asks for the second factor. */
export const TOTP_REQUIRED = 'loaxa:totp-required';
/** The `type` of the refusal of an edit where somebody else was quicker. */
export const CHANGED_MEANWHILE = 'loaxa:changed-meanwhile';
/** The `type` of every answer of a server that has no center yet. */
export const NOT_SET_UP = 'loaxa:not-set-up';

const BASE = '/api/v1';
export const EVENTS_URL = `${BASE}/events`;
const TIMEOUT_MS = 15_000;

// 10,000 speakers is what one center carries; 1,000 plays are more than a person reads on the first page; the log has the rest.

const PLAY_PAGES = 5;

export function getCenter(signal: AbortSignal): Promise<CenterInfo> {
  return read<CenterInfo>('/center', signal);
}

/** Plays whose planned start lies in [from, until). */
export async function getPlays(from_ms: number, until_ms: number, signal: AbortSignal): Promise<Listing<Play>> {
  const range = { from_ms: String(from_ms), until_ms: String(until_ms), limit: '200' };
  return readPages<Play>('/plays', range, PLAY_PAGES, playKey, signal);
}

export async function signIn(credentials: Credentials): Promise<void> {
  await send('POST', '/session', credentials);
}

export async function signOut(): Promise<void> {
  await call('/session', { method: 'DELETE' });
}

/** Null at a center that knows only the access token and nobody by name. */
export async function getWho(signal: AbortSignal): Promise<Who | null> {
  try {
    return await read<Who>('/session', signal);
  } catch (error) {
    if (error instanceof ApiError && (error.status === 404 || error.status === 405)) return null;
    throw error;
  }
}

/** Makes the first administrator, with the code that the center printed when it started. */
export async function setUp(first: { code: string; name: string; title: string; password: string }): Promise<void> {
  await send('POST', '/setup', first);
}

/** One play on one speaker: the identity of a playback record. */
export function playKey(play: Play): string {
  return `${play.speaker} ${play.occurrence}`;
}

export async function readPages<T>(
  path: string,
  query: Record<string, string>,
  maxPages: number,
  key: (item: T) => string,
  signal: AbortSignal,
): Promise<Listing<T>> {
  // Keyed, because rows may move between two pages while they are being read, and a row must not show twice.
  const items = new Map<string, T>();
  let cursor: string | null = null;
  for (let page = 0; page < maxPages; page += 1) {
    const parameters = new URLSearchParams(query);
    if (cursor !== null) parameters.set('cursor', cursor);
    const answer: Page<T> = await read<Page<T>>(`${path}?${parameters}`, signal);
    for (const item of answer.items) items.set(key(item), item);
    cursor = answer.next_cursor;
    if (cursor === null) break;
  }
  return { items: [...items.values()], complete: cursor === null };
}

type Paths = { [P in keyof paths as P extends `/api/v1${infer Rest}` ? Rest : never]: paths[P] };
type Having<Method extends string> = {
  [P in keyof Paths]: Paths[P] extends Record<Method, { responses: unknown }> ? P : never;
}[keyof Paths];
type JsonOf<Answer> = Answer extends { content: { 'application/json': infer Body } } ? Body : undefined;
type AnswerTo<Call> = Call extends { responses: infer Answers }
  ? { [Status in keyof Answers]: Status extends 200 | 201 | 202 ? JsonOf<Answers[Status]> : never }[keyof Answers]
  : never;
type BodyOf<Call> = Call extends { requestBody: { content: { 'application/json': infer Body } } } ? Body : undefined;

export type GetPath = Having<'get'>;
export type Got<P extends GetPath> = AnswerTo<Paths[P]['get']>;
type ChangeMethod = 'post' | 'put' | 'delete';

export interface Asked {
  /** What stands in the braces of the path. */
  in?: Record<string, string | number>;
  /** Left out where undefined or null. */
  query?: Record<string, string | number | boolean | null | undefined>;
  signal?: AbortSignal;
}

/** Reads what the API describes at this path, such as `get('/speakers/{id}', { in: { id } })`. */
export async function get<P extends GetPath>(path: P, asked: Asked = {}): Promise<Got<P>> {
  return (await getTagged(path, asked)).value;
}

/** The same with the tag of what was read, for an edit of it. */
export async function getTagged<P extends GetPath>(
  path: P,
  asked: Asked = {},
): Promise<{ value: Got<P>; etag: string | null }> {
  const response = await call(filled(path, asked), asked.signal ? { signal: asked.signal } : {});
  return { value: await readJson<Got<P>>(response), etag: response.headers.get('etag') };
}

/**
 * Changes something, such as `change('put', '/speakers/{id}/traits', { in: { id }, body, etag })`. With a tag it is refused if somebody
 * else was quicker: an ApiError whose `type` is CHANGED_MEANWHILE.
 */
export async function change<M extends ChangeMethod, P extends Having<M>>(
  method: M,
  path: P,
  asked: Asked & { body?: BodyOf<Paths[P][M & keyof Paths[P]]>; etag?: string | null } = {},
): Promise<AnswerTo<Paths[P][M & keyof Paths[P]]>> {
  const headers: Record<string, string> = {};
  if (asked.body !== undefined) headers['content-type'] = 'application/json';
  if (asked.etag) headers['if-match'] = asked.etag;
  const init: RequestInit = { method: method.toUpperCase(), headers };
  if (asked.body !== undefined) init.body = JSON.stringify(asked.body);
  if (asked.signal) init.signal = asked.signal;
  const response = await call(filled(path, asked), init);
  const isJson = response.headers.get('content-type')?.includes('json') ?? false;
  return (isJson ? await readJson(response) : undefined) as AnswerTo<Paths[P][M & keyof Paths[P]]>;
}

function filled(path: string, { in: given = {}, query = {} }: Asked): string {
  const whole = path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = given[name];
    if (value === undefined) throw new Error(`${path} needs ${name}`);
    return encodeURIComponent(value);
  });
  const wanted = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
  const parameters = new URLSearchParams(wanted.map(([name, value]) => [name, String(value)]));
  return wanted.length === 0 ? whole : `${whole}?${parameters}`;
}

export async function read<T>(path: string, signal: AbortSignal): Promise<T> {
  return readJson<T>(await call(path, { signal }));
}

export function send(method: 'POST' | 'PUT' | 'DELETE', path: string, body: object): Promise<Response> {
  return call(path, { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
}

export async function readJson<T>(response: Response): Promise<T> {
  try {
    return (await response.json()) as T;
  } catch {
    throw new ApiError(response.status, 'unreadable answer', '');
  }
}

export async function call(path: string, init: RequestInit, timeout_ms = TIMEOUT_MS): Promise<Response> {
  const timeout = AbortSignal.timeout(timeout_ms);
  const signal = init.signal ? AbortSignal.any([init.signal, timeout]) : timeout;
  let response: Response;
  try {
    response = await fetch(BASE + path, {
      ...init,
      signal,
      credentials: 'same-origin',
      cache: 'no-store',
      redirect: 'error',
    });
  } catch {
    throw new ApiError(null, 'no answer', '');
  }
  if (!response.ok) throw await problem(response);
  return response;
}

/** Reads an RFC 9457 problem; anything else in front of the center (a proxy's page) still gives a usable error. */
async function problem(response: Response): Promise<ApiError> {
  let title = response.statusText;
  let detail = '';
  let type: string | undefined;
  try {
    const body = (await response.json()) as { title?: unknown; detail?: unknown; type?: unknown };
    if (typeof body.title === 'string') title = body.title;
    if (typeof body.detail === 'string') detail = body.detail;
    if (typeof body.type === 'string') type = body.type;
  } catch {
    // Not JSON: the status line is all there is to say.
  }
  // Seconds; the form with a date is nothing this center sends.
  const wait = Number.parseInt(response.headers.get('retry-after') ?? '', 10);
  return new ApiError(response.status, title, detail, type, Number.isFinite(wait) && wait > 0 ? wait : null);
}

export function asApiError(error: unknown): ApiError {
  return error instanceof ApiError ? error : new ApiError(null, String(error), '');
}
