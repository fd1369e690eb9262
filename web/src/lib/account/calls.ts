// What the account part asks of the center. It keeps nothing.
import { asApiError, call, read, readJson, send } from '../api.ts';
import type { AccountWords } from './words.ts';

export interface SessionRow {
  id: string;
  current: boolean;
  created_ms: number;
  seen_ms: number;
  address: string;
  agent: string;
}

export async function getSessions(signal: AbortSignal): Promise<SessionRow[]> {
  return (await read<{ items: SessionRow[] }>('/sessions', signal)).items;
}

export async function endSession(id: string): Promise<void> {
  await call(`/sessions/${encodeURIComponent(id)}`, { method: 'DELETE' });
}

export async function changePassword(given: { old: string; new: string }): Promise<void> {
  await send('PUT', '/session/password', given);
}

export async function beginTotp(password: string): Promise<{ secret: string; uri: string }> {
  return readJson(await send('POST', '/session/totp', { password }));
}

export async function confirmTotp(code: string): Promise<string[]> {
  const answer = await send('POST', '/session/totp/confirm', { code });
  return (await readJson<{ recovery_codes: string[] }>(answer)).recovery_codes;
}

export async function endTotp(password: string): Promise<void> {
  await send('DELETE', '/session/totp', { password });
}

/** An error in the words of this part. */
export function inWords(error: unknown, words: AccountWords, wait: (s: number) => string): string {
  const { status, title, detail, retryAfter_s } = asApiError(error);
  if (status === null) return words.unreachable;
  if (status === 429 && retryAfter_s !== null) return words.tooMany(wait(retryAfter_s));
  return words.refused(detail || title);
}
