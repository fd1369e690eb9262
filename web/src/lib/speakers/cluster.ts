// Where speakers stand on a plain grid made of their coordinates, and which of them share a spot at this zoom. Pure.
import { STANDINGS, type Speaker, type Standing } from './filter.ts';

/** The middle in degrees, and how many pixels a degree of latitude is. */
export interface Outlook {
  latitude: number;
  longitude: number;
  scale: number;
}

export interface Size {
  width: number;
  height: number;
}

export interface Cluster {
  /** The ids of its first members and how many there are: the same at the same zoom. */
  id: string;
  x: number;
  y: number;
  speakers: Speaker[];
  /** How many of each, the gravest first. */
  standings: [Standing, number][];
}

export interface Placed extends Speaker {
  latitude: number;
  longitude: number;
}

/** Pixels within which speakers become one. */
const CELL = 56;
/** Metres in a degree of latitude, by the mean radius of the earth. */
export const METRES_PER_DEGREE = 111_195;
export const LARGEST_SCALE = 2_000_000;

export function placed(speakers: readonly Speaker[]): Placed[] {
  return speakers.filter((one): one is Placed => typeof one.latitude === 'number' && typeof one.longitude === 'number');
}

/** Degrees of longitude are shorter the further north one is. */
function squeeze(latitude: number): number {
  return Math.max(Math.cos((latitude * Math.PI) / 180), 0.01);
}

export function project(at: { latitude: number; longitude: number }, outlook: Outlook, size: Size): [number, number] {
  const x = (at.longitude - outlook.longitude) * squeeze(outlook.latitude) * outlook.scale + size.width / 2;
  const y = (outlook.latitude - at.latitude) * outlook.scale + size.height / 2;
  return [x, y];
}

/** The outlook after the picture was moved by so many pixels. */
export function moved(outlook: Outlook, dx: number, dy: number): Outlook {
  return {
    ...outlook,
    longitude: clamp(outlook.longitude - dx / outlook.scale / squeeze(outlook.latitude), 180),
    latitude: clamp(outlook.latitude + dy / outlook.scale, 85),
  };
}

/** The outlook `times` as near, with the place under (x, y) staying where it is. */
export function zoomed(outlook: Outlook, times: number, x: number, y: number, size: Size): Outlook {
  const scale = Math.min(Math.max(outlook.scale * times, 2), LARGEST_SCALE);
  const [dx, dy] = [x - size.width / 2, y - size.height / 2];
  const there = moved(outlook, -dx, -dy);
  return moved({ ...there, scale }, dx, dy);
}

function clamp(degrees: number, most: number): number {
  return Math.min(Math.max(degrees, -most), most);
}

/** Shows them all, with a margin. */
export function fitting(speakers: readonly Placed[], size: Size): Outlook {
  if (speakers.length === 0) return { latitude: 16, longitude: 106, scale: size.height / 18 };
  let [south, north, west, east] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const { latitude, longitude } of speakers) {
    [south, north] = [Math.min(south, latitude), Math.max(north, latitude)];
    [west, east] = [Math.min(west, longitude), Math.max(east, longitude)];
  }
  const latitude = (south + north) / 2;
  const high = Math.max(north - south, 0.002);
  const wide = Math.max((east - west) * squeeze(latitude), 0.002);
  const scale = Math.min((size.width - 2 * CELL) / wide, (size.height - 2 * CELL) / high);
  return { latitude, longitude: (west + east) / 2, scale: Math.min(Math.max(scale, 2), LARGEST_SCALE) };
}

