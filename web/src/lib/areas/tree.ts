// The tree of units as the page needs it: built from the API's list, counted, filtered and laid out in rows. Pure.
import type { Schema } from '../api.ts';

export type Area = Schema<'AreaView'>;

export interface Unit {
  area: Area;
  parent: Unit | null;
  children: Unit[];
  /** Speakers in it and below. */
  speakers: number;
  /** Its code and name as a search sees them. */
  folded: string;
}

export interface Row {
  unit: Unit;
  level: number;
  /** Its place among its siblings that are shown, and how many those are. */
  place: number;
  of: number;
  open: boolean;
}

/** Without marks and capitals, as people search: "Đắk Lắk" is found by "dak lak". */
export function fold(text: string): string {
  return text.normalize('NFD').replace(/\p{M}/gu, '').replace(/đ/gi, 'd').toLowerCase();
}

export function build(areas: readonly Area[]): Map<string, Unit> {
  const units = new Map<string, Unit>();
  for (const area of areas) {
    const folded = fold(`${area.code} ${area.title}`);
    units.set(area.code, { area, parent: null, children: [], speakers: area.speakers ?? 0, folded });
  }
  for (const unit of units.values()) {
    const parent = units.get(unit.area.parent ?? '');
    if (parent === undefined || parent === unit) continue;
    unit.parent = parent;
    parent.children.push(unit);
  }
  for (const unit of units.values()) {
    for (const above of path(unit).slice(0, -1)) above.speakers += unit.area.speakers ?? 0;
  }
  return units;
}

/** From the widest unit down to this one. */
export function path(unit: Unit): Unit[] {
  const way: Unit[] = [];
  for (let at: Unit | null = unit; at !== null && !way.includes(at); at = at.parent) way.unshift(at);
  return way;
}

/** Units that match, and those above them: null where nothing is searched for. */
export function matching(units: Map<string, Unit>, query: string, ended: boolean): Set<Unit> | null {
  const words = fold(query).split(/\s+/).filter(Boolean);
  if (words.length === 0 && ended) return null;
  const kept = new Set<Unit>();
  for (const unit of units.values()) {
    if (!ended && unit.area.valid_to != null) continue;
    if (words.every((word) => unit.folded.includes(word))) for (const one of path(unit)) kept.add(one);
  }
  return kept;
}

/** The rows of a tree, of which `open` says what is unfolded; where something is searched for, all that matches is. */
export function rows(
  units: Map<string, Unit>,
  open: ReadonlySet<string>,
  kept: Set<Unit> | null,
  search: boolean,
): Row[] {
  const out: Row[] = [];
  const shown = (list: Unit[]) => (kept === null ? list : list.filter((unit) => kept.has(unit)));
  const lay = (list: Unit[], level: number): void => {
    const here = shown(list);
    for (const [index, unit] of here.entries()) {
      const isOpen = shown(unit.children).length > 0 && (search || open.has(unit.area.code));
      out.push({ unit, level, place: index + 1, of: here.length, open: isOpen });
      if (isOpen) lay(unit.children, level + 1);
    }
  };
  lay(
    [...units.values()].filter((unit) => unit.parent === null),
    1,
  );
  return out;
}

/** The unit that a person means: by its code, or by its whole name where just one has it. */
export function named(units: Map<string, Unit>, text: string): Unit | null {
  const wanted = text.trim();
  const byCode = units.get(wanted);
  if (byCode !== undefined) return byCode;
  const folded = fold(wanted);
  const live = [...units.values()].filter((unit) => unit.area.valid_to == null);
  const same = live.filter((unit) => fold(unit.area.title) === folded);
  return same.length === 1 ? (same[0] ?? null) : null;
}
