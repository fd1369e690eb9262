// How a rule is changed from the calendar: read with its tag, changed by a pure function, saved, told with the way back.
import { asApiError, change, getTagged, type ApiError } from '../api.ts';
import type { View } from '../view.svelte.ts';
import { plain } from '../plain.ts';
import { sent, type Rule } from './form.ts';
import { done } from './undo.ts';
import type { Words } from './words.ts';

export async function readRule(id: string): Promise<{ rule: Rule; etag: string | null }> {
  const { value, etag } = await getTagged('/schedules/{id}', { in: { id } });
  return { rule: value.rule, etag };
}

/** Gives what went wrong, or null. */
export async function changeRule(
  view: View,
  words: Words,
  id: string,
  make: (rule: Rule) => Rule,
  said: (title: string) => string,
): Promise<ApiError | null> {
  try {
    const { rule, etag } = await readRule(id);
    const saved = await change('put', '/schedules/{id}', { in: { id }, body: sent(make(rule)), etag });
    const later = saved.effective_ms > view.board.now_ms + 5_000;
    const when = later ? ` ${words.effectiveLater(view.format.minute(saved.effective_ms, view.board.now_ms))}` : '';
    done(view, said(plain(rule.title || id)) + when, saved.before, words.undone);
    return null;
  } catch (error) {
    const known = asApiError(error);
    if (known.status === 401) view.board.check();
    return known;
  }
}
