// What the page knows: whether someone is signed in, the center's figures, how fresh they are, and whether the center
// can be reached. It decides when to read; how to show it is the components' business.
import {
  asApiError,
  type ApiError,
  EVENTS_URL,
  getCenter,
  getOutlook,
  getPlays,
  getSpeakers,
  getWho,
  setUp,
  signIn,
  signOut,
  TOTP_REQUIRED,
  type CenterInfo,
  type Credentials,
  type Listing,
  type Outlook,
  type Play,
  type Speaker,
  type Topic,
  type Who,
} from './api.ts';
import { DEFAULT_ZONE, startOfDay } from './format.ts';
import { ChangeStream, Refresher } from './live.ts';
import { setupInFragment, tokenInFragment } from './token.ts';

/** Why nobody is signed in; each has its own words on the form. `code`: only the second factor is missing. */
export type SignedOut = 'first' | 'wrong' | 'code' | 'expired' | 'out' | 'failed';

export type Session =
  | { state: 'unknown' }
  /** `token` is the access code that was tried last, if it was one. */
  | { state: 'out'; why: SignedOut; error: ApiError | null; token: string | null }
  | { state: 'in' };

type Wanted = Topic | 'center';

// Also the longest a silently dead line goes unnoticed: an EventSource cannot see missing heartbeats.
const REREAD_MS = 60_000;
const TICK_MS = 5_000;
// Plays about to begin belong in the log too, so that the next one can be watched as it turns from planned to played.
const SOON_MS = 10 * 60_000;
const EARLIER_DAYS = 7;

export class Board {
  session = $state.raw<Session>({ state: 'unknown' });
  center = $state.raw<CenterInfo | null>(null);
  /** Null until known, and at a center without accounts. */
  who = $state.raw<Who | null>(null);
  /** The code of `#setup=…`: then the form for the first administrator stands in place of the sign-in. */
  setupCode = $state<string | null>(null);
  speakers = $state.raw<Listing<Speaker> | null>(null);
  plays = $state.raw<Listing<Play> | null>(null);
  /** What is to come, and who is ready for it. */
  outlook = $state.raw<Outlook | null>(null);
  /** The first instant of the log. */
  since_ms = $state(0);
  /** By the center's clock, not this machine's, which may be anything. */
  now_ms = $state(Date.now());
  updated_ms = $state<number | null>(null);
  signOutFailed = $state(false);

  #streamUp = $state(true);
  #readError = $state.raw<ApiError | null>(null);
  #clockOffset_ms = 0;
  #whoRead = false;
  #daysBack = 1;
  #stream: ChangeStream | null = null;
  #refresher: Refresher<Wanted> | null = null;
  #reading = new AbortController();

  /** Null while all is well; an ApiError where the center answered with an error; otherwise the line is gone. */
  get trouble(): ApiError | 'lost' | null {
    if (this.#readError !== null && this.#readError.status !== null) return this.#readError;
    return this.#readError !== null || !this.#streamUp ? 'lost' : null;
  }

  get zone(): string {
    return this.center?.time_zone ?? DEFAULT_ZONE;
  }

  /** Starts everything that goes on by itself; the returned function ends it. */
  start(): () => void {
    const tick = setInterval(() => this.#tick(), TICK_MS);
    const reread = setInterval(() => this.#refresher?.ask('center', 'speakers', 'plays'), REREAD_MS);
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
    await this.signIn({ name: first.name, password: first.password });
  }

  leaveSetUp(): void {
    this.setupCode = null;
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
    this.#refresher?.askNow('center');
  }

  showEarlier(): void {
    this.#daysBack += EARLIER_DAYS;
    this.#refresher?.askNow('plays');
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
    return true;
  }

  #enter(): void {
    this.#leave();
    this.#reading = new AbortController();
    this.#readError = null;
    this.#whoRead = false;
    this.#streamUp = true;
    this.signOutFailed = false;
    const refresher = new Refresher<Wanted>((wanted) => this.#read(wanted));
    const stream = new ChangeStream(EVENTS_URL, {
      opened: () => {
        this.#streamUp = true;
        refresher.askNow('center', 'speakers', 'plays');
      },
      changed: (data) => {
        // A play also changes its speaker's last and next; an unknown topic is taken for both.
        if (topicOf(data) === 'speakers') refresher.ask('speakers');
        else refresher.ask('speakers', 'plays');
      },
      broken: () => {
        this.#streamUp = false;
        // The stream's own error does not say why; a plain call does, and a 401 leads to the form.
        refresher.ask('center');
      },
    });
    this.#refresher = refresher;
    this.#stream = stream;
    refresher.askNow('center', 'speakers', 'plays');
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
    this.speakers = null;
    this.plays = null;
    this.outlook = null;
    this.updated_ms = null;
    this.#daysBack = 1;
    this.session = { state: 'out', why, error, token };
  }

  async #read(wanted: Set<Wanted>): Promise<void> {
    const signal = this.#reading.signal;
    try {
      if (wanted.has('center') || this.center === null) await this.#readCenter(signal);
      const since_ms = startOfDay(this.now_ms, this.zone, this.#daysBack);
      const [speakers, plays, outlook] = await Promise.all([
        wanted.has('speakers') ? getSpeakers(signal) : null,
        wanted.has('plays') ? getPlays(since_ms, this.now_ms + SOON_MS, signal) : null,
        // Depends on both: on what is planned, and on what speakers say.
        wanted.has('speakers') || wanted.has('plays') ? getOutlook(signal) : null,
      ]);
      if (signal.aborted) return;
      if (speakers !== null) this.speakers = speakers;
      if (outlook !== null) this.outlook = outlook;
      if (plays !== null) {
        this.plays = { ...plays, items: plays.items.toSorted((a, b) => b.start_ms - a.start_ms) };
        this.since_ms = since_ms;
      }
      this.#tick();
      if (speakers !== null || plays !== null) {
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
    this.#refresher?.ask('center', 'speakers', 'plays');
  }

  #tick(): void {
    this.now_ms = Date.now() + this.#clockOffset_ms;
  }
}

function topicOf(data: unknown): unknown {
  return typeof data === 'object' && data !== null && 'topic' in data ? data.topic : null;
}
