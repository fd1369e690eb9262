// What every component is handed: the board, the language, and words and formats bound to them. One value, passed down
// by context; there is no module-level state.
import { createContext } from 'svelte';
import type { Board } from './board.svelte.ts';
import { Format } from './format.ts';
import { texts, type Lang, type Text } from './text.ts';

const REMEMBERED = 'loaxa.language';

export class View {
  readonly board: Board;
  #lang = $state<Lang>(remembered());
  readonly #format = $derived.by(() => new Format(this.#lang, this.board.zone));

  constructor(board: Board) {
    this.board = board;
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
