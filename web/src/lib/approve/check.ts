// Tells before signing what the center and the speakers would refuse afterwards. Pure; the same rules as
// src/domain/approval.rs, which alone decide.
import type { Priority } from '../api.ts';
import type { Area, Certified, Revision } from './calls.ts';
import type { Approval } from '../signing/statements.ts';

export const PRIORITIES = ['filler', 'normal', 'priority', 'emergency'] as const satisfies Priority[];
export const DAY_MS = 24 * 60 * 60_000;
/** A longer approval does not pass the quiet hours, even for an emergency. */
export const NIGHT_PASS_DAYS = 1;
/** So that an approver's fast clock does not forbid the next minutes. */
export const HEAD_START_MS = 60 * 60_000;

export type Overstep =
  | { kind: 'unknown' }
  | { kind: 'expired'; at_ms: number }
  | { kind: 'early'; at_ms: number }
  | { kind: 'priority'; highest: Priority }
  | { kind: 'area'; area: string; allowed: string[] };

/** Why the key may not give this approval, as far as its certificates show; null where nothing speaks against it. */
export function overstep(approval: Approval, certificates: Certified[], areas: Area[]): Overstep | null {
  const own = certificates.filter(
    ({ key, certificate }) => key === approval.approver && certificate.role === 'approver',
  );
  const found = own.map(({ certificate }) => overstepOf(approval, certificate, areas));
  if (found.length === 0) return { kind: 'unknown' };
  return found.includes(null) ? null : (found[0] ?? null);
}

function overstepOf(approval: Approval, certificate: Certified['certificate'], areas: Area[]): Overstep | null {
  const { valid_from_ms, valid_until_ms, highest } = certificate;
  if (approval.made_ms > valid_until_ms) return { kind: 'expired', at_ms: valid_until_ms };
  if (approval.made_ms < valid_from_ms) return { kind: 'early', at_ms: valid_from_ms };
  if (PRIORITIES.indexOf(approval.highest as Priority) > PRIORITIES.indexOf(highest))
    return { kind: 'priority', highest };
  const beyond = approval.areas.find((area) => !pathOf(area, areas).some((code) => certificate.areas.includes(code)));
  return beyond === undefined ? null : { kind: 'area', area: beyond, allowed: certificate.areas };
}

/** The area and everything above it. */
export function pathOf(code: string, areas: Area[]): string[] {
  const path: string[] = [];
  for (let at: string | null = code; at !== null && !path.includes(at);) {
    path.push(at);
    at = areas.find((area) => area.code === at)?.parent ?? null;
  }
  return path;
}

/** How many have signed, of how many. */
export function progressOf({ approvals = [], approvals_needed = 1 }: Revision): [number, number] {
  return [approvals.length, Math.max(1, approvals_needed)];
}
