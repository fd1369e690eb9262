// What the authority is asked to sign from the page, made from what holds now. Pure; the limits are those of the command line.
import type { Schema } from '../../api.ts';
import type { Certificate, TrustList } from '../../signing/statements.ts';

const DAY_MS = 24 * 60 * 60_000;
const TRUST_VALID_MS = 2 * 366 * DAY_MS;
/** An end that is nearer than this is warned about. */
export const SOON_MS = 30 * DAY_MS;

export type Listed = Schema<'TrustList'>;
export type Certified = Schema<'CertificateView'>;

/** One change of the trust list; nothing else of it is touched. */
export type Change =
  | { kind: 'renew' }
  | { kind: 'revoke'; key: string }
  | { kind: 'withdraw'; bulletin: string; up_to: number }
  | { kind: 'two'; area: string; from: string }
  | { kind: 'one'; area: string };

/** The list with the change. Its version follows the clock in seconds, so that a center restored from an older copy signs nothing that
 *  speakers count as old. */
export function nextList(list: Listed, change: Change, made_ms: number): TrustList {
  const { revoked = [], withdrawn = [], two_approvers = [] } = list;
  // Whatever else the list says goes on being said: who stands elsewhere since a merger, and what later centers know of.
  const next: TrustList = {
    ...list,
    version: Math.max(Math.floor(made_ms / 1000), list.version + 1),
    made_ms,
    valid_until_ms: made_ms + TRUST_VALID_MS,
    revoked: [...revoked],
    withdrawn: [...withdrawn],
    two_approvers: [...two_approvers],
  };
  if (change.kind === 'revoke' && !revoked.includes(change.key)) next.revoked = [...revoked, change.key];
  if (change.kind === 'withdraw') {
    const { bulletin, up_to } = change;
    const before = withdrawn.find((one) => one.bulletin === bulletin)?.up_to ?? 0;
    const others = withdrawn.filter((one) => one.bulletin !== bulletin);
    next.withdrawn = [...others, { bulletin, up_to: Math.max(before, up_to) }];
  }
  if (change.kind === 'two' || change.kind === 'one') {
    const others = two_approvers.filter(({ area }) => area !== change.area);
    next.two_approvers = change.kind === 'one' ? others : [...others, { area: change.area, from: change.from }];
  }
  return next;
}

export interface Approver {
  title: string;
  /** The public key in base64. */
  key: string;
  areas: string[];
  highest: string;
  days: number;
}

export function certificateOf(
  { title, key, areas, highest, days }: Approver,
  site: string,
  made_ms: number,
): Certificate {
  const [valid_from_ms, valid_until_ms] = [made_ms - DAY_MS, made_ms + days * DAY_MS];
  return { site, role: 'approver', title, key, areas, highest, valid_from_ms, valid_until_ms };
}

export type Standing = 'holds' | 'soon' | 'ended' | 'revoked';

export function standingOf({ revoked, certificate }: Certified, now_ms: number): Standing {
  if (revoked) return 'revoked';
  if (certificate.valid_until_ms <= now_ms) return 'ended';
  return certificate.valid_until_ms < now_ms + SOON_MS ? 'soon' : 'holds';
}
