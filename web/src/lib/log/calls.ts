// What the log asks the center for: plays that pass the filters of the address, newest first, page by page.
import { playKey, readPages, type Listing, type Play } from '../api.ts';

/** Filters by their names in the address, which are those of the API. */
export const FILTERS = [
  'outcome',
  'reason',
  'priority',
  'evidence',
  'speaker',
  'schedule',
  'bulletin',
  'field',
  'language',
  'on_time',
] as const;
export type FilterName = (typeof FILTERS)[number];
export type Filters = Partial<Record<FilterName, string>>;

/** Plays on one page, and the most pages that are shown: more than that is no reading, but a matter for a filter. */
const PAGE = 200;
export const MOST_PAGES = 20;

export interface LogAsked {
  area: string | null;
  from_ms: number;
  until_ms: number;
  filters: Filters;
  pages: number;
}

export function getLog(asked: LogAsked, signal: AbortSignal): Promise<Listing<Play>> {
  const query: Record<string, string> = {
    ...asked.filters,
    from_ms: String(asked.from_ms),
    until_ms: String(asked.until_ms),
    limit: String(PAGE),
  };
  if (asked.area !== null) query['area'] = asked.area;
  return readPages<Play>('/plays', query, asked.pages, playKey, signal);
}

export function filtersOf(query: URLSearchParams): Filters {
  const found: Filters = {};
  for (const name of FILTERS) {
    const value = query.get(name);
    if (value !== null && value !== '') found[name] = value;
  }
  return found;
}
