// Views that somebody has given a name: filters of the list, kept in this browser for each person.

const PREFIX = 'loaxa.speakers.views.';
const MOST = 20;

export interface SavedView {
  name: string;
  /** What stands behind the question mark. */
  query: string;
}

export function savedViews(person: string): SavedView[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(PREFIX + person) ?? '[]');
    return Array.isArray(kept) ? kept.filter(isView) : [];
  } catch {
    return [];
  }
}

/** Keeps it in place of one of the same name, the newest first; says whether that was possible. */
export function saveView(person: string, view: SavedView): boolean {
  const others = savedViews(person).filter(({ name }) => name !== view.name);
  return keep(person, [view, ...others].slice(0, MOST));
}

export function dropView(person: string, name: string): boolean {
  return keep(
    person,
    savedViews(person).filter((view) => view.name !== name),
  );
}

function keep(person: string, views: SavedView[]): boolean {
  try {
    localStorage.setItem(PREFIX + person, JSON.stringify(views));
    return true;
  } catch {
    return false;
  }
}

function isView(value: unknown): value is SavedView {
  const view = value as Partial<SavedView> | null;
  return typeof view?.name === 'string' && typeof view.query === 'string';
}
