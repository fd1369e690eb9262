// What is said of an occurrence: on how many speakers it sounds, and its whole name for who does not see where it stands.
import type { Priority, Schema } from '../api.ts';
import { plain } from '../plain.ts';
import type { View } from '../view.svelte.ts';
import { clockOf } from './days.ts';
import type { Words } from './words.ts';

type Occurrence = Schema<'OccurrenceView'>;
/** On all speakers that it is meant for, on some, on none, or there are none. */
export type State = 'all' | 'some' | 'none' | 'nobody';

export function stateOf({ reached, sounding }: Occurrence): State {
  if (reached === 0) return 'nobody';
  if (sounding === 0) return 'none';
  return sounding < reached ? 'some' : 'all';
}

export function stateWords(occurrence: Occurrence, view: View, words: Words): string {
  const { reached, sounding } = occurrence;
  const n = (count: number) => view.format.integer(count);
  switch (stateOf(occurrence)) {
    case 'all':
      return words.state.all(n(sounding));
    case 'some':
      return words.state.some(n(sounding), n(reached));
    case 'none':
      return words.state.none;
    case 'nobody':
      return words.state.nobody;
  }
}

export function priorityWord(priority: string, view: View): string {
  return view.text.priority[priority as Priority] ?? priority;
}

/** From and to; what is over within the minute has no end worth telling. */
export function timeRange({ start_ms, end_ms }: Pick<Occurrence, 'start_ms' | 'end_ms'>, zone: string): string {
  const [from, to] = [clockOf(start_ms, zone), clockOf(end_ms, zone)];
  return from === to ? from : `${from}–${to}`;
}

export function blockLabel(occurrence: Occurrence, view: View, words: Words): string {
  const said = [
    words.block(
      timeRange(occurrence, view.board.zone),
      plain(occurrence.title),
      priorityWord(occurrence.priority, view),
    ),
    stateWords(occurrence, view, words),
    words.kinds[occurrence.kind] ?? '',
    ...occurrence.remarks.map((remark) => remark[view.lang]),
  ];
  return said.filter((part) => part !== '').join(', ');
}
