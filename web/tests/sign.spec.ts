// What is signed, against what the center's own program wrote: the golden files are the judge of both.
import { expect, test } from '@playwright/test';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { overstep, pathOf, progressOf } from '../src/lib/approve/check.ts';
import type { Certified } from '../src/lib/approve/calls.ts';
import { oggOpusLength } from '../src/lib/approve/ogg.ts';
import { plain } from '../src/lib/plain.ts';
import { preAuthenticationEncoding, signStatement, type Envelope } from '../src/lib/signing/envelope.ts';
import {
  COST,
  fromBase64,
  keyFile,
  keyId,
  makeKey,
  openSeal,
  readPublicKey,
  readSealedKey,
  sealSeed,
  sha256,
  SignError,
  signingProblem,
  toBase64,
  type SealedKey,
} from '../src/lib/signing/keys.ts';
import {
  APPROVAL_TYPE,
  HOURS_TYPE,
  statementBytes,
  type Approval,
  type HoursStatement,
  type PayloadType,
} from '../src/lib/signing/statements.ts';
import { seal } from './keys.ts';
import { aSound } from './fake-desk.ts';

const golden = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../tests/golden/${name}`, import.meta.url), 'utf8'));
const APPROVAL = golden('approval.json') as Approval;
const SIGNED = (golden('signed-plan.json') as { approvals: [Envelope] }).approvals[0];
const SEALED = golden('sealed-key.json') as SealedKey;
const PASSPHRASE = 'ngõ nhỏ, phố nhỏ: 12 cây bàng';
/** The golden approver's seed: 32 bytes of 3. Its public half is in the golden certificate. */
const SEED = Buffer.alloc(32, 3);
const PUBLIC = (golden('certificate.json') as { key: string }).key;

const problemOf = async (work: () => unknown): Promise<string> => {
  try {
    await work();
    return 'none';
  } catch (error) {
    return error instanceof SignError ? error.code : String(error);
  }
};

test('the statement is byte by byte the one that Rust writes', () => {
  expect(Buffer.from(statementBytes(APPROVAL_TYPE, APPROVAL)).toString('utf8')).toBe(
    Buffer.from(SIGNED.payload, 'base64').toString('utf8'),
  );
  // Whatever order the fields came in.
  const shuffled = Object.fromEntries(Object.entries(APPROVAL).reverse()) as unknown as Approval;
  expect(statementBytes(APPROVAL_TYPE, shuffled)).toEqual(statementBytes(APPROVAL_TYPE, APPROVAL));
});

test('the same key signs the same envelope as Rust', async () => {
  const key = seal(SEED, Buffer.from(PUBLIC, 'base64'), 'x', 'tám chữ cái');
  const opened = await openSeal(key.sealed, 'tám chữ cái');
  expect(opened.extractable).toBe(false);
  expect(await signStatement(APPROVAL_TYPE, APPROVAL, opened, PUBLIC)).toEqual(SIGNED);
  expect(await keyId(PUBLIC)).toBe(APPROVAL.approver);
});

interface Signed {
  seed: string;
  public_key: string;
  statement: never;
  envelope: Envelope;
}

test('every kind of statement is signed to the byte as Rust signs it', async () => {
  const kinds = new Set<string>();
  for (const { seed, public_key, statement, envelope } of golden('signed-statements.json') as Signed[]) {
    const [bytes, half] = [Buffer.from(seed, 'hex'), Buffer.from(public_key, 'base64')];
    const opened = await openSeal(seal(bytes, half, 'x', 'tám chữ cái').sealed, 'tám chữ cái');
    const type = envelope.payloadType as PayloadType;
    const shuffled = Object.fromEntries(Object.entries(statement).reverse()) as never;
    expect(await signStatement(type, shuffled, opened, public_key), type).toEqual(envelope);
    kinds.add(type);
  }
  expect(kinds.size).toBe(5);
});

test('a statement that would not say what was meant is not signed', () => {
  const hours = golden('hours.json') as HoursStatement;
  const bytes = (changes: object) => () => statementBytes(HOURS_TYPE, { ...hours, ...changes });
  expect(bytes({ max_day_s: null })).not.toThrow();
  expect(bytes({ area: undefined })).toThrow('lacks area');
  expect(bytes({ holidays: true })).toThrow('no field holidays');
  expect(bytes({ version: 2 ** 53 })).toThrow('no whole number');
  expect(bytes({ max_session_s: 0.5 })).toThrow('no whole number');
});

test('a key made here is sealed to the byte as Rust would, and opens', async () => {
  const passphrase = 'bốn từ bất kỳ: sông, gạch';
  // The chances that are otherwise drawn: the golden file is what came of them, and tests/it/golden.rs opens it.
  const seed = new Uint8Array(32).fill(5);
  const half = fromBase64('bnoc3Smwt4/ROvTFWY/v9O8qlxZuPKby5Pv8zYBQW/E=');
  const [salt, nonce] = [new Uint8Array(16).fill(6), new Uint8Array(12).fill(7)];
  const sealed = await sealSeed({ seed, half, title: 'Trần Văn Gốc', passphrase, ...COST, salt, nonce });
  const file = new URL('../../tests/golden/page-key.json', import.meta.url);
  if (process.env['LOAXA_BLESS'] !== undefined) writeFileSync(file, keyFile(sealed));
  expect(keyFile(sealed)).toBe(readFileSync(file, 'utf8'));

  const told: number[] = [];
  // Typed on a keyboard that takes letters and marks apart.
  const made = await makeKey('Lê Thị Duyệt', passphrase.normalize('NFD'), (part) => told.push(part));
  expect(told.at(-1)).toBe(1);
  const read = readSealedKey(keyFile(made));
  expect(read).toEqual(made);
  expect({ ...made, public_key: '', salt: '', nonce: '', sealed: '' }).toEqual({
    ...{ format: 'loaxa-sealed-key-v1', title: 'Lê Thị Duyệt', public_key: '', ...COST },
    ...{ salt: '', nonce: '', sealed: '' },
  });
  const signed = await signStatement(APPROVAL_TYPE, APPROVAL, await openSeal(read, passphrase), made.public_key);
  expect(signed.signatures[0]?.keyid).toBe(await keyId(made.public_key));
  expect(await problemOf(() => makeKey('x', 'bảy chữ'))).toBe('short_passphrase');
});

test('a public key is read from what a person pastes or uploads', async () => {
  expect(readPublicKey(` ${PUBLIC}\n`)).toBe(PUBLIC);
  expect(readPublicKey(JSON.stringify(SEALED))).toBe(SEALED.public_key);
  for (const text of ['', 'AAAA', 'ssh-ed25519 AAAA', '{}', PUBLIC.slice(1)]) {
    expect(await problemOf(() => readPublicKey(text)), text).toBe('not_a_key');
  }
});

test('what is signed is the type and the payload, each with its length', () => {
  const bytes = preAuthenticationEncoding('http://example.com/HelloWorld', Buffer.from('hello world'));
  // The example of the DSSE specification.
  expect(Buffer.from(bytes).toString()).toBe('DSSEv1 29 http://example.com/HelloWorld 11 hello world');
});

test('a key that the command line sealed opens here, with its passphrase alone', async () => {
  const sealed = readSealedKey(JSON.stringify(SEALED));
  const told: number[] = [];
  const key = await openSeal(sealed, PASSPHRASE, (part) => told.push(part));
  // Signing proves that the public half in the file belongs to it.
  const envelope = await signStatement(
    APPROVAL_TYPE,
    { ...APPROVAL, approver: await keyId(SEALED.public_key) },
    key,
    SEALED.public_key,
  );
  expect(envelope.signatures[0]?.keyid).toBe('19eef55a2fa780329693c8b5e6845b7a');
  expect(told.at(-1)).toBe(1);
  expect(await problemOf(() => openSeal(sealed, `${PASSPHRASE} `))).toBe('wrong_passphrase');
});

test('a passphrase opens however the keyboard composes its letters', async () => {
  const composed = 'tiếng Việt có dấu'.normalize('NFC');
  const key = seal(SEED, Buffer.from(PUBLIC, 'base64'), 'x', composed);
  expect(composed.normalize('NFD')).not.toBe(composed);
  expect(await problemOf(() => openSeal(key.sealed, composed.normalize('NFD')))).toBe('none');
});

test('a changed file does not open, and a swapped public half signs nothing', async () => {
  const other = seal(Buffer.alloc(32, 4), Buffer.alloc(32, 9), 'x', 'tám chữ cái');
  const swapped = { ...other.sealed, public_key: PUBLIC };
  expect(await problemOf(() => openSeal(swapped, 'tám chữ cái'))).toBe('wrong_passphrase');
  // Sealed with a public half that is not its own.
  const false_ = seal(Buffer.alloc(32, 4), Buffer.from(PUBLIC, 'base64'), 'x', 'tám chữ cái');
  const key = await openSeal(false_.sealed, 'tám chữ cái');
  expect(await problemOf(() => signStatement(APPROVAL_TYPE, APPROVAL, key, PUBLIC))).toBe('other_key');
});

test('what is no sealed key is refused before any work', async () => {
  const changes: Record<string, unknown>[] = [
    { format: 'loaxa-sealed-key-v2' },
    { memory_kib: 4_000_000 },
    { memory_kib: 1.5 },
    { memory_kib: '65536' },
    { passes: 0 },
    { passes: 17 },
    { salt: 'AAAA' },
    { salt: 'not base64!' },
    { nonce: SEALED.salt },
    { sealed: SEALED.salt },
    { public_key: 'AAAA' },
    { public_key: SEALED.public_key.replace('=', '') },
    { title: 7 },
    { nonce: undefined },
  ];
  for (const change of changes) {
    const text = JSON.stringify({ ...SEALED, ...change });
    expect(await problemOf(() => readSealedKey(text)), JSON.stringify(change)).toBe('not_a_key');
  }
  for (const text of ['', 'ID3', '[]', 'null', '"loaxa-sealed-key-v1"', '{}']) {
    expect(await problemOf(() => readSealedKey(text)), text).toBe('not_a_key');
  }
});

test('base64 and hashes are the standard ones', async () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  expect(toBase64(bytes)).toBe(Buffer.from(bytes).toString('base64'));
  expect(fromBase64(toBase64(bytes))).toEqual(bytes);
  expect(await sha256(bytes)).toBe(createHash('sha256').update(bytes).digest('hex'));
});

test('a page without HTTPS and a browser without Ed25519 are told apart', async () => {
  expect(await signingProblem()).toBeNull();
  const real = Object.getOwnPropertyDescriptor(globalThis, 'crypto') as PropertyDescriptor;
  const pretend = async (value: unknown) => {
    Object.defineProperty(globalThis, 'crypto', { value, configurable: true });
    try {
      return await signingProblem();
    } finally {
      Object.defineProperty(globalThis, 'crypto', real);
    }
  };
  expect(await pretend({ subtle: undefined })).toBe('insecure');
  expect(await pretend({ subtle: { importKey: () => Promise.reject(new Error('NotSupported')) } })).toBe('no_ed25519');
});

test('the length of a sound is read from its own bytes', () => {
  expect(oggOpusLength(aSound(4))).toBe(1_994);
  expect(oggOpusLength(readFileSync(new URL('../../playlists/audio/cat-nuoc.opus', import.meta.url)))).toBe(9_156);
  expect(oggOpusLength(Buffer.from('OggS'))).toBeNull();
  expect(oggOpusLength(readFileSync(new URL('../../playlists/audio/loi-xuong.ogg', import.meta.url)))).toBeNull();
  expect(oggOpusLength(new Uint8Array(0))).toBeNull();
});

test('what a certificate does not cover is said before signing', () => {
  const areas = [
    { code: '66', title: 'Đắk Lắk', parent: null },
    { code: '24133', title: 'Buôn Ma Thuột', parent: '66' },
    { code: '24169', title: 'Ea Kao', parent: '66' },
  ];
  const certified = (changes: Partial<Certified['certificate']> = {}): Certified => ({
    key: APPROVAL.approver,
    certificate: {
      site: 'mau',
      role: 'approver',
      title: 'x',
      key: PUBLIC,
      areas: ['66'],
      highest: 'priority',
      valid_from_ms: APPROVAL.made_ms - 1,
      valid_until_ms: APPROVAL.made_ms + 1,
      ...changes,
    },
  });
  const here = { ...APPROVAL, areas: ['24133'] };
  const cases: [Certified[], Approval, string | undefined][] = [
    [[certified()], here, undefined],
    [[], here, 'unknown'],
    [[{ ...certified(), key: 'another' }], here, 'unknown'],
    [[certified({ role: 'dispatcher' })], here, 'unknown'],
    [[certified({ valid_until_ms: APPROVAL.made_ms - 1 })], here, 'expired'],
    [[certified({ valid_from_ms: APPROVAL.made_ms + 1 })], here, 'early'],
    [[certified({ areas: ['24169'] })], here, 'area'],
    [[certified({ areas: ['24133'] })], { ...here, areas: ['66'] }, 'area'],
    [[certified()], { ...here, highest: 'emergency' }, 'priority'],
    // An old certificate beside a good one.
    [[certified({ valid_until_ms: 0 }), certified()], here, undefined],
  ];
  for (const [certificates, approval, kind] of cases) expect(overstep(approval, certificates, areas)?.kind).toBe(kind);
  expect(pathOf('24133', areas)).toEqual(['24133', '66']);
  // A tree that bites its tail does not hang the page.
  expect(
    pathOf('a', [
      { code: 'a', title: '', parent: 'b' },
      { code: 'b', title: '', parent: 'a' },
    ]),
  ).toEqual(['a', 'b']);
});

test('how many have signed, also where a center does not say', () => {
  const revision = { approvals: [{ approver: 'k', title: 'A' }], approvals_needed: 2 };
  expect(progressOf(revision as never)).toEqual([1, 2]);
  expect(progressOf({} as never)).toEqual([0, 1]);
});

test('marks that steer a line are shown by their number, and letters stay', () => {
  expect(plain('Thông báo \u202ecba\u0007')).toBe('Thông báo [U+202E]cba[U+0007]');
  expect(plain('a\u2066b\u200b\ufeff\u{e0041}')).toBe('a[U+2066]b[U+200B][U+FEFF][U+E0041]');
  for (const fine of ['Ê-đê: Ƀuôn Ma Thuột', 'dòng\nmột\ttab', 'e\u0323\u0302', 'क्‍ष', '👨‍👩‍👧', 'ꨌꩌ']) {
    expect(plain(fine)).toBe(fine);
  }
});
