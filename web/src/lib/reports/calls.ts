// What the reports ask the center for, and the shapes of its answers by shorter names.
import { get, type Schema } from '../api.ts';

export type PeriodReport = Schema<'PeriodReport'>;
export type Sums = Schema<'Sums'>;
export type Figure = Schema<'Figure'>;
export type Area = Schema<'AreaView'>;

export interface Asked {
  area: string;
  from: string;
  to: string;
}

export function getReport({ area, from, to }: Asked, signal: AbortSignal): Promise<PeriodReport> {
  return get('/reports/period', { query: { area, from, to }, signal });
}

/** Where the same report lies as a file. */
export function fileOf({ area, from, to }: Asked, form: 'xlsx' | 'csv' | 'pdf'): string {
  return `/api/v1/reports/period/file?${new URLSearchParams({ area, from, to, form })}`;
}

/** An area to choose, with how far below the top it stands. */
export interface Choice {
  code: string;
  title: string;
  depth: number;
}

/** The areas somebody may choose, each below the one above it: those of `roots`, and all below these. */
export function choices(areas: Area[], roots: string[] | null): Choice[] {
  const below = new Map<string | null, Area[]>();
  const codes = new Set(areas.map(({ code }) => code));
  for (const area of areas) {
    const parent = area.parent != null && codes.has(area.parent) ? area.parent : null;
    below.set(parent, [...(below.get(parent) ?? []), area]);
  }
  const found: Choice[] = [];
  const walk = (parent: string | null, depth: number, inside: boolean): void => {
    for (const { code, title } of below.get(parent) ?? []) {
      const mine = inside || roots === null || roots.includes(code);
      if (mine) found.push({ code, title, depth });
      walk(code, mine ? depth + 1 : depth, mine);
    }
  };
  walk(null, 0, false);
  return found;
}
