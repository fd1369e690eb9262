// Which part of the page is shown: read from the address after `#`, so that the browser's back button, a bookmark and a reload
// all work. What it does not know is the board.

export type Part = 'board' | 'approve' | 'account';

export class Route {
  #hash = $state('');

  readonly #path = $derived(this.#hash.replace(/^#/, '').split('/').map(decoded));

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
    const [first] = this.#path;
    return first === 'approve' || first === 'account' ? first : 'board';
  }

  /** What stands behind the part, such as a bulletin and its revision. */
  get rest(): string[] {
    return this.#path.slice(1);
  }
}

export function address(part: Part, ...rest: (string | number)[]): string {
  return `#${[part, ...rest.map((piece) => encodeURIComponent(piece))].join('/')}`;
}

function decoded(piece: string): string {
  try {
    return decodeURIComponent(piece);
  } catch {
    return piece;
  }
}
