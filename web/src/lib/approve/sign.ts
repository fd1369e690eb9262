// What an approver signs and how: the statement, DSSE's encoding of it, and the sealed key that is opened for it. It follows
// src/domain/approval.rs, src/protocol/envelope.rs and src/protocol/keys.rs byte by byte (tests/golden holds both to it).
// It sends nothing, stores nothing and reads no clock.
import { argon2id } from '@noble/hashes/argon2.js';

export type Bytes = Uint8Array<ArrayBuffer>;

/** This revision, with exactly this sound, may be played here, up to this priority, in this time. */
export interface Approval {
  site: string;
  bulletin: string;
  revision: number;
  title: string;
  /** SHA-256 of the sound, in hex. */
  media: string;
  areas: string[];
  highest: string;
  valid_from_ms: number;
  valid_until_ms: number;
  made_ms: number;
  /** Fingerprint of the key that signs. */
  approver: string;
}

export interface Envelope {
  payloadType: string;
  payload: string;
  signatures: { keyid: string; sig: string }[];
}

/** A private key under a passphrase, as its file holds it. */
export interface SealedKey {
  format: 'loaxa-sealed-key-v1';
  title: string;
  public_key: string;
  memory_kib: number;
  passes: number;
  salt: string;
  nonce: string;
  sealed: string;
}

/** `insecure`: browsers sign only on pages that came over HTTPS. `other_key`: the file's halves do not belong together. */
export type SignProblem = 'not_a_key' | 'wrong_passphrase' | 'no_ed25519' | 'insecure' | 'other_key';

export class SignError extends Error {
  constructor(readonly code: SignProblem) {
    super(code);
  }
}

