// Keeps the page live: a change stream that mends itself, and a refresher that turns a burst of changes into one read.
// It knows nothing of what is read or shown.

const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 15_000;

/**
 * Calls `run` soon after the first `ask`, with everything asked for meanwhile; never twice at once. The wait does not
 * start again with each ask, so a steady stream of changes cannot starve it, and it grows with the time the last read
 * took, so a large fleet on a slow line is not read without pause.
 */
export class Refresher<T> {
  #asked = new Set<T>();
  #timer: ReturnType<typeof setTimeout> | null = null;
  #running = false;
  #stopped = false;
  #last_ms = 0;

  constructor(
    private readonly run: (asked: Set<T>) => Promise<void>,
    private readonly delay_ms = 250,
  ) {}

  ask(...items: T[]): void {
    for (const item of items) this.#asked.add(item);
    this.#schedule(Math.max(this.delay_ms, 2 * this.#last_ms));
  }

  /** Like `ask`, without the wait. */
  askNow(...items: T[]): void {
    for (const item of items) this.#asked.add(item);
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#schedule(0);
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #schedule(delay_ms: number): void {
    if (this.#stopped || this.#running || this.#timer !== null || this.#asked.size === 0) return;
    this.#timer = setTimeout(() => void this.#step(), delay_ms);
  }

  async #step(): Promise<void> {
    this.#timer = null;
    const asked = this.#asked;
    this.#asked = new Set();
    this.#running = true;
    const began = performance.now();
    try {
      await this.run(asked);
    } finally {
      this.#last_ms = performance.now() - began;
      this.#running = false;
      this.#schedule(Math.max(this.delay_ms, 2 * this.#last_ms));
    }
  }
}

export interface StreamHandlers {
  /** The stream is up; changes before this moment may have been missed. */
  opened: () => void;
  changed: (data: unknown) => void;
  /** The stream is down; another try is already planned. */
  broken: () => void;
}

/**
 * An EventSource that is opened anew by us after every break. The browser's own retry gives up for good on any answer
 * other than 200 (a proxy's 502 while the center restarts) and knows no growing, scattered pauses.
 */
export class ChangeStream {
  #source: EventSource | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #failures = 0;

  constructor(
    private readonly url: string,
    private readonly handlers: StreamHandlers,
  ) {}

  /** Opens the stream unless it is open already or a retry is planned. */
  begin(): void {
    if (this.#source === null && this.#timer === null) this.#open();
  }

  /** What the stream announced could also be read, so the next break starts from the shortest pause again. */
  settled(): void {
    this.#failures = 0;
  }

  #open(): void {
    this.close();
    const source = new EventSource(this.url);
    this.#source = source;
    source.addEventListener('open', () => this.handlers.opened());
    source.addEventListener('change', (event) => this.handlers.changed(parse(event.data)));
    source.addEventListener('error', () => this.fail());
  }

  /** Declares the stream dead, as when another call shows that the line is gone. */
  fail(): void {
    this.close();
    const pause = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#failures);
    this.#failures += 1;
    // Scattered, so that all consoles do not come back in the same instant after a restart.
    this.#timer = setTimeout(() => this.#open(), pause * (0.75 + 0.5 * Math.random()));
    this.handlers.broken();
  }

  /** Tries at once where a pause is running, as when the network or the person comes back. */
  hurry(): void {
    if (this.#timer !== null) this.#open();
  }

  close(): void {
    this.#source?.close();
    this.#source = null;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}

function parse(data: unknown): unknown {
  try {
    return JSON.parse(String(data));
  } catch {
    return null;
  }
}
