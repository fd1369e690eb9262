// The center's local time as a form field writes it, and back. Pure; the zone is the center's, not this machine's.

/** "2026-11-23T05:30:00" in that zone. */
export function toLocal(ms: number, zone: string): string {
  const parts: Record<string, string> = {};
  for (const { type, value } of formatIn(zone).formatToParts(ms)) parts[type] = value;
  const { year, month, day, hour, minute, second } = parts;
  return `${year}-${month}-${day}T${hour}:${minute}:${second}`;
}

/** The instant; null where it is not a time. An hour that a change of the clocks leaves out is taken as the one after it. */
export function fromLocal(text: string, zone: string): number | null {
  const wall = Date.parse(`${text}Z`);
  if (Number.isNaN(wall)) return null;
  const offset = (ms: number) => Date.parse(`${toLocal(ms, zone)}Z`) - Math.floor(ms / 1000) * 1000;
  const first = wall - offset(wall);
  return wall - offset(first);
}

function formatIn(zone: string): Intl.DateTimeFormat {
  return new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  });
}

/** "2 ngày 3 giờ", or hours and minutes below a day; never negative. */
export function left(
  ms: number,
  say: { days: (d: string, h: string) => string; hours: (h: string, m: string) => string },
): string {
  const minutes = Math.max(0, Math.floor(ms / 60_000));
  const [days, hours] = [Math.floor(minutes / 1440), Math.floor((minutes % 1440) / 60)];
  return days > 0 ? say.days(String(days), String(hours)) : say.hours(String(hours), String(minutes % 60));
}
