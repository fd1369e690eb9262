// What moving, leaving out or replacing one occurrence makes of its rule. Pure: texts in, texts out; local times are text, as the center
// writes them.
import type { Schema } from '../api.ts';
import type { Exception, Rule } from './form.ts';

export type Occurrence = Pick<Schema<'OccurrenceView'>, 'at' | 'kind'>;

const DAY_MS = 24 * 60 * 60_000;
const WEEK = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

/** "2026-11-23T05:30:00" so many milliseconds later, by the same clock. */
export function later(local: string, by_ms: number): string {
  return new Date(Date.parse(`${full(local)}Z`) + by_ms).toISOString().slice(0, 19);
}

/** How much later `b` is than `a`. */
export function between(a: string, b: string): number {
  return Date.parse(`${full(b)}Z`) - Date.parse(`${full(a)}Z`);
}

function full(local: string): string {
  return local.length === 16 ? `${local}:00` : local;
}

const same = (a: string | null | undefined, b: string) => a != null && a.length > 10 && full(a) === full(b);

/** The text without seconds that are none, as people write it. */
export function short(local: string): string {
  return local.endsWith(':00') && local.length === 19 ? local.slice(0, 16) : local;
}

function others(rule: Rule, at: string): Exception[] {
  return (rule.exceptions ?? []).filter((one) => !same(one.at, at));
}

/** What an exception already says of the programme of this occurrence. */
function programmeOf(rule: Rule, at: string): string | undefined {
  const means = (one: Exception) => same(one.at, at) || one.at === at.slice(0, 10);
  return (rule.exceptions ?? []).find(means)?.programme ?? undefined;
}

function withExceptions(rule: Rule, exceptions: Exception[]): Rule {
  const { exceptions: _, ...rest } = rule;
  return exceptions.length === 0 ? rest : { ...rest, exceptions };
}

/** This one alone plays at another time. */
export function moveOne(rule: Rule, { at, kind }: Occurrence, to: string): Rule {
  if (kind === 'extra') {
    const moved = (one: Exception) => (same(one.extra, at) ? { ...one, extra: short(to) } : one);
    return withExceptions(rule, (rule.exceptions ?? []).map(moved));
  }
  if (rule.once != null && same(rule.once, at) && (rule.exceptions ?? []).length === 0) {
    return { ...rule, once: short(to) };
  }
  const programme = programmeOf(rule, at);
  const rest = others(rule, at);
  const back = full(to) === full(at);
  if (back && programme === undefined) return withExceptions(rule, rest);
  const moved: Exception = {
    at: short(at),
    ...(back ? {} : { move_to: short(to) }),
    ...(programme ? { programme } : {}),
  };
  // Of two exceptions for one occurrence the first counts.
  return withExceptions(rule, [moved, ...rest]);
}

/** This one alone does not play. */
export function skipOne(rule: Rule, { at, kind }: Occurrence): Rule {
  if (kind === 'extra')
    return withExceptions(
      rule,
      (rule.exceptions ?? []).filter((one) => !same(one.extra, at)),
    );
  return withExceptions(rule, [{ at: short(at), skip: true }, ...others(rule, at)]);
}

/** This one alone plays something else. */
export function replaceOne(rule: Rule, { at, kind }: Occurrence, programme: string): Rule {
  if (kind === 'extra') {
    return withExceptions(
      rule,
      (rule.exceptions ?? []).map((one) => (same(one.extra, at) ? { ...one, programme } : one)),
    );
  }
  const moved = (rule.exceptions ?? []).find((one) => same(one.at, at))?.move_to;
  const changed: Exception = { at: short(at), ...(moved ? { move_to: moved } : {}), programme };
  return withExceptions(rule, [changed, ...others(rule, at)]);
}

/** This one as the rule says, without any exception of its own. */
export function restoreOne(rule: Rule, { at }: Occurrence): Rule {
  return withExceptions(rule, others(rule, at));
}

/** All that is to come at another time of day, or on another day of the week; null where the rule cannot say so in its simple form. */
export function moveAll(rule: Rule, { at, kind }: Occurrence, to: string): Rule | null {
  if (kind === 'extra' || kind === 'moved' || rule.cron || rule.once != null || (rule.instead_on ?? []).length > 0)
    return null;
  const [time, wanted] = [at.slice(11), to.slice(11)];
  const times = rule.at ?? [];
  if (!times.some((one) => clock(one) === time)) return null;
  const days = Math.round(between(at.slice(0, 10) + 'T00:00', to.slice(0, 10) + 'T00:00') / DAY_MS);
  const moved: Rule = {
    ...rule,
    at: [...new Set(times.map((one) => (clock(one) === time ? shortClock(wanted) : one)))].toSorted(),
  };
  if (days !== 0) {
    const [from, onto] = [weekdayOf(at), weekdayOf(to)];
    const on = (rule.weekdays ?? []).map((day) => day.toLowerCase());
    const simple =
      on.length > 0 &&
      times.length === 1 &&
      (rule.days_of_month ?? []).length === 0 &&
      (rule.only_on ?? []).length === 0;
    if (!simple || Math.abs(days) > 6 || !on.includes(from) || on.includes(onto)) return null;
    moved.weekdays = on.map((day) => (day === from ? onto : day));
  }
  // What was different about single ones stays so, where that is still the same one.
  const kept = (rule.exceptions ?? []).map((one) =>
    one.at != null && one.at.length > 10 && clock(one.at.slice(11)) === time && days === 0
      ? { ...one, at: `${one.at.slice(0, 11)}${shortClock(wanted)}` }
      : one,
  );
  return withExceptions(moved, kept);
}

/** The rule until the day before, and another one, moved, from that day on; null where that cannot be said. */
export function moveFromHere(rule: Rule, occurrence: Occurrence, to: string): { before: Rule; after: Rule } | null {
  const after = moveAll(rule, occurrence, to);
  const day = occurrence.at.slice(0, 10);
  const first = to.slice(0, 10) < day ? to.slice(0, 10) : day;
  if (after === null || (rule.from != null && rule.from >= first)) return null;
  const eve = later(`${first}T00:00`, -DAY_MS).slice(0, 10);
  const dayOf = (one: Exception) => (one.at ?? one.extra ?? '').slice(0, 10);
  const before = withExceptions(
    { ...rule, until: eve },
    (rule.exceptions ?? []).filter((one) => dayOf(one) < first),
  );
  const rest = withExceptions(
    { ...after, from: first },
    (after.exceptions ?? []).filter((one) => dayOf(one) >= first),
  );
  return { before, after: rest };
}

function clock(time: string): string {
  return time.length === 5 ? `${time}:00` : time;
}

function shortClock(time: string): string {
  return time.endsWith(':00') ? time.slice(0, 5) : time;
}

function weekdayOf(local: string): string {
  return WEEK[new Date(`${local.slice(0, 10)}T00:00:00Z`).getUTCDay()] ?? '';
}
