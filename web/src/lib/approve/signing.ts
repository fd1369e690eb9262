// Has a worker sign: starts it, tells how far it is, and ends it in every case.
import { SignError, type Envelope } from './sign.ts';
import type { Answer, Order } from './sign.worker.ts';
import workerUrl from './sign.worker.ts?worker&url';

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

export async function sign(order: Order, opening: (part: number) => void): Promise<Envelope> {
  const worker = new Worker(trusted?.createScriptURL(workerUrl) ?? workerUrl, { type: 'module' });
  try {
    return await new Promise<Envelope>((resolve, reject) => {
      worker.addEventListener('error', (event) => reject(new Error(event.message || 'the worker did not start')));
      worker.addEventListener('message', ({ data }: MessageEvent<Answer>) => {
        if (data.kind === 'opening') opening(data.part);
        else if (data.kind === 'signed') resolve(data.envelope);
        else reject(data.why === null ? new Error('signing failed') : new SignError(data.why));
      });
      worker.postMessage(order);
    });
  } finally {
    worker.terminate();
  }
}
