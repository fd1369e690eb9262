// The typed client of the center's HTTP API: the shapes on the wire, one function per call, and one error class.
// It keeps no state and shows nothing; the session lives in an HttpOnly cookie that no script can read.

export interface CenterInfo {
  site: string;
  title: string;
  time_zone: string;
  version: string;
  now_ms: number;
}

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

export interface Speaker {
  id: string;
  title: string;
  area: string;
  area_title: string;
  link: { state: LinkState; since_ms: number | null };
  clock: { trusted: boolean; error_bound_ms: number } | null;
  content: { ready: number; wanted: number } | null;
  plan: { sent: number | null; accepted: number | null; refused: string | null };
  last_play: Play | null;
  next_play: { start_ms: number; title: string } | null;
}

export type Topic = 'speakers' | 'plays';

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
  ) {
    super(title);
  }
}

const BASE = '/api/v1';
export const EVENTS_URL = `${BASE}/events`;
const TIMEOUT_MS = 15_000;

// 10,000 speakers is what one center carries; 4,000 plays is more than a person reads.
const SPEAKER_PAGES = 20;
const PLAY_PAGES = 20;

export function getCenter(signal: AbortSignal): Promise<CenterInfo> {
  return read<CenterInfo>('/center', signal);
}

export async function getSpeakers(signal: AbortSignal): Promise<Listing<Speaker>> {
  return readPages<Speaker>('/speakers', { limit: '500' }, SPEAKER_PAGES, (speaker) => speaker.id, signal);
}

/** Plays whose planned start lies in [from, until). */
export async function getPlays(from_ms: number, until_ms: number, signal: AbortSignal): Promise<Listing<Play>> {
  const range = { from_ms: String(from_ms), until_ms: String(until_ms), limit: '200' };
  return readPages<Play>('/plays', range, PLAY_PAGES, playKey, signal);
}

export async function signIn(token: string): Promise<void> {
  await call('/session', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token }),
  });
}

export async function signOut(): Promise<void> {
  await call('/session', { method: 'DELETE' });
}

/** One play on one speaker: the identity of a playback record. */
export function playKey(play: Play): string {
  return `${play.speaker} ${play.occurrence}`;
}

async function readPages<T>(
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

async function read<T>(path: string, signal: AbortSignal): Promise<T> {
  const response = await call(path, { signal });
  try {
    return (await response.json()) as T;
  } catch {
    throw new ApiError(response.status, 'unreadable answer', '');
  }
}

async function call(path: string, init: RequestInit): Promise<Response> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
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
  try {
    const body = (await response.json()) as { title?: unknown; detail?: unknown };
    if (typeof body.title === 'string') title = body.title;
    if (typeof body.detail === 'string') detail = body.detail;
  } catch {
    // Not JSON: the status line is all there is to say.
  }
  return new ApiError(response.status, title, detail);
}
