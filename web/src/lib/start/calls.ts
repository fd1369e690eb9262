// What the guide asks of the center, and the few deeds that it does itself. It keeps nothing.
import { call, readJson, send, type Schema } from '../api.ts';

export type Bulletin = Schema<'BulletinView'>;
export type Trial = Schema<'TrialView'>;
export type Finding = Schema<'Finding'>;

/** Uploads may pause for as long as the center lets them. */
const UPLOAD_TIMEOUT_MS = 30 * 60_000;

export async function upload(file: File, title: string, area: string): Promise<Bulletin> {
  const query = new URLSearchParams({ title, language: 'vie', area, file_name: file.name });
  const headers = { 'content-type': 'application/octet-stream' };
  return readJson<Bulletin>(
    await call(`/bulletins?${query}`, { method: 'POST', headers, body: file }, UPLOAD_TIMEOUT_MS),
  );
}

export async function submit({ id, revisions }: Bulletin): Promise<void> {
  await send('POST', `/bulletins/${encodeURIComponent(id)}/revisions/${revisions.at(-1)?.revision ?? 1}/submit`, {});
}

/** A speaker that the center runs itself; the speaker is made if it is not there. */
export async function beginTrial(id: string, title: string, area: string, isNew: boolean): Promise<void> {
  if (isNew) await send('POST', '/speakers', { id, title, area });
  await send('POST', `/speakers/${encodeURIComponent(id)}/trial`, {});
}

export async function endTrial(id: string): Promise<void> {
  await send('DELETE', `/speakers/${encodeURIComponent(id)}/trial`, {});
}

/** What a trial speaker without a sound device has played last. */
export async function heard(id: string): Promise<Blob> {
  return (await call(`/speakers/${encodeURIComponent(id)}/trial/sound`, {}, UPLOAD_TIMEOUT_MS)).blob();
}

/** One play of one bulletin on one speaker. */
export interface TestPlay {
  bulletin: string;
  speaker: string;
  title: string;
  /** A whole minute. */
  start_ms: number;
  zone: string;
}

/** Test plays are told by their names, and each has one of its own: what was scheduled is never changed by the next. */
export const TEST_PLAY = 'phat-thu-';

/** Schedules it, or says only what that would do. */
export async function schedule(play: TestPlay, dryRun: boolean): Promise<Finding[]> {
  const once = localMinute(play.start_ms, play.zone);
  const id = `${TEST_PLAY}${once.replace(/[^0-9]/g, '')}`;
  const { title, zone, speaker, bulletin } = play;
  const body = {
    programme: { [id]: { title, items: [bulletin] } },
    schedule: { [id]: { title, once, time_zone: zone, targets: [`speaker:${speaker}`], programme: id } },
  };
  const saved = await send('POST', `/playlists?dry_run=${dryRun}`, body);
  return (await readJson<Schema<'Saved'>>(saved)).findings;
}

// A board needs this long to be told, to fetch a short bulletin, and to be ready.
const LEAST_AHEAD_MS = 40_000;
const MINUTE_MS = 60_000;

/** The next whole minute that is far enough away. */
export function nextStart(now_ms: number): number {
  return Math.ceil((now_ms + LEAST_AHEAD_MS) / MINUTE_MS) * MINUTE_MS;
}

/** `2026-11-23T05:30`, as the clock on the wall has it there. */
export function localMinute(ms: number, zone: string): string {
  const parts = new Intl.DateTimeFormat('en', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
  }).formatToParts(ms);
  const of = (type: string) => parts.find((part) => part.type === type)?.value ?? '';
  return `${of('year')}-${of('month')}-${of('day')}T${of('hour')}:${of('minute')}`;
}