/** What can be seen, drawn together where it would overlap. Cells are fixed to the earth, so that moving does not shuffle them. */
export function clusters(speakers: readonly Placed[], outlook: Outlook, size: Size): Cluster[] {
  const cells = new Map<string, Placed[]>();
  const width = squeeze(outlook.latitude) * outlook.scale;
  for (const speaker of speakers) {
    const [x, y] = project(speaker, outlook, size);
    if (x < -CELL || y < -CELL || x > size.width + CELL || y > size.height + CELL) continue;
    const cell = `${Math.floor((speaker.longitude * width) / CELL)} ${Math.floor((speaker.latitude * outlook.scale) / CELL)}`;
    const there = cells.get(cell);
    if (there) there.push(speaker);
    else cells.set(cell, [speaker]);
  }
  const groups = [...cells.values()].map((members) => ({ members, ...middle(members, outlook, size) }));
  return apart(groups).map(({ members, x, y }) => {
    const found = new Map<Standing, number>();
    for (const { standing } of members) found.set(standing, (found.get(standing) ?? 0) + 1);
    const standings = STANDINGS.flatMap((one): [Standing, number][] => {
      const count = found.get(one);
      return count === undefined ? [] : [[one, count]];
    });
    return { id: `${members[0]?.id} ${members.length}`, x, y, speakers: members, standings };
  });
}

interface Group {
  members: Placed[];
  x: number;
  y: number;
}

function middle(members: Placed[], outlook: Outlook, size: Size): { x: number; y: number } {
  let [sumX, sumY] = [0, 0];
  for (const member of members) {
    const [x, y] = project(member, outlook, size);
    sumX += x;
    sumY += y;
  }
  return { x: sumX / members.length, y: sumY / members.length };
}

/** Two cells may have their middles at their common edge: what would lie over something larger joins it. */
function apart(groups: Group[]): Group[] {
  const kept: Group[] = [];
  for (const group of groups.sort((a, b) => b.members.length - a.members.length)) {
    const under = kept.find((one) => Math.hypot(one.x - group.x, one.y - group.y) < CELL * 0.85);
    if (under === undefined) {
      kept.push({ ...group, members: [...group.members] });
      continue;
    }
    const [had, more] = [under.members.length, group.members.length];
    under.x = (under.x * had + group.x * more) / (had + more);
    under.y = (under.y * had + group.y * more) / (had + more);
    under.members.push(...group.members);
  }
  return kept;
}

/** Whether zooming in can part them. */
export function canPart(cluster: Cluster): boolean {
  const [first] = cluster.speakers;
  return cluster.speakers.some((one) => one.latitude !== first?.latitude || one.longitude !== first?.longitude);
}

/** A round distance that is about `pixels` long, and its exact length. */
export function scaleBar(outlook: Outlook, pixels: number): { metres: number; width: number } {
  const wanted = (pixels / outlook.scale) * METRES_PER_DEGREE;
  const power = 10 ** Math.floor(Math.log10(wanted));
  const metres = [5, 2, 1].map((step) => step * power).find((step) => step <= wanted) ?? power;
  return { metres, width: (metres / METRES_PER_DEGREE) * outlook.scale };
}

/** Where the names of areas stand: in the middle of their speakers, the larger ones first, none over another. */
export function labels(
  speakers: readonly Placed[],
  outlook: Outlook,
  size: Size,
): { area: string; title: string; x: number; y: number }[] {
  const areas = new Map<string, { title: string; x: number; y: number; count: number }>();
  for (const speaker of speakers) {
    const [x, y] = project(speaker, outlook, size);
    const known = areas.get(speaker.area) ?? { title: speaker.area_title, x: 0, y: 0, count: 0 };
    known.x += x;
    known.y += y;
    known.count += 1;
    areas.set(speaker.area, known);
  }
  const shown: { area: string; title: string; x: number; y: number }[] = [];
  const all = [...areas].sort((a, b) => b[1].count - a[1].count);
  for (const [area, { title, x: sumX, y: sumY, count }] of all) {
    const [x, y] = [sumX / count, sumY / count];
    if (x < 0 || y < 0 || x > size.width || y > size.height) continue;
    const half = title.length * 4 + 8;
    const clear = shown.every(
      (one) => Math.abs(one.y - y) > 18 || Math.abs(one.x - x) > half + one.title.length * 4 + 8,
    );
    if (clear) shown.push({ area, title, x, y });
  }
  return shown;
}
