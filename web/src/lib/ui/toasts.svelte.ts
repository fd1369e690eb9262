// Short words about what was just done, with the way back where there is one. They are announced, stay long enough to be read, and
// never hold what must not be missed.

export interface Toast {
  id: number;
  text: string;
  kind: 'done' | 'failed';
  /** Puts back what was before. */
  undo: (() => Promise<void> | void) | null;
}

const SHOWN_MS = 8_000;
/** Who may want it undone needs time to think. */
const UNDO_SHOWN_MS = 30_000;

export class Toasts {
  items = $state.raw<Toast[]>([]);
  #next = 1;

  done(text: string, undo: Toast['undo'] = null): void {
    this.#show({ text, kind: 'done', undo }, undo === null ? SHOWN_MS : UNDO_SHOWN_MS);
  }

  failed(text: string): void {
    this.#show({ text, kind: 'failed', undo: null }, UNDO_SHOWN_MS);
  }

  close(id: number): void {
    this.items = this.items.filter((toast) => toast.id !== id);
  }

  #show(toast: Omit<Toast, 'id'>, shown_ms: number): void {
    const id = this.#next++;
    this.items = [...this.items.slice(-2), { id, ...toast }];
    setTimeout(() => this.close(id), shown_ms);
  }
}
