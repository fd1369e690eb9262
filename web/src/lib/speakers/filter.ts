// Which speakers are shown, and in which order: a filter that stands in the address, so that it can be shared and kept. Pure.
import type { Schema } from '../api.ts';
import { fold, holds, wordsOf } from './fold.ts';

export type Speaker = Schema<'SpeakerListed'>;
export type Standing = Schema<'SpeakerStanding'>;
export type Area = Schema<'AreaView'>;

/** In the order of gravity for whoever looks after them. */
export const STANDINGS: Standing[] = ['attention', 'offline', 'preparing', 'sounding', 'ready', 'never', 'disabled'];

export const SORTS = ['title', 'area', 'standing', 'since', 'proven', 'next'] as const;
export type Sort = (typeof SORTS)[number];

export interface Filter {
  q: string;
  /** With all areas below it. */
  area: string;
  standings: Standing[];
  /** A cause (`clock_untrusted`) or a fault (`fault:hot`). */
  cause: string;
  language: string;
  sort: Sort;
  down: boolean;
}

export function filterOf(query: URLSearchParams): Filter {
  const standings = (query.get('state') ?? '').split('.');
  const sort = query.get('sort') ?? '';
  return {
    q: query.get('q') ?? '',
    area: query.get('area') ?? '',
    standings: STANDINGS.filter((one) => standings.includes(one)),
    cause: query.get('cause') ?? '',
    language: query.get('lang') ?? '',
    sort: SORTS.find((known) => known === sort) ?? 'title',
    down: query.get('down') === '1',
  };
}

/** How it stands in the address; what is as usual is left out. */
export function queryOf(filter: Filter): Record<string, string | null> {
  return {
    q: filter.q || null,
    area: filter.area || null,
    state: filter.standings.join('.') || null,
    cause: filter.cause || null,
    lang: filter.language || null,
    sort: filter.sort === 'title' ? null : filter.sort,
    down: filter.down ? '1' : null,
  };
}

export function isEmpty(filter: Filter): boolean {
  const { q, area, standings, cause, language } = filter;
  return q === '' && area === '' && standings.length === 0 && cause === '' && language === '';
}

/** An area and all below it. */
export function subtree(areas: readonly Area[], code: string): Set<string> {
  const found = new Set([code]);
  for (let before = 0; before !== found.size;) {
    before = found.size;
    for (const area of areas) if (area.parent && found.has(area.parent)) found.add(area.code);
  }
  return found;
}

/** Each speaker's words, folded once and not at every key that is pressed. */
const folded = new WeakMap<Speaker, string>();

function wordsFor(speaker: Speaker): string {
  let text = folded.get(speaker);
  if (text === undefined) {
    text = fold(`${speaker.title} ${speaker.id} ${speaker.area_title} ${speaker.area}`);
    folded.set(speaker, text);
  }
  return text;
}

export function hasCause(speaker: Speaker, cause: string): boolean {
  if (cause.startsWith('fault:')) return (speaker.faults ?? []).some(({ fault }) => `fault:${fault}` === cause);
  return speaker.causes.some((one) => one === cause);
}

export function matching(speakers: readonly Speaker[], areas: readonly Area[], filter: Filter): Speaker[] {
  const words = wordsOf(filter.q);
  const inside = filter.area === '' ? null : subtree(areas, filter.area);
  return speakers.filter(
    (speaker) =>
      (inside === null || inside.has(speaker.area)) &&
      (filter.standings.length === 0 || filter.standings.includes(speaker.standing)) &&
      (filter.cause === '' || hasCause(speaker, filter.cause)) &&
      (filter.language === '' || (speaker.languages ?? []).includes(filter.language)) &&
      (words.length === 0 || holds(wordsFor(speaker), words)),
  );
}

export function sorted(speakers: readonly Speaker[], { sort, down }: Filter): Speaker[] {
  // One collator: localeCompare would look the language up for every pair.
  const collator = new Intl.Collator('vi', { numeric: true });
  const far = Number.MAX_SAFE_INTEGER;
  const by: Record<Sort, (a: Speaker, b: Speaker) => number> = {
    title: () => 0,
    area: (a, b) => collator.compare(a.area_title, b.area_title),
    standing: (a, b) => STANDINGS.indexOf(a.standing) - STANDINGS.indexOf(b.standing),
    since: (a, b) => (a.link.since_ms ?? far) - (b.link.since_ms ?? far),
    proven: (a, b) => (a.proven?.at_ms ?? 0) - (b.proven?.at_ms ?? 0),
    next: (a, b) => (a.next_play?.start_ms ?? far) - (b.next_play?.start_ms ?? far),
  };
  const turn = down ? -1 : 1;
  const compare = (a: Speaker, b: Speaker) =>
    turn * (by[sort](a, b) || (sort === 'title' ? collator.compare(a.title, b.title) : 0)) ||
    collator.compare(a.title, b.title) ||
    (a.id < b.id ? -1 : 1);
  return speakers.toSorted(compare);
}

/** How many of each kind there are, for the chips of the filter. */
export function counts(speakers: readonly Speaker[]): Map<Standing, number> {
  const found = new Map<Standing, number>();
  for (const { standing } of speakers) found.set(standing, (found.get(standing) ?? 0) + 1);
  return found;
}

/** The causes and faults that some speaker has, the commonest first. */
export function causes(speakers: readonly Speaker[]): [cause: string, speakers: number][] {
  const found = new Map<string, number>();
  const add = (cause: string) => found.set(cause, (found.get(cause) ?? 0) + 1);
  for (const speaker of speakers) {
    for (const cause of speaker.causes) if (cause !== 'fault') add(cause);
    for (const { fault } of speaker.faults ?? []) add(`fault:${fault}`);
  }
  return [...found].sort((a, b) => b[1] - a[1]);
}
