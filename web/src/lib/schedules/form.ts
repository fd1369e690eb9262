// A rule as the form holds it, and back to the text that the center keeps. Pure; what the form has no field for is carried along as it is.
import type { Schema } from '../api.ts';

export type Exception = Partial<Schema<'ExceptionText'>>;
type Text = Schema<'ScheduleText'>;
/** What is not said may be left out. */
export type Rule = Partial<Omit<Text, 'exceptions' | 'title' | 'targets'>> &
  Pick<Text, 'title' | 'targets'> & { exceptions?: Exception[] };

/** As a body of a request: the center fills in what is not said. */
export function sent(rule: Rule): Text {
  return rule as Text;
}

export type Mode = 'at' | 'once' | 'cron';

export const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Weekday = (typeof WEEKDAYS)[number];

export interface Form {
  title: string;
  mode: Mode;
  at: string[];
  weekdays: Weekday[];
  /** As typed: "1, 15, -1". */
  monthDays: string;
  once: string;
  cron: string;
  repeats: boolean;
  times: number;
  every_min: number;
  from: string;
  until: string;
  only_on: string[];
  not_on: string[];
  programme: string;
  priority: string;
  /** Minutes, as typed; empty = as long as the programme. */
  minutes: string;
  volume_db: number;
  clash: string;
  wait_min: string;
  targets: string[];
  instead_on: Schema<'InsteadText'>[];
  exceptions: Exception[];
  time_zone: string | null;
  area: string | null;
}

export function emptyForm(date = '', time = ''): Form {
  return {
    title: '',
    mode: 'at',
    at: [time || '05:30'],
    weekdays: [],
    monthDays: '',
    once: date ? `${date}T${time || '05:30'}` : '',
    cron: '',
    repeats: false,
    times: 2,
    every_min: 10,
    from: '',
    until: '',
    only_on: [],
    not_on: [],
    programme: '',
    priority: 'normal',
    minutes: '',
    volume_db: 0,
    clash: '',
    wait_min: '',
    targets: [],
    instead_on: [],
    exceptions: [],
    time_zone: null,
    area: null,
  };
}

const NAMES: Record<string, Weekday> = {
  t2: 'mon',
  t3: 'tue',
  t4: 'wed',
  t5: 'thu',
  t6: 'fri',
  t7: 'sat',
  cn: 'sun',
  monday: 'mon',
  tuesday: 'tue',
  wednesday: 'wed',
  thursday: 'thu',
  friday: 'fri',
  saturday: 'sat',
  sunday: 'sun',
};

export function toForm(rule: Rule): Form {
  const weekdays = (rule.weekdays ?? []).map((day) => NAMES[day.toLowerCase()] ?? day.toLowerCase());
  return {
    ...emptyForm(),
    title: rule.title ?? '',
    mode: rule.cron ? 'cron' : rule.once ? 'once' : 'at',
    at: [...(rule.at ?? [])],
    weekdays: WEEKDAYS.filter((day) => weekdays.includes(day)),
    monthDays: (rule.days_of_month ?? []).join(', '),
    once: (rule.once ?? '').slice(0, 16),
    cron: rule.cron ?? '',
    repeats: rule.repeat != null,
    times: rule.repeat?.times ?? 2,
    every_min: rule.repeat?.every_min ?? 10,
    from: rule.from ?? '',
    until: rule.until ?? '',
    only_on: [...(rule.only_on ?? [])],
    not_on: [...(rule.not_on ?? [])],
    programme: rule.programme ?? '',
    priority: rule.priority ?? 'normal',
    minutes: rule.duration_s == null ? '' : String(rule.duration_s / 60),
    volume_db: rule.volume_db ?? 0,
    clash: rule.clash ?? '',
    wait_min: rule.wait_s == null ? '' : String(rule.wait_s / 60),
    targets: [...(rule.targets ?? [])],
    instead_on: copy(rule.instead_on ?? []),
    exceptions: copy(rule.exceptions ?? []),
    time_zone: rule.time_zone ?? null,
    area: rule.area ?? null,
  };
}

/** What is not said is left out, as the center itself would. */
export function toRule(form: Form): Rule {
  const rule: Rule = { title: form.title.trim(), targets: [...form.targets] };
  if (form.mode === 'cron') rule.cron = form.cron.trim();
  else if (form.mode === 'once') rule.once = form.once;
  else {
    rule.at = form.at.filter((time) => time !== '');
    if (form.weekdays.length > 0) rule.weekdays = [...form.weekdays];
    const days = form.monthDays.split(/[\s,;]+/).filter((day) => day !== '');
    // What is no number is sent as a day that no month has, so that the center says what is wrong with it.
    if (days.length > 0) rule.days_of_month = days.map((day) => (/^-?\d{1,3}$/.test(day) ? Number(day) : 0));
  }
  if (rule.once === '') delete rule.once;
  if (form.repeats) rule.repeat = { times: whole(form.times), every_min: whole(form.every_min) };
  if (form.time_zone !== null) rule.time_zone = form.time_zone;
  if (form.from !== '') rule.from = form.from;
  if (form.until !== '') rule.until = form.until;
  if (form.only_on.length > 0) rule.only_on = [...form.only_on];
  if (form.not_on.length > 0) rule.not_on = [...form.not_on];
  if (form.instead_on.length > 0) rule.instead_on = form.instead_on;
  if (form.exceptions.length > 0) rule.exceptions = form.exceptions;
  const seconds = secondsOf(form.minutes);
  if (seconds !== null) rule.duration_s = seconds;
  if (form.priority !== 'normal') rule.priority = form.priority;
  if (form.clash !== '') rule.clash = form.clash;
  const wait = secondsOf(form.wait_min);
  if (wait !== null) rule.wait_s = wait;
  if (Number(form.volume_db) !== 0) rule.volume_db = Number(form.volume_db);
  if (form.area !== null) rule.area = form.area;
  if (form.programme !== '') rule.programme = form.programme;
  return rule;
}

/** Of a form's own values too, which the browser's clone refuses. */
function copy<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

function whole(n: number): number {
  return Number.isFinite(n) ? Math.max(0, Math.round(n)) : 0;
}

function secondsOf(minutes: string): number | null {
  const text = String(minutes ?? '')
    .trim()
    .replace(',', '.');
  if (text === '') return null;
  const n = Number(text);
  return Number.isFinite(n) && n >= 0 ? Math.round(n * 60) : 0;
}

/** A name for something new, from its title: "Buổi sáng, xã Ea Kao" is "buoi-sang-xa-ea-kao"; never one that is taken. */
export function nameFor(title: string, taken: (name: string) => boolean): string {
  const plain = title
    .normalize('NFD')
    .replace(/\p{M}/gu, '')
    .replace(/[đĐ]/g, 'd')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 40)
    .replace(/-+$/, '');
  const base = plain === '' ? 'lich' : plain;
  for (let number = 1; ; number += 1) {
    const name = number === 1 ? base : `${base}-${number}`;
    if (!taken(name)) return name;
  }
}

/** The same rule, whatever the order in which its fields came. */
export function sameRule(a: Rule, b: Rule): boolean {
  const text = (rule: Rule) => JSON.stringify(toRule(toForm(rule)));
  return text(a) === text(b);
}
