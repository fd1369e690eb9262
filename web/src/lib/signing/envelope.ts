// DSSE envelopes, byte by byte those of src/protocol/envelope.rs: the payload's bytes are signed as they are.
import { fromBase64, keyId, SignError, toBase64, type Bytes } from './keys.ts';
import { statementBytes, type PayloadType, type Statements } from './statements.ts';

export interface Envelope {
  payloadType: string;
  payload: string;
  signatures: { keyid: string; sig: string }[];
}

const utf8 = new TextEncoder();

/** DSSE 1.0.2: what is really signed. */
export function preAuthenticationEncoding(payloadType: string, payload: Uint8Array): Bytes {
  const head = utf8.encode(`DSSEv1 ${utf8.encode(payloadType).length} ${payloadType} ${payload.length} `);
  const bytes = new Uint8Array(head.length + payload.length);
  bytes.set(head);
  bytes.set(payload, head.length);
  return bytes;
}

/** Signs, and makes sure that the public half, which names the signer, belongs to the key that signed. */
export async function signStatement<T extends PayloadType>(
  payloadType: T,
  statement: Statements[T],
  key: CryptoKey,
  publicKey: string,
): Promise<Envelope> {
  const payload = statementBytes(payloadType, statement);
  const signed = preAuthenticationEncoding(payloadType, payload);
  const sig = new Uint8Array(await crypto.subtle.sign('Ed25519', key, signed));
  const half = await crypto.subtle.importKey('raw', fromBase64(publicKey), 'Ed25519', false, ['verify']);
  if (!(await crypto.subtle.verify('Ed25519', half, sig, signed))) throw new SignError('other_key');
  const keyid = await keyId(publicKey);
  return { payloadType, payload: toBase64(payload), signatures: [{ keyid, sig: toBase64(sig) }] };
}
