// The report of a busy month, in the shape that the API describes.
import type { components } from '../src/lib/schema.ts';

type Report = components['schemas']['PeriodReport'];
type Sums = components['schemas']['Sums'];

const HOUR_MS = 3_600_000;

function sums(plays: number, complete: number, urgent = 0): Sums {
  return {
    plays,
    complete,
    sounded: complete,
    heard_back: 0,
    on_time: complete,
    unreported: Math.round((plays - complete) / 4),
    urgent,
    urgent_sounded: urgent,
    urgent_prompt: urgent,
    requested_ms: plays * HOUR_MS * 0.25,
    heard_ms: complete * HOUR_MS * 0.24,
  };
}

const cover = (speakers: number, sounded: number, communes: number) => ({
  speakers,
  speakers_sounded: sounded,
  communes,
  communes_sounded: communes,
  online: sounded,
});

const days = Array.from({ length: 31 }, (_, i) => i + 1);

export const busyMonth: Report = {
  area: '66',
  area_title: 'Tỉnh Đắk Lắk',
  from: '2026-10-01',
  to: '2026-10-31',
  time_zone: 'Asia/Ho_Chi_Minh',
  made_ms: Date.parse('2026-11-01T01:00:00Z'),
  counted_until_ms: Date.parse('2026-11-01T00:55:00Z'),
  sums: sums(20_088, 19_365, 12),
  coverage: cover(72, 70, 3),
  areas: [
    { code: '24133', title: 'Phường Buôn Ma Thuột', sums: sums(8_370, 8_200, 4), coverage: cover(30, 30, 1) },
    { code: '24169', title: 'Phường Ea Kao', sums: sums(6_975, 6_500, 4), coverage: cover(25, 23, 1) },
    { code: '24175', title: 'Phường Tân Lập', sums: sums(4_743, 4_665, 4), coverage: cover(17, 17, 1) },
  ],
  fields: [
    { key: 'society', sums: sums(9_000, 8_700) },
    { key: 'health', sums: sums(6_000, 5_800) },
    { key: 'disaster', sums: sums(5_088, 4_865, 12) },
  ],
  languages: [
    { key: 'vie', sums: sums(15_000, 14_500, 12) },
    { key: 'rad', sums: sums(5_088, 4_865) },
  ],
  priorities: [
    { key: 'normal', sums: sums(20_076, 19_353) },
    { key: 'emergency', sums: sums(12, 12, 12) },
  ],
  reasons: [
    { outcome: 'missed', reason: 'powered_off', plays: 420, lost_ms: 420 * HOUR_MS * 0.25 },
    { outcome: 'unreported', reason: 'no_report', plays: 181, lost_ms: 181 * HOUR_MS * 0.25 },
    { outcome: 'partial', reason: 'interrupted', plays: 122, lost_ms: 30 * HOUR_MS * 0.25 },
  ],
  series: days.map((day) => ({ key: String(20_261_000 + day), sums: sums(648, 648 - ((day * 7) % 60)) })),
  worst: [
    {
      speaker: 'loa-ea-kao-07',
      title: 'Nhà văn hoá cộng đồng buôn Tơng Jú',
      area: '24169',
      area_title: 'Phường Ea Kao',
      plays: 279,
      complete: 41,
      silent: 238,
      requested_ms: 279 * HOUR_MS * 0.25,
      heard_ms: 41 * HOUR_MS * 0.25,
    },
  ],
  figures: [
    { id: 'communes_sounding', value: 100, unit: 'percent', part: 3, whole: 3, evidence: null },
    { id: 'speakers_online', value: 97.2, unit: 'percent', part: 70, whole: 72, evidence: null },
    { id: 'speakers_sounding', value: 97.2, unit: 'percent', part: 70, whole: 72, evidence: null },
    {
      id: 'plays_sounded',
      value: 96.4,
      unit: 'percent',
      part: 19_365,
      whole: 20_088,
      evidence: 'evidence=scheduled,content_ready',
    },
    {
      id: 'plays_complete',
      value: 96.4,
      unit: 'percent',
      part: 19_365,
      whole: 20_088,
      evidence: 'outcome=partial,missed,unreported',
    },
    { id: 'plays_on_time', value: 96.4, unit: 'percent', part: 19_365, whole: 20_088, evidence: 'on_time=false' },
    { id: 'plays_reported', value: 99.1, unit: 'percent', part: 19_907, whole: 20_088, evidence: 'outcome=unreported' },
    { id: 'start_error_median', value: 2, unit: 'ms', part: 12_000, whole: 19_365, evidence: 'outcome=played,late' },
    { id: 'urgent_prompt', value: null, unit: 'percent', part: 0, whole: 0, evidence: 'priority=emergency' },
    { id: 'hours_per_commune', value: 64.6, unit: 'hours', part: 193.7, whole: 3, evidence: 'outcome=played,late' },
    {
      id: 'minority_languages',
      value: 25.1,
      unit: 'percent',
      part: 4_865 * HOUR_MS,
      whole: 19_365 * HOUR_MS,
      evidence: 'language=rad',
    },
    { id: 'silence_length', value: 3.4, unit: 'days', part: 34, whole: 10, evidence: 'outcome=missed,unreported' },
  ],
};