export const APPROVAL_TYPE = 'application/vnd.loaxa.approval.v1+json';
/** A sealed key is half a kilobyte; whatever is much larger is another file. */
export const SEALED_KEY_BYTES = 16 * 1024;
// The bounds of keys.rs: a file from a stranger may not take a machine's memory or an hour.
const MOST_MEMORY_KIB = 1024 * 1024;
const MOST_PASSES = 16;
/** RFC 8410: what stands before the 32-byte seed in an Ed25519 key's PKCS#8 form. */
const PKCS8_HEAD = [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

const utf8 = new TextEncoder();

/** Whether this page, in this browser, can sign at all. */
export async function signingProblem(): Promise<SignProblem | null> {
  const subtle = (globalThis.crypto as Crypto | undefined)?.subtle;
  if (subtle === undefined) return 'insecure';
  try {
    await subtle.importKey('pkcs8', pkcs8(new Uint8Array(32)), 'Ed25519', false, ['sign']);
    return null;
  } catch {
    return 'no_ed25519';
  }
}

export function readSealedKey(text: string): SealedKey {
  let file: Partial<Record<keyof SealedKey, unknown>>;
  try {
    file = JSON.parse(text) as typeof file;
  } catch {
    throw new SignError('not_a_key');
  }
  if (typeof file !== 'object' || file === null || file.format !== 'loaxa-sealed-key-v1')
    throw new SignError('not_a_key');
  const { format, title, public_key, memory_kib, passes, salt, nonce, sealed } = file;
  const numbers = whole(memory_kib, 8, MOST_MEMORY_KIB) && whole(passes, 1, MOST_PASSES);
  const texts = [title, public_key, salt, nonce, sealed].every((part) => typeof part === 'string');
  if (!numbers || !texts) throw new SignError('not_a_key');
  const key = { format, title, public_key, memory_kib, passes, salt, nonce, sealed } as SealedKey;
  const sizes = [fromBase64(key.public_key).length, fromBase64(key.nonce).length, fromBase64(key.sealed).length];
  // The seed and the 16 bytes of GCM's tag; Argon2 wants at least 8 bytes of salt.
  if (String(sizes) !== '32,12,48' || fromBase64(key.salt).length < 8) throw new SignError('not_a_key');
  return key;
}

/** Opens the seal. Takes seconds and the memory the file asks for, so it belongs into a worker. */
export async function openSeal(
  sealed: SealedKey,
  passphrase: string,
  progress: (part: number) => void = () => {},
): Promise<CryptoKey> {
  // As typed first, like the command line; keyboards differ in how they compose Vietnamese letters.
  const spellings = new Set([passphrase, passphrase.normalize('NFC')]);
  for (const spelling of spellings) {
    const seed = await unseal(sealed, utf8.encode(spelling), progress);
    if (seed === null) continue;
    const wrapped = pkcs8(seed);
    try {
      return await crypto.subtle.importKey('pkcs8', wrapped, 'Ed25519', false, ['sign']);
    } finally {
      seed.fill(0);
      wrapped.fill(0);
    }
  }
  throw new SignError('wrong_passphrase');
}

async function unseal(sealed: SealedKey, passphrase: Bytes, progress: (part: number) => void): Promise<Bytes | null> {
  const cost = { m: sealed.memory_kib, t: sealed.passes, p: 1, dkLen: 32, onProgress: progress };
  // Argon2's working memory counts in bytes here, and a little more than the blocks themselves.
  const maxmem = (sealed.memory_kib + 1024) * 1024;
  const derived = argon2id(passphrase, fromBase64(sealed.salt), { ...cost, maxmem }) as Bytes;
  passphrase.fill(0);
  try {
    const key = await crypto.subtle.importKey('raw', derived, 'AES-GCM', false, ['decrypt']);
    const how = { name: 'AES-GCM', iv: fromBase64(sealed.nonce), additionalData: fromBase64(sealed.public_key) };
    return new Uint8Array(await crypto.subtle.decrypt(how, key, fromBase64(sealed.sealed)));
  } catch {
    return null;
  } finally {
    derived.fill(0);
  }
}

/** The statement's bytes: fields in the order of the Rust struct, without spaces. */
export function statementBytes(approval: Approval): Bytes {
  const { site, bulletin, revision, title, media, areas, highest } = approval;
  const { valid_from_ms, valid_until_ms, made_ms, approver } = approval;
  return utf8.encode(
    JSON.stringify({
      site,
      bulletin,
      revision,
      title,
      media,
      areas,
      highest,
      valid_from_ms,
      valid_until_ms,
      made_ms,
      approver,
    }),
  );
}

/** DSSE 1.0.2: what is really signed. */
export function preAuthenticationEncoding(payloadType: string, payload: Uint8Array): Bytes {
  const head = utf8.encode(`DSSEv1 ${utf8.encode(payloadType).length} ${payloadType} ${payload.length} `);
  const bytes = new Uint8Array(head.length + payload.length);
  bytes.set(head);
  bytes.set(payload, head.length);
  return bytes;
}

/** Signs, and makes sure that the public half, which names the approver, belongs to the key that signed. */
export async function signApproval(approval: Approval, key: CryptoKey, publicKey: string): Promise<Envelope> {
  const payload = statementBytes(approval);
  const signed = preAuthenticationEncoding(APPROVAL_TYPE, payload);
  const sig = new Uint8Array(await crypto.subtle.sign('Ed25519', key, signed));
  const half = await crypto.subtle.importKey('raw', fromBase64(publicKey), 'Ed25519', false, ['verify']);
  if (!(await crypto.subtle.verify('Ed25519', half, sig, signed))) throw new SignError('other_key');
  const keyid = await keyId(publicKey);
  return { payloadType: APPROVAL_TYPE, payload: toBase64(payload), signatures: [{ keyid, sig: toBase64(sig) }] };
}

/** The fingerprint of a public key: the first 16 bytes of its SHA-256 in hex. */
export async function keyId(publicKey: string): Promise<string> {
  return (await sha256(fromBase64(publicKey))).slice(0, 32);
}

export async function sha256(bytes: Bytes): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function toBase64(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
}

/** Standard base64 with its padding, as Rust reads it; `atob` alone would forgive more. */
export function fromBase64(text: string): Bytes {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) throw new SignError('not_a_key');
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

function pkcs8(seed: Uint8Array): Bytes {
  return Uint8Array.from([...PKCS8_HEAD, ...seed]);
}

function whole(value: unknown, least: number, most: number): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most;
}
