// Windows of a day as people write them, checked and joined; what holds where several levels speak. Pure.

export type Window = [from: string, to: string];

export const DAY_MIN = 24 * 60;
/** What holds in Vietnam where no level has said anything. */
export const UNLESS_SAID: Window[] = [['05:00', '22:00']];

/** Minutes of the day; null for what is no time. 24:00 is the day's end. */
export function minute(text: string): number | null {
  const found = /^([01]?\d|2[0-4]):([0-5]\d)$/.exec(text.trim());
  if (found === null) return null;
  const value = Number(found[1]) * 60 + Number(found[2]);
  return value <= DAY_MIN ? value : null;
}

export function clock(minutes: number): string {
  return `${String(Math.floor(minutes / 60)).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`;
}

export type WindowFault = { at: number; what: 'bad' | 'overlap' };

/** The first window that cannot be, if any. */
export function faultOf(windows: readonly Window[]): WindowFault | null {
  const spans = windows.map(([from, to]) => [minute(from), minute(to)] as const);
  for (const [at, [from, to]] of spans.entries()) {
    if (from === null || to === null || from >= to) return { at, what: 'bad' };
    const meets = spans.slice(0, at).some(([f, t]) => f !== null && t !== null && f < to && from < t);
    if (meets) return { at, what: 'overlap' };
  }
  return null;
}

/** "05:00-06:30" as the API tells it. */
export function parsed(text: string): Window {
  const [from = '', to = ''] = text.split('-');
  return [from, to];
}

/** What all levels that have said something allow together. */
export function allowed(levels: readonly (readonly Window[])[]): Window[] {
  const said = levels.length === 0 ? [UNLESS_SAID] : levels;
  let open: [number, number][] = [[0, DAY_MIN]];
  for (const level of said) {
    const spans = level.map(([from, to]) => [minute(from) ?? 0, minute(to) ?? 0] as const);
    open = open.flatMap(([from, to]) =>
      spans.map(([f, t]): [number, number] => [Math.max(from, f), Math.min(to, t)]).filter(([f, t]) => f < t),
    );
  }
  return open.sort((a, b) => a[0] - b[0]).map(([from, to]) => [clock(from), clock(to)]);
}

export function words(windows: readonly Window[], never: string): string {
  return windows.length === 0 ? never : windows.map(([from, to]) => `${from}–${to}`).join(', ');
}
