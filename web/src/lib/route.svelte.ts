// Which part of the page is shown, and what it was asked for: read from the address after `#`, so that the browser's back button, a
// bookmark and a reload all work. What the parts are stands in parts.ts.

/** Every part that an address can name. */
export type Part =
  | 'overview'
  | 'start'
  | 'speakers'
  | 'bulletins'
  | 'approve'
  | 'schedules'
  | 'programmes'
  | 'log'
  | 'reports'
  | 'admin'
  | 'account';

const PARTS: readonly string[] = [
  'overview',
  'start',
  'speakers',
  'bulletins',
  'approve',
  'schedules',
  'programmes',
  'log',
  'reports',
  'admin',
  'account',
] satisfies Part[];

export type Query = Record<string, string | number | boolean | null | undefined>;

export class Route {
  #hash = $state('');

  readonly #pieces = $derived((this.#hash.replace(/^#/, '').split('?')[0] ?? '').split('/').map(decoded));
  readonly #query = $derived(new URLSearchParams(this.#hash.split('?')[1] ?? ''));

  constructor() {
    this.#hash = location.hash;
  }

  /** Follows the address; the returned function ends that. */
  start(): () => void {
    const follow = () => (this.#hash = location.hash);
    window.addEventListener('hashchange', follow);
    return () => window.removeEventListener('hashchange', follow);
  }

  get part(): Part {
    const [first = ''] = this.#pieces;
    return PARTS.includes(first) ? (first as Part) : 'overview';
  }

  /** What stands behind the part, such as a bulletin and its revision. */
  get rest(): string[] {
    return this.#pieces.slice(1);
  }

  /** What stands behind the question mark, such as a filter. */
  get query(): URLSearchParams {
    return this.#query;
  }

  go(part: Part, rest: (string | number)[] = [], query: Query = {}): void {
    location.hash = address(part, ...rest) + queryText(query);
  }

  /** Changes what stands behind the question mark without a step in the history, as for a filter that is being typed. */
  refine(query: Query): void {
    const merged = { ...Object.fromEntries(this.#query), ...query };
    const path = this.#hash.replace(/^#/, '').split('?')[0] || 'overview';
    history.replaceState(history.state, '', `#${path}${queryText(merged)}`);
    this.#hash = location.hash;
  }
}

/** The address of a part, for a link. */
export function address(part: Part, ...rest: (string | number)[]): string {
  return `#${[part, ...rest.map((piece) => encodeURIComponent(piece))].join('/')}`;
}

/** What is behind the question mark: nothing for what is null, empty or false. */
export function queryText(query: Query): string {
  const wanted = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== '');
  const told = wanted.filter(([, value]) => value !== false).map(([name, value]) => [name, String(value)]);
  return told.length === 0 ? '' : `?${new URLSearchParams(told)}`;
}

function decoded(piece: string): string {
  try {
    return decodeURIComponent(piece);
  } catch {
    return piece;
  }
}
