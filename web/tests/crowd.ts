// Thousands of made-up speakers: thirty communes in a province, most of them well, the rest ill in every way there is.
import type { Schema } from '../src/lib/api.ts';
import { anAbsentSpeaker, aSpeaker, HOUR_MS, NOW_MS } from './samples.ts';

type Speaker = Schema<'SpeakerListed'>;

export const CROWD_AREAS: Schema<'AreaView'>[] = [
  { code: '66', title: 'Tỉnh Đắk Lắk', parent: null },
  ...Array.from({ length: 30 }, (_, i) => ({ code: `24${100 + i}`, title: `Xã Ea ${i}`, parent: '66' })),
];

export function crowd(count: number): Speaker[] {
  return Array.from({ length: count }, (_, i) => {
    const commune = i % 30;
    const place = {
      latitude: 12.3 + (commune % 6) * 0.15 + ((i * 7919) % 1000) / 20_000,
      longitude: 107.7 + Math.floor(commune / 6) * 0.2 + ((i * 104_729) % 1000) / 20_000,
    };
    const changes: Partial<Speaker> = {
      id: `loa-${String(i).padStart(4, '0')}`,
      title: i % 100 === 7 ? `Chợ phiên ${i}` : `Cụm loa thôn ${i}`,
      area: `24${100 + commune}`,
      area_title: `Xã Ea ${commune}`,
      languages: i % 9 === 0 ? ['rad', 'vie'] : [],
      next_play: { start_ms: NOW_MS + (i % 12) * HOUR_MS, title: 'Chương trình buổi chiều' },
      ...place,
    };
    if (i % 25 === 3) return anAbsentSpeaker(changes);
    if (i % 50 === 5) {
      return aSpeaker({
        ...changes,
        standing: 'attention',
        causes: ['fault'],
        faults: [{ fault: 'hot', words: '82 °C' }],
      });
    }
    return aSpeaker(changes);
  });
}
