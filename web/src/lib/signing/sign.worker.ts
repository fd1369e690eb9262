// Opens a sealed key and signs, or makes a key, away from the page, so that it stays alive meanwhile. One question, one answer;
// the page ends the worker afterwards, and with it goes whatever memory held the key. It has no network and no storage code.
import { signStatement, type Envelope } from './envelope.ts';
import { makeKey, openSeal, SignError, type SealedKey, type SignProblem } from './keys.ts';
import type { PayloadType, Statements } from './statements.ts';

/** What is to be signed, and by which key. */
export interface Order<T extends PayloadType = PayloadType> {
  sealed: SealedKey;
  passphrase: string;
  payloadType: T;
  statement: Statements[T];
}

/** Whose key is to be made. */
export interface Wish {
  title: string;
  passphrase: string;
}

export type Question = { kind: 'sign'; order: Order } | { kind: 'make'; wish: Wish };

export type Answer =
  | { kind: 'opening'; part: number }
  | { kind: 'signed'; envelope: Envelope }
  | { kind: 'made'; sealed: SealedKey }
  | { kind: 'failed'; why: SignProblem | null };

const answer = (message: Answer): void => self.postMessage(message);
const opening = (part: number): void => answer({ kind: 'opening', part });

self.addEventListener('message', async ({ data }: MessageEvent<Question>) => {
  try {
    if (data.kind === 'make') {
      const { title, passphrase } = data.wish;
      answer({ kind: 'made', sealed: await makeKey(title, passphrase, opening) });
    } else {
      const { sealed, passphrase, payloadType, statement } = data.order;
      const key = await openSeal(sealed, passphrase, opening);
      answer({ kind: 'signed', envelope: await signStatement(payloadType, statement, key, sealed.public_key) });
    }
  } catch (error) {
    answer({ kind: 'failed', why: error instanceof SignError ? error.code : null });
  }
});
