// Made-up speakers and plays for the tests: a healthy one of each, to be changed where a test cares.
import type { NotReady, Play, PlayReadiness, Schema } from '../src/lib/api.ts';

type Speaker = Schema<'SpeakerListed'>;

/** 21 November 2026, 10:00:00 in Vietnam: every test's "now", told to the page by the fake center. */
export const NOW_MS = Date.UTC(2026, 10, 21, 3, 0, 0);
export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;

export function aPlay(changes: Partial<Play> = {}): Play {
  const start_ms = changes.start_ms ?? NOW_MS - 3 * HOUR_MS;
  const speaker = changes.speaker ?? 'cum-loa-01';
  return {
    speaker,
    speaker_title: 'Cụm loa thôn 1',
    occurrence: `buoi-sang-${start_ms}`,
    schedule: 'buoi-sang',
    title: 'Chương trình buổi sáng',
    priority: 'normal',
    start_ms,
    end_ms: start_ms + 5 * MINUTE_MS,
    outcome: 'played',
    reason: null,
    started_ms: start_ms + 1,
    start_error_ms: 1.2,
    heard_ms: 62_400,
    level_dbfs: -18.2,
    peak_dbfs: -1.1,
    evidence: 'sounded',
    ...changes,
  };
}

/** A play that never began, as the center reports it. */
export function aSilentPlay(changes: Partial<Play>): Play {
  return aPlay({
    started_ms: null,
    start_error_ms: null,
    heard_ms: null,
    level_dbfs: null,
    peak_dbfs: null,
    evidence: 'content_ready',
    ...changes,
  });
}

export function aSpeaker(changes: Partial<Speaker> = {}): Speaker {
  return {
    id: 'cum-loa-01',
    title: 'Cụm loa thôn 1',
    area: '24133',
    area_title: 'Phường Buôn Ma Thuột',
    standing: 'ready',
    causes: [],
    link: { state: 'online', since_ms: NOW_MS - 2 * HOUR_MS },
    clock: { trusted: true, error_bound_ms: 0.4 },
    content: { ready: 3, wanted: 3 },
    plan: { sent: 7, accepted: 7 },
    proven: { at_ms: NOW_MS - 3 * HOUR_MS, evidence: 'sounded' },
    last: { start_ms: NOW_MS - 3 * HOUR_MS, outcome: 'played' },
    next_play: { start_ms: NOW_MS + 7 * HOUR_MS, title: 'Chương trình buổi chiều' },
    disabled: false,
    has_board: true,
    ...changes,
  };
}

export function anAbsentSpeaker(changes: Partial<Speaker> = {}): Speaker {
  return aSpeaker({
    standing: 'offline',
    causes: ['link_down'],
    link: { state: 'offline', since_ms: NOW_MS - 26 * HOUR_MS },
    ...changes,
  });
}

/** Three speakers: one well, one that went silent, one that never came. */
export function threeSpeakers(): Speaker[] {
  const never: Speaker = {
    id: 'cum-loa-03',
    title: 'Cụm loa chợ trung tâm xã Ea Kao',
    area: '24169',
    area_title: 'Xã Ea Kao',
    standing: 'never',
    causes: ['no_board'],
    link: { state: 'never' },
    plan: {},
    disabled: false,
    has_board: false,
  };
  const absent = anAbsentSpeaker({
    id: 'cum-loa-02',
    title: 'Cụm loa thôn 2',
    clock: { trusted: false },
    content: { ready: 2, wanted: 3 },
    plan: { sent: 8, accepted: 7 },
  });
  return [aSpeaker(), absent, never];
}

export function aTrouble(changes: Partial<Schema<'Trouble'>> = {}): Schema<'Trouble'> {
  return {
    area: '24133',
    area_title: 'Phường Buôn Ma Thuột',
    cause: 'link_down',
    speakers: 25,
    of: 25,
    plays: 0,
    first_ms: NOW_MS - 6 * HOUR_MS,
    last_ms: NOW_MS - 6 * HOUR_MS + MINUTE_MS,
    named: [{ id: 'cum-loa-01', title: 'Cụm loa thôn 1' }],
    ...changes,
  };
}

