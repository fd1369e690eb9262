// What was typed and not sent yet: kept in this browser, so that neither a lost line, a closed tab nor an expired session costs it.
// Secrets never go here: no password, passphrase or key.

const PREFIX = 'loaxa.draft.';
/** Older ones are nobody's concern any more. */
const KEPT_MS = 30 * 24 * 60 * 60_000;

interface Kept {
  at_ms: number;
  value: unknown;
}

/** The draft under this name, if there is one; a name says whose and of what, such as `bulletin.b-12.text`. */
export function draft<T>(name: string, now_ms = Date.now()): T | null {
  try {
    const text = localStorage.getItem(PREFIX + name);
    if (text === null) return null;
    const kept = JSON.parse(text) as Kept;
    return now_ms - kept.at_ms < KEPT_MS ? (kept.value as T) : null;
  } catch {
    return null;
  }
}

/** Keeps it, and says whether that was possible. */
export function keepDraft(name: string, value: unknown, now_ms = Date.now()): boolean {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify({ at_ms: now_ms, value } satisfies Kept));
    return true;
  } catch {
    return false;
  }
}

export function dropDraft(name: string): void {
  try {
    localStorage.removeItem(PREFIX + name);
  } catch {
    // Then there was none.
  }
}
