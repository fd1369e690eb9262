// What the approval part asks of the center, and the shapes it answers with. It keeps nothing.
import { ApiError, call, read, readJson, readPages, send, type Listing, type Priority } from '../api.ts';
import type { Flaw } from '../bulletins/calls.ts';
import type { Envelope } from '../signing/envelope.ts';
import type { Bytes } from '../signing/keys.ts';

export interface Sound {
  media: string;
  bytes: number;
  duration_ms: number;
  loudness_lufs: number;
  true_peak_dbtp: number;
  gain_db: number;
}

export interface Revision {
  revision: number;
  state: 'draft' | 'submitted' | 'approved' | 'returned' | 'withdrawn';
  reason: string | null;
  intake: 'received' | 'refused' | 'ready';
  file_name: string;
  flaws: Flaw[];
  sound: Sound | null;
  created_ms: number;
  /** Who has signed so far; a center where one approver suffices may leave both out. */
  approvals?: { approver: string; title: string }[];
  approvals_needed?: number;
}

export interface Bulletin {
  id: string;
  title: string;
  language: string;
  area: string;
  text: string;
  created_ms: number;
  revisions: Revision[];
}

export interface Area {
  code: string;
  title: string;
  parent: string | null;
}

/** A key and what the authority lets it do. */
export interface Certified {
  key: string;
  certificate: {
    site: string;
    role: string;
    title: string;
    key: string;
    areas: string[];
    highest: Priority;
    valid_from_ms: number;
    valid_until_ms: number;
  };
}

/** One revision that waits for an approver. */
export interface Waiting {
  bulletin: Bulletin;
  revision: Revision;
}

// 20,000 bulletins: years of a province's work.
const BULLETIN_PAGES = 100;
const MEDIA_TIMEOUT_MS = 10 * 60_000;
/** Four hours of sound as it is broadcast, and far more than any bulletin; a phone must not drown in what a server sends. */
const MOST_MEDIA_BYTES = 256 * 1024 * 1024;

export const waitingKey = ({ bulletin, revision }: Waiting): string => `${bulletin.id} ${revision.revision}`;

/** What waits, the oldest first. */
export async function getWaiting(signal: AbortSignal): Promise<Listing<Waiting>> {
  const query = { limit: '200', state: 'submitted' };
  const all = await readPages<Bulletin>('/bulletins', query, BULLETIN_PAGES, ({ id }) => id, signal);
  const items = all.items.flatMap((bulletin) =>
    bulletin.revisions.filter(({ state }) => state === 'submitted').map((revision) => ({ bulletin, revision })),
  );
  return { ...all, items: items.toSorted((a, b) => a.revision.created_ms - b.revision.created_ms) };
}

export function getBulletin(id: string, signal: AbortSignal): Promise<Bulletin> {
  return read<Bulletin>(`/bulletins/${encodeURIComponent(id)}`, signal);
}

export function getAreas(signal: AbortSignal): Promise<Area[]> {
  return read<Area[]>('/areas', signal);
}

/** Null where this account may not see them; then only the center's answer tells whether a key will do. */
export async function getCertificates(signal: AbortSignal): Promise<Certified[] | null> {
  try {
    return await read<Certified[]>('/certificates', signal);
  } catch (error) {
    if (error instanceof ApiError && error.status === 403) return null;
    throw error;
  }
}

/** With whether it was listened to, or why not: the account of who approved what says so. */
export async function approve(
  { bulletin, revision }: Waiting,
  approval: Envelope,
  unheard: string | null,
): Promise<Bulletin> {
  const body = { approval, listened: unheard === null, unheard: unheard ?? '' };
  return readJson(await send('POST', stepPath(bulletin, revision, 'approve'), body));
}

export async function giveBack({ bulletin, revision }: Waiting, reason: string): Promise<Bulletin> {
  return readJson(await send('POST', stepPath(bulletin, revision, 'return'), { reason }));
}

function stepPath(bulletin: Bulletin, revision: Revision, step: string): string {
  return `/bulletins/${encodeURIComponent(bulletin.id)}/revisions/${revision.revision}/${step}`;
}

/** The sound's bytes, as they came; what they are is for the caller to find out. */
export async function fetchMedia(sound: Sound, progress: (part: number) => void, signal: AbortSignal): Promise<Bytes> {
  const response = await call(`/media/${encodeURIComponent(sound.media)}`, { signal }, MEDIA_TIMEOUT_MS);
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    const reader = response.body?.getReader();
    for (let next = await reader?.read(); next?.value !== undefined; next = await reader?.read()) {
      parts.push(next.value);
      length += next.value.length;
      if (length > MOST_MEDIA_BYTES) throw new Error('more than any bulletin');
      progress(Math.min(1, length / Math.max(1, sound.bytes)));
    }
  } catch {
    throw new ApiError(null, 'the sound broke off', '');
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
