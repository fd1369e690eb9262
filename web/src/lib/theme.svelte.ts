// Light or dark: as the machine says, unless this browser was told otherwise here.

export type Theme = 'system' | 'light' | 'dark';

export const THEMES: readonly Theme[] = ['system', 'light', 'dark'];
const REMEMBERED = 'loaxa.theme';

export class ThemeChoice {
  #theme = $state<Theme>(remembered());

  get theme(): Theme {
    return this.#theme;
  }

  choose(theme: Theme): void {
    this.#theme = theme;
    try {
      localStorage.setItem(REMEMBERED, theme);
    } catch {
      // Storage may be forbidden; then the choice lasts as long as the page.
    }
    this.apply();
  }

  /** Tells the document, by an attribute that app.css knows. */
  apply(): void {
    if (this.#theme === 'system') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = this.#theme;
  }
}

function remembered(): Theme {
  try {
    return THEMES.find((theme) => theme === localStorage.getItem(REMEMBERED)) ?? 'system';
  } catch {
    return 'system';
  }
}
