// Counts the day's plays by what is really known of them. Pure: the words are in text.ts, the clock is an argument.
import type { Evidence, Listing, Play } from './api.ts';

export interface DaySummary {
  /** False where not all plays could be read; then only `total` means something, as "more than". */
  complete: boolean;
  total: number;
  /** Played whole and on time, with sound measured behind the converter or heard back. */
  proven: number;
  /** Reported as played, yet nothing shows that sound came out. */
  unproven: number;
  late: number;
  partial: number;
  missed: number;
  unreported: number;
  playing: number;
  /** Its time has come but neither a start nor a report has. */
  waiting: number;
}

export function isProven(evidence: Evidence): boolean {
  return evidence === 'sounded' || evidence === 'heard_back';
}

/** Plays that begin today up to `now_ms`; those still to come are not the day's account yet. */
export function summarise(plays: Listing<Play>, startOfDay_ms: number, now_ms: number): DaySummary {
  const day: DaySummary = {
    complete: plays.complete,
    total: 0,
    proven: 0,
    unproven: 0,
    late: 0,
    partial: 0,
    missed: 0,
    unreported: 0,
    playing: 0,
    waiting: 0,
  };
  if (!plays.complete) return { ...day, total: plays.items.length };
  for (const play of plays.items) {
    if (play.start_ms < startOfDay_ms) continue;
    if (play.outcome === 'planned') {
      if (play.start_ms > now_ms) continue;
      day.waiting += 1;
    } else if (play.outcome === 'played') {
      if (isProven(play.evidence)) day.proven += 1;
      else day.unproven += 1;
    } else {
      day[play.outcome] += 1;
    }
    day.total += 1;
  }
  return day;
}
