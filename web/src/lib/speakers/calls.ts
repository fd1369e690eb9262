// Reading all speakers: the first ones at once, so that there is something to see, then all the others by one more question.
import { get } from '../api.ts';
import type { Speaker } from './filter.ts';

const FIRST = 200;
const MOST = 5_000;

/** All that one may see. `begun` is told of the first ones while the rest is on its way. */
export async function allSpeakers(signal: AbortSignal, begun: (first: Speaker[]) => void): Promise<Speaker[]> {
  const speakers: Speaker[] = [];
  let cursor = '';
  do {
    const limit = speakers.length === 0 ? FIRST : MOST;
    const page = await get('/speakers', { query: { cursor, limit }, signal });
    speakers.push(...page.items);
    cursor = page.next_cursor ?? '';
    if (cursor !== '' && speakers.length === FIRST) begun([...speakers]);
  } while (cursor !== '');
  return speakers;
}
