// What can be signed: the statements of src/domain/{approval,hours,trust}.rs and their bytes, which are those that Rust would
// write (tests/golden holds both to it). It signs nothing and knows no keys.
import type { Bytes } from './keys.ts';

/** This revision, with exactly this sound, may be played here, up to this priority, in this time. */
export interface Approval {
  site: string;
  bulletin: string;
  revision: number;
  title: string;
  /** SHA-256 of the sound, in hex. */
  media: string;
  areas: string[];
  highest: string;
  valid_from_ms: number;
  valid_until_ms: number;
  made_ms: number;
  /** Fingerprint of the key that signs. */
  approver: string;
}

/** These sounds may be heard once as an emergency, here, within this time: a day at most from when it is made. */
export interface Ticket {
  site: string;
  ticket: string;
  title: string;
  media: string[];
  areas: string[];
  valid_from_ms: number;
  valid_until_ms: number;
  longest_ms: number;
  made_ms: number;
  approver: string;
}

/** The authority: this key may act in this role, here, up to this priority, in this time. */
export interface Certificate {
  site: string;
  role: 'approver' | 'dispatcher';
  title: string;
  /** The public key in base64. */
  key: string;
  areas: string[];
  highest: string;
  valid_from_ms: number;
  valid_until_ms: number;
}

/** The authority: in this area and below, sound is lawful in these windows only. */
export interface HoursStatement {
  site: string;
  area: string;
  version: number;
  time_zone: string;
  /** From and to as HH:MM of each local day; 24:00 is its end. */
  windows: [string, string][];
  max_session_s?: number | null;
  max_day_s?: number | null;
  made_ms: number;
}

/** The authority: whom to trust no more, what is off the air for good, and where two must agree. */
export interface TrustList {
  site: string;
  version: number;
  made_ms: number;
  valid_until_ms: number;
  revoked?: string[];
  withdrawn?: { bulletin: string; up_to: number }[];
  two_approvers?: { area: string; from: string }[];
  /** What stands elsewhere than it did: with all below it, below this path since that version of the list. */
  moved?: Moved[];
}

/** Units, with all below them, or single speakers that stand below another path since a certain list. */
export interface Moved {
  since: number;
  areas?: string[];
  speakers?: string[];
  below: string[];
  /** The lowest versions of lawful hours there. */
  hours?: Record<string, number>;
}

export const APPROVAL_TYPE = 'application/vnd.loaxa.approval.v1+json';
export const TICKET_TYPE = 'application/vnd.loaxa.ticket.v1+json';
export const CERTIFICATE_TYPE = 'application/vnd.loaxa.certificate.v1+json';
export const HOURS_TYPE = 'application/vnd.loaxa.hours.v1+json';
export const TRUST_TYPE = 'application/vnd.loaxa.trust.v1+json';

/** A new kind of statement: its shape here, its fields in `LAYOUTS`, and a golden vector of it signed. */
export interface Statements {
  [APPROVAL_TYPE]: Approval;
  [TICKET_TYPE]: Ticket;
  [CERTIFICATE_TYPE]: Certificate;
  [HOURS_TYPE]: HoursStatement;
  [TRUST_TYPE]: TrustList;
}

export type PayloadType = keyof Statements;

/** One field. Rust leaves some out: `skip_serializing_if`. */
type Field = string | { name: string; without: 'null' | 'empty'; each?: Layout; sorted?: true };
type Layout = readonly Field[];

/** The fields in the order of the Rust structs. */
const LAYOUTS: Record<PayloadType, Layout> = {
  [APPROVAL_TYPE]: [
    ...['site', 'bulletin', 'revision', 'title', 'media', 'areas', 'highest'],
    ...['valid_from_ms', 'valid_until_ms', 'made_ms', 'approver'],
  ],
  [TICKET_TYPE]: [
    ...['site', 'ticket', 'title', 'media', 'areas'],
    ...['valid_from_ms', 'valid_until_ms', 'longest_ms', 'made_ms', 'approver'],
  ],
  [CERTIFICATE_TYPE]: ['site', 'role', 'title', 'key', 'areas', 'highest', 'valid_from_ms', 'valid_until_ms'],
  [HOURS_TYPE]: [
    ...['site', 'area', 'version', 'time_zone', 'windows'],
    { name: 'max_session_s', without: 'null' },
    { name: 'max_day_s', without: 'null' },
    'made_ms',
  ],
  [TRUST_TYPE]: [
    ...['site', 'version', 'made_ms', 'valid_until_ms'],
    { name: 'revoked', without: 'empty' },
    { name: 'withdrawn', without: 'empty', each: ['bulletin', 'up_to'] },
    { name: 'two_approvers', without: 'empty', each: ['area', 'from'] },
    {
      name: 'moved',
      without: 'empty',
      each: [
        'since',
        { name: 'areas', without: 'empty' },
        { name: 'speakers', without: 'empty' },
        'below',
        { name: 'hours', without: 'empty', sorted: true },
      ],
    },
  ],
};

/** The statement's bytes: fields in the order of the Rust struct, without spaces. */
export function statementBytes<T extends PayloadType>(payloadType: T, statement: Statements[T]): Bytes {
  return new TextEncoder().encode(written(LAYOUTS[payloadType], statement));
}

/** By hand, since a script's own objects put keys that look like numbers, as codes of units do, before all others. */
function written(layout: Layout, statement: object): string {
  const given = new Map<string, unknown>(Object.entries(statement));
  const fields: string[] = [];
  for (const field of layout) {
    const {
      name,
      without,
      each,
      sorted,
    }: Exclude<Field, string> | { name: string; without: null; each?: Layout; sorted?: true } =
      typeof field === 'string' ? { name: field, without: null } : field;
    const value = given.get(name) ?? null;
    given.delete(name);
    if (without !== null && (value === null || (without === 'empty' && Object.keys(value as object).length === 0)))
      continue;
    if (each !== undefined)
      fields.push(`"${name}":[${(value as object[]).map((one) => written(each, one)).join(',')}]`);
    else fields.push(`"${name}":${sorted ? mapped(value as object) : JSON.stringify(sound(name, value))}`);
  }
  // Somebody believes that these are signed too.
  for (const name of given.keys()) throw new TypeError(`the statement has no field ${name}`);
  return `{${fields.join(',')}}`;
}

/** As a BTreeMap is written: by the bytes of its keys. */
function mapped(map: object): string {
  const entries = Object.entries(map).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(sound(key, value))}`).join(',')}}`;
}

/** Every number of ours is a whole one, and beyond 2^53 a script no longer has the one that was meant. */
function sound(name: string, value: unknown): unknown {
  if (value === null) throw new TypeError(`the statement lacks ${name}`);
  if (typeof value === 'number' && !Number.isSafeInteger(value)) throw new TypeError(`${name} is no whole number`);
  return value;
}
