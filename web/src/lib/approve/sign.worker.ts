// Opens the sealed key and signs, away from the page, so that it stays alive meanwhile. One question, one answer; the page ends
// the worker afterwards, and with it goes whatever memory held the key. It has no network and no storage code.
import {
  openSeal,
  signApproval,
  SignError,
  type Approval,
  type Envelope,
  type SealedKey,
  type SignProblem,
} from './sign.ts';

export interface Order {
  sealed: SealedKey;
  passphrase: string;
  approval: Approval;
}

export type Answer =
  | { kind: 'opening'; part: number }
  | { kind: 'signed'; envelope: Envelope }
  | { kind: 'failed'; why: SignProblem | null };

const answer = (message: Answer): void => self.postMessage(message);

self.addEventListener('message', async ({ data }: MessageEvent<Order>) => {
  try {
    const key = await openSeal(data.sealed, data.passphrase, (part) => answer({ kind: 'opening', part }));
    answer({ kind: 'signed', envelope: await signApproval(data.approval, key, data.sealed.public_key) });
  } catch (error) {
    answer({ kind: 'failed', why: error instanceof SignError ? error.code : null });
  }
});
