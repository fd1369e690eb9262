// Ed25519 keys, and how a private one is sealed under its owner's passphrase: opened, and made. It follows
// src/protocol/keys.rs byte by byte (tests/golden holds both to it). It sends nothing, stores nothing and reads no clock.
import { argon2id } from '@noble/hashes/argon2.js';

export type Bytes = Uint8Array<ArrayBuffer>;

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
export type SignProblem =
  'not_a_key' | 'wrong_passphrase' | 'short_passphrase' | 'no_ed25519' | 'insecure' | 'other_key';

export class SignError extends Error {
  constructor(readonly code: SignProblem) {
    super(code);
  }
}

export const MIN_PASSPHRASE_CHARS = 8;
/** A sealed key is half a kilobyte; whatever is much larger is another file. */
export const SEALED_KEY_BYTES = 16 * 1024;
/** What a new key's seal costs, as keys.rs has it. */
export const COST = { memory_kib: 64 * 1024, passes: 3 } as const;
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
  const derived = derive(passphrase, { ...sealed, salt: fromBase64(sealed.salt) }, progress);
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

/** Argon2id's key; the passphrase's bytes are wiped. */
function derive(
  passphrase: Bytes,
  { memory_kib, passes, salt }: { memory_kib: number; passes: number; salt: Bytes },
  progress: (part: number) => void,
): Bytes {
  const cost = { m: memory_kib, t: passes, p: 1, dkLen: 32, onProgress: progress };
  // Argon2's working memory counts in bytes here, and a little more than the blocks themselves.
  const maxmem = (memory_kib + 1024) * 1024;
  const derived = argon2id(passphrase, salt, { ...cost, maxmem }) as Bytes;
  passphrase.fill(0);
  return derived;
}

/** A new key, sealed. It takes seconds, like opening one. The key itself is forgotten at once: only the seal gives it back. */
export async function makeKey(
  title: string,
  passphrase: string,
  progress: (part: number) => void = () => {},
): Promise<SealedKey> {
  if ([...passphrase].length < MIN_PASSPHRASE_CHARS) throw new SignError('short_passphrase');
  const pair = (await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify'])) as CryptoKeyPair;
  const half = new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey));
  const wrapped = new Uint8Array(await crypto.subtle.exportKey('pkcs8', pair.privateKey));
  // Without the optional public half, whose place would be after it.
  const seed = wrapped.slice(PKCS8_HEAD.length, PKCS8_HEAD.length + 32);
  wrapped.fill(0);
  const [salt, nonce] = [crypto.getRandomValues(new Uint8Array(16)), crypto.getRandomValues(new Uint8Array(12))];
  // Keyboards differ in how they compose Vietnamese letters; `openSeal` and most terminals know this form.
  const spelling = passphrase.normalize('NFC');
  try {
    return await sealSeed({ seed, half, title, passphrase: spelling, ...COST, salt, nonce }, progress);
  } finally {
    seed.fill(0);
  }
}

export interface Unsealed {
  seed: Bytes;
  half: Bytes;
  title: string;
  passphrase: string;
  memory_kib: number;
  passes: number;
  salt: Bytes;
  nonce: Bytes;
}

export async function sealSeed(key: Unsealed, progress: (part: number) => void = () => {}): Promise<SealedKey> {
  const { seed, half, title, memory_kib, passes, salt, nonce } = key;
  const derived = derive(utf8.encode(key.passphrase), { memory_kib, passes, salt }, progress);
  try {
    const aes = await crypto.subtle.importKey('raw', derived, 'AES-GCM', false, ['encrypt']);
    const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv: nonce, additionalData: half }, aes, seed);
    return {
      format: 'loaxa-sealed-key-v1',
      title,
      public_key: toBase64(half),
      memory_kib,
      passes,
      salt: toBase64(salt),
      nonce: toBase64(nonce),
      sealed: toBase64(new Uint8Array(sealed)),
    };
  } finally {
    derived.fill(0);
  }
}

/** The file that a person keeps, as the command line writes it. */
export function keyFile(key: SealedKey): string {
  return `${JSON.stringify(key, null, 2)}\n`;
}

/** The public key in what a person pasted or uploaded: alone in base64, or in a sealed key's file. */
export function readPublicKey(text: string): string {
  const trimmed = text.trim();
  if (trimmed.startsWith('{')) return readSealedKey(trimmed).public_key;
  if (fromBase64(trimmed).length !== 32) throw new SignError('not_a_key');
  return trimmed;
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
