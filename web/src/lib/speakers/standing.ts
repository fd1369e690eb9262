// The shape that stands for each state, and the reasons in words. A state is never told by colour alone.
import type { MarkKind } from '../Mark.svelte';
import type { Speaker, Standing } from './filter.ts';
import type { Words } from './words.ts';

export const marks: Record<Standing, MarkKind> = {
  sounding: 'play',
  ready: 'ok',
  preparing: 'part',
  attention: 'warn',
  offline: 'bad',
  never: 'unknown',
  disabled: 'off',
};

/** A cause (`clock_untrusted`) or a fault (`fault:hot`) in words; one that only a newer center knows stays as it is. */
export function causeWords(cause: string, words: Words): string {
  const known: Record<string, string> = words.cause;
  const faults: Record<string, string> = words.fault;
  return cause.startsWith('fault:') ? (faults[cause.slice('fault:'.length)] ?? cause) : (known[cause] ?? cause);
}

/** Why it stands so, the gravest first; the state itself says nothing twice. */
export function reasons(speaker: Speaker, words: Words): string[] {
  const faults = (speaker.faults ?? []).map(({ fault }) => causeWords(`fault:${fault}`, words));
  const told = new Set<string>(['link_down', 'shut_out']);
  return speaker.causes
    .filter((cause) => !told.has(cause))
    .flatMap((cause) => (cause === 'fault' ? faults : [causeWords(cause, words)]));
}
