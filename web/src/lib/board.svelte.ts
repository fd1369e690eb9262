// What every part of the page rests on: whether someone is signed in and as whom, the center's clock, and the change stream by
// which parts are told to read again. What is read, and how it is shown, is the parts' business.
import {
  asApiError,
  type ApiError,
  EVENTS_URL,
  NOT_SET_UP,
  TOPICS,
  getCenter,
  getWho,
  setUp,
  signIn,
  signOut,
  TOTP_REQUIRED,
  type CenterInfo,
  type Credentials,
  type Right,
  type Topic,
  type Who,
} from './api.ts';
import { DEFAULT_ZONE } from './format.ts';
import { ChangeStream, Refresher } from './live.ts';
import { setupInFragment, tokenInFragment } from './token.ts';

/** Why nobody is signed in; each has its own words on the form. `code`: only the second factor is missing. */
export type SignedOut = 'first' | 'wrong' | 'code' | 'expired' | 'out' | 'failed';

export type Session =
  | { state: 'unknown' }
  /** `token` is the access code that was tried last, if it was one. */
  | { state: 'out'; why: SignedOut; error: ApiError | null; token: string | null }
  | { state: 'in' };

/** What some part shows and wants to keep up to date. */
export interface Reader {
  /** Reads again when one of these has changed; every reader reads again when the line comes back. */
  readonly topics: readonly Topic[];
  /** Throws what concerns the whole page (no answer, a server's error); what concerns only itself it keeps. */
  read(signal: AbortSignal): Promise<void>;
}

// Also the longest a silently dead line goes unnoticed: an EventSource cannot see missing heartbeats.
const REREAD_MS = 60_000;
const TICK_MS = 5_000;

export class Board {
  session = $state.raw<Session>({ state: 'unknown' });
  center = $state.raw<CenterInfo | null>(null);
  /** Null until known, and at a center without accounts. */
  who = $state.raw<Who | null>(null);
  /** The code of `#setup=…`: then set-up stands in place of the sign-in. Empty where set-up is due and nobody has said the code yet. */
  setupCode = $state<string | null>(null);
  /** By the center's clock, not this machine's, which may be anything. */
  now_ms = $state(Date.now());
  updated_ms = $state<number | null>(null);
  signOutFailed = $state(false);

  #streamUp = $state(true);
  #readError = $state.raw<ApiError | null>(null);
  #clockOffset_ms = 0;
  #whoRead = false;
  #stream: ChangeStream | null = null;
  #refresher: Refresher<Reader> | null = null;
  /** In the order in which they came. */
  readonly #readers = new Set<Reader>();
  /** Stands for the center itself among the readers. */
  readonly #center: Reader = { topics: [], read: (signal) => this.#readCenter(signal) };
  #reading = new AbortController();

