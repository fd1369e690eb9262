// Days as rules name them ("lunar:15", "holidays:vn", "2026-09-02") and local dates, in words. Pure.
import type { Lang } from '../text.ts';

export function dayName(text: string, lang: Lang, calendars: { id: string; title: string }[]): string {
  const vi = lang === 'vi';
  if (text === 'holidays:vn') return vi ? 'Ngày nghỉ lễ, Tết' : 'Public holidays';
  if (text.startsWith('calendar:')) {
    const id = text.slice(9);
    return calendars.find((one) => one.id === id)?.title || id;
  }
  if (text.startsWith('lunar:')) {
    const [day = '', month] = text.slice(6).split('/');
    if (month === undefined) {
      if (day === '15') return vi ? 'Rằm hằng tháng' : '15th of every lunar month';
      if (day === '1') return vi ? 'Mùng 1 âm lịch hằng tháng' : '1st of every lunar month';
      if (day === 'last') return vi ? 'Ngày cuối tháng âm lịch' : 'Last day of every lunar month';
      return vi ? `Ngày ${day} âm lịch hằng tháng` : `Day ${day} of every lunar month`;
    }
    const leap = month.endsWith('+');
    const number = month.replace('+', '');
    return vi
      ? `Ngày ${day === 'last' ? 'cuối' : day} tháng ${number}${leap ? ' nhuận' : ''} âm lịch`
      : `Day ${day} of ${leap ? 'leap ' : ''}lunar month ${number}`;
  }
  if (text.startsWith('solar:')) return vi ? `Ngày ${text.slice(6)} hằng năm` : `${text.slice(6)} every year`;
  return text.split('..').map(shown).join(' – ');
}

/** "23/11/2026" of "2026-11-23". */
export function shown(date: string): string {
  const [year, month, day] = date.split('-');
  return day === undefined ? date : `${day}/${month}/${year}`;
}

/** So many days later, of a date. */
export function plusDays(date: string, days: number): string {
  return new Date(Date.parse(`${date}T00:00:00Z`) + days * 86_400_000).toISOString().slice(0, 10);
}

/** The Monday of its week. */
export function monday(date: string): string {
  const weekday = new Date(`${date}T00:00:00Z`).getUTCDay();
  return plusDays(date, -((weekday + 6) % 7));
}

export function isDate(text: string | null): text is string {
  return text !== null && /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(`${text}T00:00:00Z`));
}

/** The local date of an instant. */
export function dateOf(ms: number, zone: string): string {
  return new Intl.DateTimeFormat('en-CA', { timeZone: zone, year: 'numeric', month: '2-digit', day: '2-digit' }).format(
    ms,
  );
}

/** "05:30" of an instant. */
export function clockOf(ms: number, zone: string): string {
  return new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  }).format(ms);
}

/** "2026-11-23T05:30:00" of an instant. */
export function localOf(ms: number, zone: string): string {
  const time = new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  });
  return `${dateOf(ms, zone)}T${time.format(ms)}`;
}

/** "10 phút", "1 giờ 5 phút", "45 giây". */
export function lengthName(ms: number, lang: Lang): string {
  const s = Math.round(ms / 1000);
  const [h, m, rest] = [Math.floor(s / 3600), Math.floor((s % 3600) / 60), s % 60];
  const [hours, minutes, seconds] = lang === 'vi' ? ['giờ', 'phút', 'giây'] : ['h', 'min', 's'];
  const said = [
    [h, hours],
    [m, minutes],
    [h === 0 ? rest : 0, seconds],
  ].filter(([n]) => n !== 0);
  return said.length === 0 ? `0\u00a0${seconds}` : said.map(([n, unit]) => `${n}\u00a0${unit}`).join(' ');
}
