// What every component is handed: the board, the address, the language, and words and formats bound to them. One value, passed
// down by context; there is no module-level state.
import { createContext } from 'svelte';
import type { ApiError } from './api.ts';
import type { Board } from './board.svelte.ts';
import { Format } from './format.ts';
import type { Route } from './route.svelte.ts';
import { texts, type Lang, type Text } from './text.ts';
import { ThemeChoice } from './theme.svelte.ts';
import { Toasts } from './ui/toasts.svelte.ts';

const REMEMBERED = 'loaxa.language';

export class View {
  readonly board: Board;
  readonly route: Route;
  readonly theme = new ThemeChoice();
  readonly toasts = new Toasts();
  #lang = $state<Lang>(remembered());
  readonly #format = $derived.by(() => new Format(this.#lang, this.board.zone));

  constructor(board: Board, route: Route) {
    this.board = board;
    this.route = route;
  }

  get lang(): Lang {
    return this.#lang;
  }

  get text(): Text {
    return texts[this.#lang];
  }

  get format(): Format {
    return this.#format;
  }

  /** A refused call in words that say whose matter it is. */
  said({ status, detail, title, retryAfter_s }: ApiError): string {
    const { refusal } = this.text;
    if (status === null) return refusal.unreachable;
    if (status === 401) return refusal.signedOut;
    if (status === 429) return refusal.tooMany(retryAfter_s === null ? null : this.text.wait(retryAfter_s));
    return status >= 500 ? refusal.server(detail || title) : refusal.refused(detail || title);
  }

  choose(lang: Lang): void {
    this.#lang = lang;
    try {
      localStorage.setItem(REMEMBERED, lang);
    } catch {
      // Storage may be forbidden; then the choice lasts as long as the page.
    }
  }
}

export const [useView, provideView] = createContext<View>();

/** Vietnamese unless this browser was told otherwise here; its own language setting is often just the factory's. */
function remembered(): Lang {
  try {
    return localStorage.getItem(REMEMBERED) === 'en' ? 'en' : 'vi';
  } catch {
    return 'vi';
  }
}
