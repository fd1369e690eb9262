// Where blocks stand in a day's column: those that would cover each other side by side. Pure.

export interface Placed<T> {
  item: T;
  /** Parts of the day, 0 to 1. */
  top: number;
  height: number;
  lane: number;
  lanes: number;
}

/** `least` is the smallest height that can still be read and touched, as a part of the day. */
export function place<T>(
  items: readonly T[],
  of: (item: T) => { start_ms: number; end_ms: number },
  day: { start_ms: number; end_ms: number },
  least: number,
): Placed<T>[] {
  const length_ms = day.end_ms - day.start_ms;
  const part = (ms: number) => (Math.min(Math.max(ms, day.start_ms), day.end_ms) - day.start_ms) / length_ms;
  const placed: Placed<T>[] = items
    .map((item) => {
      const { start_ms, end_ms } = of(item);
      const height = Math.max(part(end_ms) - part(start_ms), least);
      return { item, top: Math.min(part(start_ms), 1 - least), height, lane: 0, lanes: 1 };
    })
    .toSorted((a, b) => a.top - b.top || b.height - a.height);
  let group: Placed<T>[] = [];
  let ends: number[] = [];
  const close = () => {
    for (const one of group) one.lanes = ends.length;
    group = [];
    ends = [];
  };
  for (const one of placed) {
    // A hair's breadth, since these are parts of a day.
    if (ends.every((end) => end <= one.top + 1e-9)) close();
    const free = ends.findIndex((end) => end <= one.top + 1e-9);
    one.lane = free === -1 ? ends.length : free;
    ends[one.lane] = one.top + one.height;
    group.push(one);
  }
  close();
  return placed;
}
