// What set-up says to the center, before and after there is one. The shapes are the API's; nothing is kept here.
import { ApiError, asApiError, call, readJson, send, type Schema } from '../api.ts';

export type Stage = Schema<'Stage'>;
export type NewCenter = Schema<'NewCenter'>;
export type CenterMade = Schema<'CenterMade'>;

/** How far set-up has come; a center that does not know the question only makes first administrators. */
export async function getStage(): Promise<Stage> {
  try {
    return (await readJson<Schema<'SetupStage'>>(await call('/setup', {}))).stage;
  } catch (error) {
    const { status } = asApiError(error);
    if (status === 404 || status === 405) return 'admin';
    throw error;
  }
}

/** Makes the center. Null where its answer was lost though it was made. */
export async function found(center: NewCenter): Promise<CenterMade | null> {
  try {
    return await readJson<CenterMade>(await send('POST', '/setup/center', center));
  } catch (error) {
    const known = asApiError(error);
    // Somebody, most likely this page a moment ago, has made it.
    if (known.status === 409) return null;
    if (known.status !== null) throw known;
    // The line was lost on the way there or on the way back; the center knows which.
    if ((await settled()) === 'center') throw known;
    return null;
  }
}

const ASK_AGAIN_MS = 400;
const PATIENCE_MS = 60_000;

/** Waits until the center that was just made answers as one. */
export async function untilServing(): Promise<void> {
  if ((await settled('center')) === 'center') throw new ApiError(null, 'no answer', '');
}

/** Asks until somebody answers with a stage other than `not`. */
async function settled(not: Stage | null = null): Promise<Stage> {
  const until_ms = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      const stage = await getStage();
      if (stage !== not || Date.now() > until_ms) return stage;
    } catch (error) {
      if (Date.now() > until_ms) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
  }
}

/** Adds one area below the top; one that is there already is as good. */
export async function addArea(code: string, title: string, parent: string): Promise<void> {
  try {
    await send('POST', '/areas', { code, title, parent });
  } catch (error) {
    if (asApiError(error).status !== 409) throw error;
  }
}
