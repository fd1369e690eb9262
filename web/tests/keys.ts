// Sealed keys for the tests, made with Node's own cryptography: the same file format as the center's command line writes, at a
// cost that a test can pay. One golden file has the real cost.
import { argon2id } from '@noble/hashes/argon2.js';
import { createCipheriv, createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import type { SealedKey } from '../src/lib/signing/keys.ts';

export interface TestKey {
  sealed: SealedKey;
  passphrase: string;
  id: string;
}

export function aKey(title: string, passphrase = 'ngõ nhỏ, phố nhỏ'): TestKey {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const seed = Buffer.from(privateKey.export({ format: 'jwk' }).d ?? '', 'base64url');
  const half = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
  return seal(seed, half, title, passphrase);
}

export function seal(seed: Buffer, half: Buffer, title: string, passphrase: string): TestKey {
  const [salt, nonce] = [randomBytes(16), randomBytes(12)];
  const cost = { memory_kib: 64, passes: 1 };
  const key = argon2id(Buffer.from(passphrase), salt, { m: cost.memory_kib, t: cost.passes, p: 1, dkLen: 32 });
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(half);
  const sealed = Buffer.concat([cipher.update(seed), cipher.final(), cipher.getAuthTag()]);
  return {
    sealed: {
      format: 'loaxa-sealed-key-v1',
      title,
      public_key: half.toString('base64'),
      ...cost,
      salt: salt.toString('base64'),
      nonce: nonce.toString('base64'),
      sealed: sealed.toString('base64'),
    },
    passphrase,
    id: createHash('sha256').update(half).digest('hex').slice(0, 32),
  };
}

/** As an upload of that file. */
export function asFile(key: TestKey): { name: string; mimeType: string; buffer: Buffer } {
  return { name: 'nguoi-duyet.json', mimeType: 'application/json', buffer: Buffer.from(JSON.stringify(key.sealed)) };
}
