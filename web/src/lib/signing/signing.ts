// Has a worker sign, or make a key: starts it, tells how far it is, and ends it in every case.
import type { Envelope } from './envelope.ts';
import { SignError, type SealedKey } from './keys.ts';
import type { Answer, Order, Question, Wish } from './sign.worker.ts';
import workerUrl from './sign.worker.ts?worker&url';
import type { PayloadType } from './statements.ts';

interface TrustedTypes {
  createPolicy(
    name: string,
    rules: { createScriptURL: (url: string) => string },
  ): { createScriptURL(url: string): string };
}

// Trusted Types let a script start from no other address than this one. A policy can be made only once a page.
const trusted = (globalThis as { trustedTypes?: TrustedTypes }).trustedTypes?.createPolicy('loaxa-worker', {
  createScriptURL: () => workerUrl,
});

/** Signs one statement. Neither key nor passphrase leaves this machine. */
export async function sign<T extends PayloadType>(
  order: Order<T>,
  progress: (part: number) => void,
): Promise<Envelope> {
  const answer = await ask({ kind: 'sign', order: order as unknown as Order }, progress);
  if (answer.kind !== 'signed') throw new Error('signing failed');
  return answer.envelope;
}

/** Makes a key; only its seal comes out. */
export async function makeKey(wish: Wish, progress: (part: number) => void): Promise<SealedKey> {
  const answer = await ask({ kind: 'make', wish }, progress);
  if (answer.kind !== 'made') throw new Error('making a key failed');
  return answer.sealed;
}

async function ask(question: Question, progress: (part: number) => void): Promise<Answer> {
  const worker = new Worker(trusted?.createScriptURL(workerUrl) ?? workerUrl, { type: 'module' });
  try {
    return await new Promise<Answer>((resolve, reject) => {
      worker.addEventListener('error', (event) => reject(new Error(event.message || 'the worker did not start')));
      worker.addEventListener('message', ({ data }: MessageEvent<Answer>) => {
        if (data.kind === 'opening') progress(data.part);
        else if (data.kind !== 'failed') resolve(data);
        else reject(data.why === null ? new Error('signing failed') : new SignError(data.why));
      });
      worker.postMessage(question);
    });
  } finally {
    worker.terminate();
  }
}
