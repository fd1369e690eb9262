// A speaker's history as stretches of time on one line for each thing: made of its changes. Pure.
import type { Schema } from '../api.ts';

type History = Schema<'HistoryView'>;
type Turn = Schema<'TurnView'>;

export interface Stretch {
  from_ms: number;
  until_ms: number;
  /** good, bad, or not known. */
  kind: 'good' | 'bad' | 'unknown';
  value: string;
  detail: string;
}

export interface Lane {
  subject: 'link' | 'clock' | 'content' | 'plan' | 'fault';
  stretches: Stretch[];
}

const BAD = new Set(['down', 'untrusted', 'lacking', 'refused', 'begun']);

function kindOf(value: string): Stretch['kind'] {
  if (value === 'unheard' || value === '') return 'unknown';
  return BAD.has(value) ? 'bad' : 'good';
}

/** Link, clock, content and plan each from the beginning to the end, and faults where there were any. */
export function lanes(history: History): Lane[] {
  const single = (['link', 'clock', 'content', 'plan'] as const).map((subject) => {
    const before = history.before.find((turn) => turn.subject === subject);
    const turns = history.turns.filter((turn) => turn.subject === subject);
    return { subject, stretches: stretchesOf(before, turns, history) };
  });
  const faults = new Set([...history.before, ...history.turns].flatMap(({ fault }) => (fault ? [fault] : [])));
  const found = [...faults].flatMap((fault) => {
    const before = history.before.find((turn) => turn.fault === fault);
    const turns = history.turns.filter((turn) => turn.fault === fault);
    const stretches = stretchesOf(before, turns, history).filter(({ kind }) => kind === 'bad');
    return stretches.map((stretch) => ({ ...stretch, value: fault }));
  });
  const shown = single.filter(({ stretches }) => stretches.some(({ value }) => value !== ''));
  return found.length === 0 ? shown : [...shown, { subject: 'fault', stretches: found }];
}

function stretchesOf(before: Turn | undefined, turns: Turn[], { from_ms, until_ms }: History): Stretch[] {
  const start = { at_ms: from_ms, value: before?.value ?? '', detail: before?.detail ?? '' };
  const points = [start, ...turns];
  return points.flatMap(({ at_ms, value, detail }, index) => {
    const end = points[index + 1]?.at_ms ?? until_ms;
    return end <= at_ms ? [] : [{ from_ms: at_ms, until_ms: end, kind: kindOf(value), value, detail }];
  });
}
