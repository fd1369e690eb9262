// The plays of one speaker, as the log has them.
import { read, type Play } from '../api.ts';

const MOST = 500;

/** Newest first, the nearest 500. */
export async function getPlaysOf(id: string, from_ms: number, until_ms: number, signal: AbortSignal): Promise<Play[]> {
  const query = new URLSearchParams({
    speaker: id,
    from_ms: String(from_ms),
    until_ms: String(until_ms),
    limit: String(MOST),
  });
  return (await read<{ items: Play[] }>(`/plays?${query}`, signal)).items;
}
