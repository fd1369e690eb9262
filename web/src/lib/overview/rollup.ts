// Troubles by what they are, each with its areas: a whole province without power is one line, not a hundred. Pure.
import type { Schema } from '../api.ts';

export type Trouble = Schema<'Trouble'>;

export interface Roll {
  /** Cause and detail. */
  id: string;
  cause: string;
  detail: string | null;
  speakers: number;
  of: number;
  plays: number;
  first_ms: number | null;
  last_ms: number | null;
  /** Most speakers first. */
  areas: Trouble[];
}

/** What concerns most speakers first. */
export function roll(troubles: readonly Trouble[]): Roll[] {
  const found = new Map<string, Roll>();
  for (const trouble of troubles) {
    const detail = trouble.detail ?? null;
    const id = `${trouble.cause} ${detail ?? ''}`;
    const one = found.get(id) ?? {
      id,
      cause: trouble.cause,
      detail,
      speakers: 0,
      of: 0,
      plays: 0,
      first_ms: null,
      last_ms: null,
      areas: [],
    };
    one.speakers += trouble.speakers;
    one.of += trouble.of;
    one.plays += trouble.plays;
    one.first_ms = least(one.first_ms, trouble.first_ms ?? null, Math.min);
    one.last_ms = least(one.last_ms, trouble.last_ms ?? null, Math.max);
    one.areas.push(trouble);
    found.set(id, one);
  }
  return [...found.values()].sort((a, b) => b.speakers - a.speakers || (a.id < b.id ? -1 : 1));
}

function least(a: number | null, b: number | null, of: (a: number, b: number) => number): number | null {
  if (a === null || b === null) return a ?? b;
  return of(a, b);
}