  /** Null while all is well; an ApiError where the center answered with an error; otherwise the line is gone. */
  get trouble(): ApiError | 'lost' | null {
    if (this.#readError !== null && this.#readError.status !== null) return this.#readError;
    return this.#readError !== null || !this.#streamUp ? 'lost' : null;
  }

  /** The center's time at this very moment; `now_ms` moves in steps, for what is shown. */
  now(): number {
    return Date.now() + this.#clockOffset_ms;
  }

  get zone(): string {
    return this.center?.time_zone ?? DEFAULT_ZONE;
  }

  /** Starts everything that goes on by itself; the returned function ends it. */
  start(): () => void {
    const tick = setInterval(() => this.#tick(), TICK_MS);
    const reread = setInterval(() => this.#refresher?.ask(this.#center, ...this.#readers), REREAD_MS);
    const comeBack = () => {
      if (document.visibilityState === 'visible') this.#comeBack();
    };
    const fragment = () => void this.#useFragment();
    document.addEventListener('visibilitychange', comeBack);
    window.addEventListener('online', comeBack);
    window.addEventListener('hashchange', fragment);
    void this.#useFragment().then((used) => {
      if (!used) this.#enter();
    });
    return () => {
      clearInterval(tick);
      clearInterval(reread);
      document.removeEventListener('visibilitychange', comeBack);
      window.removeEventListener('online', comeBack);
      window.removeEventListener('hashchange', fragment);
      this.#leave();
    };
  }

  async signIn(credentials: Credentials): Promise<void> {
    const token = 'token' in credentials ? credentials.token : null;
    try {
      await signIn(credentials);
    } catch (error) {
      const known = asApiError(error);
      if (known.status !== 401) this.#end('failed', known, token);
      else this.#end(known.type === TOTP_REQUIRED ? 'code' : 'wrong', known, token === null ? null : '');
      return;
    }
    this.#enter();
  }

  /** Makes the first administrator and signs in as that person; throws what the center says against it. */
  async setUp(first: { name: string; title: string; password: string }): Promise<void> {
    if (this.setupCode === null) return;
    await setUp({ ...first, code: this.setupCode });
    this.setupCode = null;
    rememberSetup(null);
    await this.signIn({ name: first.name, password: first.password });
  }

  leaveSetUp(): void {
    this.setupCode = null;
    rememberSetup(null);
    this.#enter();
  }

  /** After something about the account has changed. */
  async readWho(): Promise<void> {
    this.who = await getWho(this.#reading.signal);
  }

  async signOut(): Promise<void> {
    this.signOutFailed = false;
    try {
      await signOut();
    } catch (error) {
      if (asApiError(error).status !== 401) {
        this.signOutFailed = true;
        return;
      }
    }
    this.#end('out');
  }

  /** Where a call of some part was refused: if the session is over, this finds out, and the form comes. */
  check(): void {
    this.#refresher?.askNow(this.#center);
  }

  /** Whether the person signed in may do this in some place; the center decides about each place itself. */
  may(right: Right): boolean {
    return this.who === null || this.who.rights.includes(right);
  }

  /** Reads now and whenever it is worth while, until the returned function is called. */
  follow(reader: Reader): () => void {
    this.#readers.add(reader);
    this.#refresher?.askNow(reader);
    return () => this.#readers.delete(reader);
  }

  /** Reads this one again without waiting for a change. */
  reread(reader: Reader): void {
    this.#refresher?.askNow(reader);
  }

  /** Takes the code out of the address first, so that it stays neither on the screen nor in the history. */
  async #useFragment(): Promise<boolean> {
    const token = tokenInFragment(location.hash);
    const setup = setupInFragment(location.hash);
    if (token === null && setup === null) return false;
    history.replaceState(history.state, '', location.pathname + location.search);
    if (token !== null) {
      await this.signIn({ token });
      return true;
    }
    this.#end('first');
    this.setupCode = setup;
    rememberSetup(setup);
    return true;
  }

  #enter(): void {
    this.#leave();
    this.#reading = new AbortController();
    this.#readError = null;
    this.#whoRead = false;
    this.#streamUp = true;
    this.signOutFailed = false;
    const refresher = new Refresher<Reader>((wanted) => this.#read(wanted));
    const stream = new ChangeStream(EVENTS_URL, {
      opened: () => {
        this.#streamUp = true;
        refresher.askNow(this.#center, ...this.#readers);
      },
      changed: (data) => {
        const topic = topicOf(data);
        // A topic that nobody knows, `all` among them, is taken for every one.
        const known = topic !== null;
        refresher.ask(...[...this.#readers].filter((reader) => !known || reader.topics.includes(topic)));
      },
      broken: () => {
        this.#streamUp = false;
        // The stream's own error does not say why; a plain call does, and a 401 leads to the form.
        refresher.ask(this.#center);
      },
    });
    this.#refresher = refresher;
    this.#stream = stream;
    refresher.askNow(this.#center, ...this.#readers);
  }

  #leave(): void {
    this.#reading.abort();
    this.#stream?.close();
    this.#stream = null;
    this.#refresher?.stop();
    this.#refresher = null;
  }

  #end(why: SignedOut, error: ApiError | null = null, token: string | null = null): void {
    this.#leave();
    this.center = null;
    this.who = null;
    this.#whoRead = false;
    this.updated_ms = null;
    this.session = { state: 'out', why, error, token };
  }

  async #read(wanted: Set<Reader>): Promise<void> {
    const signal = this.#reading.signal;
    try {
      // First of all: it says whether the session holds, and what time it is there.
      if (wanted.has(this.#center) || this.center === null) await this.#center.read(signal);
      const readers = [...wanted].filter((reader) => this.#readers.has(reader));
      await Promise.all(readers.map((reader) => reader.read(signal)));
      if (signal.aborted) return;
      this.#tick();
      if (readers.length > 0) {
        this.updated_ms = this.now_ms;
        if (this.#streamUp) this.#stream?.settled();
      }
      this.#readError = null;
    } catch (error) {
      if (!signal.aborted) this.#readFailed(asApiError(error));
    }
  }

  async #readCenter(signal: AbortSignal): Promise<void> {
    const asked_ms = Date.now();
    const center = await getCenter(signal);
    if (signal.aborted) return;
    this.#clockOffset_ms = Math.round(center.now_ms - (asked_ms + Date.now()) / 2);
    if (!this.#whoRead) {
      const who = await getWho(signal);
      if (signal.aborted) return;
      this.who = who;
      this.#whoRead = true;
    }
    this.center = center;
    this.#tick();
    this.session = { state: 'in' };
    // Only now is it certain that the session holds; a stream opened before would be a second 401.
    this.#stream?.begin();
  }

  #readFailed(error: ApiError): void {
    if (error.type === NOT_SET_UP) {
      this.#end('first');
      this.setupCode = rememberedSetup();
      return;
    }
    if (error.status === 401) {
      this.#end(this.session.state === 'in' ? 'expired' : 'first');
      return;
    }
    this.#readError = error;
    // The stream's growing pauses time the next try for both; before the first answer there is no stream yet either.
    if (this.#streamUp) this.#stream?.fail();
  }

  #comeBack(): void {
    this.#stream?.hurry();
    this.#refresher?.ask(this.#center, ...this.#readers);
  }

  #tick(): void {
    this.now_ms = this.now();
  }
}

// For as long as this tab is open: a reload in the middle of set-up must not cost the code that stood in the address.
const SETUP = 'loaxa.setup';

function rememberSetup(code: string | null): void {
  try {
    if (code === null) sessionStorage.removeItem(SETUP);
    else sessionStorage.setItem(SETUP, code);
  } catch {
    // Then it has to be typed.
  }
}

function rememberedSetup(): string {
  try {
    return sessionStorage.getItem(SETUP) ?? '';
  } catch {
    return '';
  }
}

function topicOf(data: unknown): Topic | null {
  const topic = typeof data === 'object' && data !== null && 'topic' in data ? data.topic : null;
  return TOPICS.find((known) => known === topic) ?? null;
}
