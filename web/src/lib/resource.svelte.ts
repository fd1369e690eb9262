// Something that a part shows and that is kept up to date as long as the part is there: read at once, again when the center says
// that it changed, and again after the line was gone. It knows nothing of what is read.
import { ApiError, asApiError, type Topic } from './api.ts';
import type { Board, Reader } from './board.svelte.ts';
import { useView } from './view.svelte.ts';

export class Resource<T> implements Reader {
  /** Null until it was read for the first time. What was read last stays while the line is gone; the page says so. */
  value = $state.raw<T | null>(null);
  /** Why the center does not give just this: not there, not allowed, not understood. */
  problem = $state.raw<ApiError | null>(null);

  #ask: (signal: AbortSignal) => Promise<T>;
  #reading = new AbortController();
  readonly #board: Board;

  constructor(
    board: Board,
    readonly topics: readonly Topic[],
    ask: (signal: AbortSignal) => Promise<T>,
  ) {
    this.#board = board;
    this.#ask = ask;
  }

  async read(page: AbortSignal): Promise<void> {
    const { signal } = this.#reading;
    try {
      const value = await this.#ask(AbortSignal.any([page, signal]));
      if (signal.aborted) return;
      this.value = value;
      this.problem = null;
    } catch (error) {
      if (signal.aborted) return;
      const known = asApiError(error);
      if (!isOwn(known)) throw known;
      this.problem = known;
    }
  }

  /** Reads again at once, as after an edit of one's own. */
  again(): void {
    this.#board.reread(this);
  }

  /** Asks for something else from now on; what was read stays until that is there, unless `fresh`. */
  ask(ask: (signal: AbortSignal) => Promise<T>, fresh: boolean): void {
    this.#reading.abort();
    this.#reading = new AbortController();
    this.#ask = ask;
    if (fresh) this.value = null;
    this.problem = null;
  }

  stop(): void {
    this.#reading.abort();
  }
}

/** A session that is over, a line that is gone and a server's own error concern the whole page, not this alone. */
function isOwn({ status }: ApiError): boolean {
  return status !== null && status >= 400 && status < 500 && ![401, 408, 429].includes(status);
}

/**
 * For a component: reads while it is there. `key` says what is asked for, and another key reads anew:
 * `follow(['speakers'], () => id, (id, signal) => get('/speakers/{id}', { in: { id }, signal }))`. With `keep`, what was read for the
 * last key stays on the screen until the next is there, as a filtered list should.
 */
export function follow<T, K>(
  topics: readonly Topic[],
  key: () => K,
  read: (key: K, signal: AbortSignal) => Promise<T>,
  { keep = false } = {},
): Resource<T> {
  const { board } = useView();
  const resource = new Resource<T>(board, topics, (signal) => read(key(), signal));
  let last: string | null = null;
  $effect(() => {
    const now = key();
    const text = JSON.stringify(now);
    if (text !== last && last !== null) resource.ask((signal) => read(now, signal), !keep);
    last = text;
    return board.follow(resource);
  });
  $effect(() => () => resource.stop());
  return resource;
}
