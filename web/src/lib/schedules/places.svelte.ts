// The areas and speakers that one may choose from, with their names; read once for a part.
import { read, type Schema } from '../api.ts';
import { follow, type Resource } from '../resource.svelte.ts';
import { allSpeakers } from '../speakers/calls.ts';

export interface Place {
  /** As a target is written: an area's code, or `speaker:ID`. */
  target: string;
  title: string;
  /** As it is offered and typed: title and code. */
  label: string;
}

export function followPlaces(): Resource<Place[]> {
  return follow(
    [],
    () => null,
    async (_, signal) => {
      const [areas, speakers] = await Promise.all([
        read<Schema<'AreaView'>[]>('/areas', signal),
        allSpeakers(signal, () => undefined),
      ]);
      return [
        ...areas.map(({ code, title }) => ({ target: code, title, label: `${title} (${code})` })),
        ...speakers.map(({ id, title }) => ({ target: `speaker:${id}`, title, label: `${title} (${id})` })),
      ];
    },
  );
}

export function named(places: readonly Place[] | null, target: string): string {
  return places?.find((place) => place.target === target)?.title ?? target.replace(/^speaker:/, '');
}

/** The place that somebody has typed or chosen. */
export function chosen(places: readonly Place[] | null, typed: string): Place | undefined {
  const text = typed.trim().toLowerCase();
  if (text === '') return undefined;
  const exact = places?.find(({ label, target, title }) =>
    [label, target, title].some((one) => one.toLowerCase() === text),
  );
  if (exact !== undefined) return exact;
  const fits = places?.filter(({ label }) => label.toLowerCase().includes(text)) ?? [];
  return fits.length === 1 ? fits[0] : undefined;
}
