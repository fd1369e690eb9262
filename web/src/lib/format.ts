// Turns instants and measures into what a person reads, in one language and one time zone. Pure: `now` is an argument.
import type { Lang } from './text.ts';

export const DEFAULT_ZONE = 'Asia/Ho_Chi_Minh';

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

interface LocalTime {
  year: string;
  month: string;
  day: string;
  hour: string;
  minute: string;
  second: string;
}

export class Format {
  readonly zone: string;
  readonly #numeric: Intl.DateTimeFormat;
  readonly #month: Intl.DateTimeFormat;
  readonly #full: Intl.DateTimeFormat;
  readonly #relative: Intl.RelativeTimeFormat;
  readonly #integer: Intl.NumberFormat;
  readonly #tenth: Intl.NumberFormat;

  constructor(
    readonly lang: Lang,
    zone: string,
  ) {
    this.zone = knownZone(zone);
    const locale = lang === 'vi' ? 'vi-VN' : 'en-GB';
    this.#numeric = numericFormat(this.zone);
    this.#month = new Intl.DateTimeFormat(locale, { timeZone: this.zone, month: 'short' });
    this.#full = new Intl.DateTimeFormat(locale, {
      timeZone: this.zone,
      weekday: 'long',
      day: 'numeric',
      month: 'long',
      year: 'numeric',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
      hourCycle: 'h23',
      timeZoneName: 'shortOffset',
    });
    this.#relative = new Intl.RelativeTimeFormat(locale, { numeric: 'always' });
    this.#integer = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
    this.#tenth = new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  }

  /** "05:30:00" today; with the date on another day, and the year in another year. */
  instant(ms: number, now_ms: number): string {
    const at = parts(this.#numeric, ms);
    const today = parts(this.#numeric, now_ms);
    const time = `${at.hour}:${at.minute}:${at.second}`;
    if (at.year === today.year && at.month === today.month && at.day === today.day) return time;
    return `${time} ${this.#date(at, ms, at.year !== today.year)}`;
  }

  /** "17:00", for what is planned by the minute; seconds where there are some, the date on another day. */
  minute(ms: number, now_ms: number): string {
    const instant = this.instant(ms, now_ms);
    return instant.slice(6, 8) === '00' ? instant.slice(0, 5) + instant.slice(8) : instant;
  }

  /** "20/11": the day alone, with its year where that is another. */
  date(ms: number, now_ms: number): string {
    const at = parts(this.#numeric, ms);
    return this.#date(at, ms, at.year !== parts(this.#numeric, now_ms).year);
  }

  #date(at: LocalTime, ms: number, withYear: boolean): string {
    // Intl's own numeric order for Vietnamese differs between browsers, so the day and month are put together here.
    const date = this.lang === 'vi' ? `${at.day}/${at.month}` : `${Number(at.day)} ${this.#month.format(ms)}`;
    if (!withYear) return date;
    return this.lang === 'vi' ? `${date}/${at.year}` : `${date} ${at.year}`;
  }

  /** Day, date, time and offset in full, for whoever asks for more. */
  full(ms: number): string {
    return this.#full.format(ms);
  }

  /** "3 phút trước"; null within five seconds of now. */
  relative(ms: number, now_ms: number): string | null {
    const away_ms = ms - now_ms;
    const size = Math.abs(away_ms);
    if (size < 5 * SECOND_MS) return null;
    const [unit, unit_ms] = unitFor(size);
    return this.#relative.format(Math.sign(away_ms) * Math.round(size / unit_ms), unit);
  }

  integer(n: number): string {
    return this.#integer.format(n);
  }

  /** "96,4". */
  tenth(n: number): string {
    return this.#tenth.format(n);
  }

  /** "0,4 ms", the unit never alone on a line; whole milliseconds from ten up, seconds from ten thousand. The sign is left to words. */
  milliseconds(ms: number): string {
    const size = Math.abs(ms);
    if (size >= 10_000) return `${this.#tenth.format(size / SECOND_MS)}\u00a0s`;
    return `${(size < 10 ? this.#tenth : this.#integer).format(size)}\u00a0ms`;
  }

  seconds(ms: number): string {
    return this.#tenth.format(ms / SECOND_MS);
  }

  /** "1,2 MB", never "0,0 MB" for what is something. */
  megabytes(bytes: number): string {
    return `${this.#tenth.format(Math.max(bytes / 1_000_000, bytes > 0 ? 0.1 : 0))}\u00a0MB`;
  }

  /** With a true minus sign, which never ends a line and is never read as a hyphen. */
  dbfs(level: number): string {
    return this.decibels(level, 'dBFS');
  }

  decibels(level: number, unit: 'dBFS' | 'LUFS' | 'dB'): string {
    return `${this.#tenth.format(level).replace('-', '−')}\u00a0${unit}`;
  }
}

/** The first instant of the day `daysBack` days before `now_ms`, in that zone. */
export function startOfDay(now_ms: number, zone: string, daysBack = 0): number {
  const today = midnightBefore(now_ms, zone);
  // Through noon, so that a day of 23 or 25 hours cannot shift the date.
  return daysBack === 0 ? today : midnightBefore(today - daysBack * DAY_MS + DAY_MS / 2, zone);
}

function midnightBefore(ms: number, zone: string): number {
  const local = ms + zoneOffset(ms, zone);
  const midnight = Math.floor(local / DAY_MS) * DAY_MS;
  return midnight - zoneOffset(midnight - zoneOffset(ms, zone), zone);
}

function zoneOffset(ms: number, zone: string): number {
  const at = parts(numericFormat(zone), ms);
  const local = Date.UTC(+at.year, +at.month - 1, +at.day, +at.hour, +at.minute, +at.second);
  return local - Math.floor(ms / SECOND_MS) * SECOND_MS;
}

function unitFor(size_ms: number): ['second' | 'minute' | 'hour' | 'day', number] {
  if (size_ms < MINUTE_MS) return ['second', SECOND_MS];
  if (size_ms < HOUR_MS) return ['minute', MINUTE_MS];
  if (size_ms < DAY_MS) return ['hour', HOUR_MS];
  return ['day', DAY_MS];
}

function numericFormat(zone: string): Intl.DateTimeFormat {
  return new Intl.DateTimeFormat('en-GB', {
    timeZone: knownZone(zone),
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  });
}

function parts(format: Intl.DateTimeFormat, ms: number): LocalTime {
  const found: Record<string, string> = {};
  for (const { type, value } of format.formatToParts(ms)) found[type] = value;
  const { year = '', month = '', day = '', hour = '', minute = '', second = '' } = found;
  return { year, month, day, hour, minute, second };
}

/** A zone this browser has never heard of must not take the page down; the footer names the one in use. */
function knownZone(zone: string): string {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return zone;
  } catch {
    return DEFAULT_ZONE;
  }
}
