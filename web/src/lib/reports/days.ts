// Days as people name them, 2026-11-23, in the center's zone: which day an instant is in, when a day begins, and the periods that
// offices report by. Pure; it knows no clock.
import { startOfDay } from '../format.ts';

export const KINDS = ['day', 'month', 'quarter', 'year', 'other'] as const;
export type Kind = (typeof KINDS)[number];

/** Whole days, both included. */
export interface Period {
  kind: Kind;
  from: string;
  to: string;
}

const DAY_MS = 24 * 60 * 60_000;
const DAY = /^\d{4}-\d{2}-\d{2}$/;
const MONTHS: Record<Exclude<Kind, 'other'>, number> = { day: 0, month: 1, quarter: 3, year: 12 };

export function dayOf(ms: number, zone: string): string {
  const parts = new Intl.DateTimeFormat('en-GB', { timeZone: zone, year: 'numeric', month: '2-digit', day: '2-digit' });
  const found: Record<string, string> = {};
  for (const { type, value } of parts.formatToParts(ms)) found[type] = value;
  return `${found['year']}-${found['month']}-${found['day']}`;
}

/** The first instant of a day. */
export function startOf(day: string, zone: string): number {
  const noon = Date.parse(`${day}T12:00:00Z`);
  // Noon in Greenwich is another day at the other end of the world.
  const days = [noon, noon - DAY_MS, noon + DAY_MS].map((ms) => startOfDay(ms, zone));
  return days.find((ms) => dayOf(ms, zone) === day) ?? days[0] ?? noon;
}

export function isDay(text: string | null): text is string {
  return text !== null && DAY.test(text) && !Number.isNaN(Date.parse(`${text}T00:00:00Z`)) && plus(text, 0) === text;
}

export function plus(day: string, days: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + days * DAY_MS).toISOString().slice(0, 10);
}

/** The period of that kind in which a day lies. */
export function periodOf(kind: Exclude<Kind, 'other'>, day: string): Period {
  const months = MONTHS[kind];
  if (months === 0) return { kind, from: day, to: day };
  const [year = 0, month = 1] = day.split('-').map(Number);
  const first = Math.floor((month - 1) / months) * months;
  return { kind, from: monthStart(year, first), to: plus(monthStart(year, first + months), -1) };
}

/** The one before, or after. */
export function shifted({ kind, from, to }: Period, by: 1 | -1): Period {
  if (kind === 'other') {
    const length = Math.round((Date.parse(to) - Date.parse(from)) / DAY_MS) + 1;
    return { kind, from: plus(from, by * length), to: plus(to, by * length) };
  }
  return periodOf(kind, by < 0 ? plus(from, -1) : plus(to, 1));
}

/** Of which kind it is, whatever it was made as. */
export function known(from: string, to: string): Period {
  for (const kind of ['day', 'month', 'quarter', 'year'] as const) {
    const period = periodOf(kind, from);
    if (period.from === from && period.to === to) return period;
  }
  return { kind: 'other', from, to };
}

function monthStart(year: number, month: number): string {
  return new Date(Date.UTC(year, month, 1)).toISOString().slice(0, 10);
}
