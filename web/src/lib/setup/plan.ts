// What set-up gathers over its steps, what of it may be kept as a draft, and what is wrong with it. Nothing here is a secret:
// passphrases and passwords live in the forms that ask for them, and end with the page.
import { PROVINCES } from './provinces.ts';

export type Kind = 'commune' | 'province' | 'other';

export interface Office {
  title: string;
  kind: Kind;
  province: string;
  /** Code and name of the area at the top, where the kind does not say them. */
  code: string;
  area: string;
  /** One line a commune: its code and its name. */
  communes: string;
  site: string;
  zone: string;
}

/** The first approver, who has a key by now; only its public half is known. */
export interface Approver {
  title: string;
  key: string;
  fingerprint: string;
  highest: 'normal' | 'priority' | 'emergency';
}

export interface Commune {
  code: string;
  title: string;
}

export const ZONES = ['Asia/Ho_Chi_Minh', 'Asia/Bangkok', 'Asia/Phnom_Penh', 'Asia/Vientiane', 'UTC'] as const;

export function emptyOffice(): Office {
  return { title: '', kind: 'commune', province: '', code: '', area: '', communes: '', site: '', zone: ZONES[0] };
}

/** The area at the top of the tree. */
export function top(office: Office): Commune {
  if (office.kind === 'province') {
    const province = PROVINCES.find(({ code }) => code === office.province);
    return { code: province?.code ?? '', title: province?.title ?? '' };
  }
  return { code: office.code.trim(), title: office.area.trim() };
}

/** What an id may consist of, as the center has it. */
const ID = /^[a-z0-9][a-z0-9._-]*$/;

export type OfficeProblem = 'title' | 'province' | 'code' | 'commune_code' | 'area' | 'communes' | 'site' | 'zone';

export function officeProblem(office: Office): OfficeProblem | null {
  const { code, title } = top(office);
  if (office.title.trim() === '') return 'title';
  if (office.kind === 'province' && code === '') return 'province';
  if (office.kind === 'commune' && !/^\d{5}$/.test(code)) return 'commune_code';
  if (!ID.test(code)) return 'code';
  if (title === '') return 'area';
  if (office.kind === 'province' && communes(office.communes) === null) return 'communes';
  if (office.site.trim() !== '' && !ID.test(office.site.trim())) return 'site';
  return isZone(office.zone) ? null : 'zone';
}

function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return zone.trim() !== '';
  } catch {
    return false;
  }
}

/** One a line, as pasted from a table: five digits, then the name. Null where a line is none, or a code comes twice. */
export function communes(text: string): Commune[] | null {
  const lines = text.split('\n').map((line) => line.trim());
  const found: Commune[] = [];
  for (const line of lines.filter((line) => line !== '')) {
    const [, code = '', title = ''] = /^(\d{5})[\s,;:.–-]+(\S.*)$/.exec(line) ?? [];
    if (title === '' || found.some((known) => known.code === code)) return null;
    found.push({ code, title: title.trim() });
  }
  return found;
}

/** A short name for topics, from the area's own: `Xã Ea Kao` gives `ea-kao`. */
export function siteOf(office: Office): string {
  if (office.site.trim() !== '') return office.site.trim();
  const plain = top(office)
    .title.replace(/^(Tỉnh|Thành phố|Xã|Phường|Đặc khu)\s+/u, '')
    .normalize('NFD')
    .replace(/\p{M}/gu, '')
    .replace(/[đĐ]/g, 'd')
    .toLowerCase();
  const id = plain.replace(/[^a-z0-9]+/g, '-').replace(/^-+|-+$/g, '');
  return id === '' ? 'loaxa' : id.slice(0, 32);
}
