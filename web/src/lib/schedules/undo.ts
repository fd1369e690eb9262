// The way back from an edit: what was there before is put back, and what was not there is taken away again.
import { asApiError, change, type Schema } from '../api.ts';
import type { View } from '../view.svelte.ts';

export async function putBack({ texts, added }: Schema<'Before'>): Promise<void> {
  const some = [texts.calendar, texts.programme, texts.schedule].some((kind) => Object.keys(kind ?? {}).length > 0);
  if (some) await change('post', '/playlists', { body: texts });
  for (const id of added.schedule ?? [])
    await change('delete', '/schedules/{id}', { in: { id }, query: { at_once: true } });
  for (const id of added.programme ?? []) await change('delete', '/programmes/{id}', { in: { id } });
  for (const id of added.calendar ?? []) await change('delete', '/calendars/{id}', { in: { id } });
}

/** Says what was done, with the way back. */
export function done(view: View, words: string, before: Schema<'Before'> | undefined, undone: string): void {
  const back = before === undefined ? null : () => takeBack(view, before, undone);
  view.toasts.done(words, back);
}

async function takeBack(view: View, before: Schema<'Before'>, undone: string): Promise<void> {
  try {
    await putBack(before);
    view.toasts.done(undone);
  } catch (error) {
    const known = asApiError(error);
    if (known.status === 401) view.board.check();
    view.toasts.failed(view.said(known));
  }
}