export function aWaiting(changes: Partial<Schema<'WaitingThing'>> = {}): Schema<'WaitingForMe'> {
  const thing = {
    id: 'tin-1',
    title: 'Lịch cắt nước',
    area: '24133',
    at_ms: NOW_MS - HOUR_MS,
    detail: null,
    ...changes,
  };
  return { kind: 'to_approve', count: 1, things: [thing] };
}

export function anAirPlay(changes: Partial<Schema<'OnAir'>> = {}): Schema<'OnAir'> {
  return {
    occurrence: 'buoi-sang@1',
    schedule: 'buoi-sang',
    title: 'Chương trình buổi sáng',
    priority: 'normal',
    since_ms: NOW_MS - MINUTE_MS,
    until_ms: NOW_MS + 10 * MINUTE_MS,
    planned: 25,
    sounding: 20,
    offline: 3,
    ...changes,
  };
}

/** Today's plays, one of each outcome, and one of yesterday; oldest first, so that the order shown is the page's own. */
export function everyOutcome(): Play[] {
  const at = (hours: number) => NOW_MS - hours * HOUR_MS;
  return [
    aPlay({ start_ms: at(20), title: 'Chương trình hôm qua' }),
    aPlay({ start_ms: at(5), evidence: 'heard_back' }),
    aPlay({
      start_ms: at(4.5),
      outcome: 'late',
      reason: 'clock_untrusted',
      start_error_ms: 42_000,
      started_ms: at(4.5) + 42_000,
    }),
    aPlay({
      start_ms: at(4),
      outcome: 'partial',
      reason: 'pre_empted',
      priority: 'priority',
      heard_ms: 20_000,
      start_error_ms: -0.6,
    }),
    aSilentPlay({ start_ms: at(3.5), outcome: 'missed', reason: 'content_missing', evidence: 'scheduled' }),
    aSilentPlay({ start_ms: at(3), outcome: 'unreported', reason: 'no_report' }),
    aPlay({ start_ms: at(0.02), outcome: 'playing', heard_ms: null, priority: 'emergency' }),
    aSilentPlay({ start_ms: NOW_MS + 4 * MINUTE_MS, outcome: 'planned' }),
  ];
}

/** A play at 17:00 for which 37 of 40 speakers are ready. */
export function aComingPlay(changes: Partial<PlayReadiness> = {}): PlayReadiness {
  const start_ms = changes.start_ms ?? NOW_MS + 7 * HOUR_MS;
  return {
    occurrence: `ban-tin-chieu@${start_ms}`,
    schedule: 'ban-tin-chieu',
    title: 'Bản tin chiều',
    priority: 'normal',
    start_ms,
    speakers: 40,
    ready: 37,
    ready_offline: 0,
    waiting: [
      { reason: 'content_missing', speakers: 2 },
      { reason: 'never_heard', speakers: 1 },
    ],
    missing_bytes: 1_234_567,
    warning: 'none',
    not_ready: [
      aNotReady(),
      aNotReady({ speaker: 'cum-loa-02', title: 'Cụm loa thôn 2', online: false }),
      aNotReady({ speaker: 'cum-loa-03', title: 'Chợ', reason: 'never_heard', missing_bytes: 0, since_ms: null }),
    ],
    ...changes,
  };
}

export function aNotReady(changes: Partial<NotReady> = {}): NotReady {
  return {
    speaker: 'cum-loa-01',
    title: 'Cụm loa thôn 1',
    area: '24133',
    reason: 'content_missing',
    missing_bytes: 1_234_567,
    online: true,
    since_ms: NOW_MS - 2 * HOUR_MS,
    ...changes,
  };
}
