// The fake center's bulletins, and its check of an approval: written anew with Node's cryptography from DSSE and the statement's
// definition, so that it shares no code with the page it judges.
import { createHash, createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Priority } from '../src/lib/api.ts';
import type { Area, Bulletin, Certified, Revision } from '../src/lib/approve/calls.ts';
import type { Plays } from '../src/lib/bulletins/calls.ts';
import type { Envelope } from '../src/lib/signing/envelope.ts';
import type { Approval } from '../src/lib/signing/statements.ts';
import type { TestKey } from './keys.ts';
import { NOW_MS } from './samples.ts';

const DAY_MS = 24 * 60 * 60_000;
const FIELDS =
  'site,bulletin,revision,title,media,areas,highest,valid_from_ms,valid_until_ms,made_ms,approver' as const;

/** A refusal, as the center words it. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    detail: string,
  ) {
    super(detail);
  }
}

export class FakeDesk {
  bulletins: Bulletin[] = [];
  areas: Area[] = [
    { code: '66', title: 'Tỉnh Đắk Lắk', parent: null },
    { code: '24133', title: 'Phường Buôn Ma Thuột', parent: '66' },
    { code: '24169', title: 'Xã Ea Kao', parent: '66' },
  ];
  /** What each bulletin's coming plays are said to be. */
  coming: Plays['coming'] = [];
  certificates: Certified[] = [];
  readonly media = new Map<string, Buffer>();
  /** Every approval that was taken, oldest first. */
  readonly approvals: Approval[] = [];
  /** Why each was not listened to; null where it was. */
  readonly unheard: (string | null)[] = [];
  /** Words instead of a verdict, as where a certificate has been revoked meanwhile. */
  refusal: string | null = null;

  certify(key: TestKey, changes: Partial<Certified['certificate']> = {}): void {
    const certificate = {
      site: 'mau',
      role: 'approver',
      title: key.sealed.title,
      key: key.sealed.public_key,
      areas: ['66'],
      highest: 'priority' as Priority,
      valid_from_ms: NOW_MS - DAY_MS,
      valid_until_ms: NOW_MS + 365 * DAY_MS,
      ...changes,
    };
    this.certificates.push({ key: key.id, certificate });
  }

  /** A submitted bulletin with this sound; its only revision. */
  submit(changes: Partial<Bulletin> = {}, revision: Partial<Revision> = {}, sound = aSound()): Bulletin {
    const media = createHash('sha256').update(sound).digest('hex');
    this.media.set(media, sound);
    const bulletin: Bulletin = {
      id: 'cat-nuoc',
      title: 'Thông báo cắt nước',
      language: 'vie',
      area: '24133',
      text: 'Sáng mai cắt nước từ 8 giờ.\nĐề nghị bà con trữ nước.',
      created_ms: NOW_MS - DAY_MS,
      revisions: [
        {
          revision: 1,
          state: 'submitted',
          reason: null,
          intake: 'ready',
          file_name: 'cat nuoc.mp3',
          flaws: [],
          sound: {
            media,
            bytes: sound.length,
            duration_ms: 2000,
            loudness_lufs: -23,
            true_peak_dbtp: -3,
            gain_db: 4.5,
          },
          created_ms: NOW_MS - DAY_MS / 24,
          ...revision,
        },
      ],
      ...changes,
    };
    this.bulletins.push(bulletin);
    return bulletin;
  }

  step(
    id: string,
    number: number,
    step: string,
    body: { reason?: string; approval?: Envelope; listened?: boolean; unheard?: string },
  ): Bulletin {
    const bulletin = this.bulletins.find((one) => one.id === id);
    const revision = bulletin?.revisions.find((one) => one.revision === number);
    if (bulletin === undefined || revision === undefined) throw new Refused(404, 'no such revision');
    if (revision.state !== 'submitted') throw new Refused(409, `this revision is ${revision.state}`);
    if (step === 'return') {
      if ((body.reason ?? '').trim() === '') throw new Refused(409, 'say why it is returned');
      revision.state = 'returned';
      revision.reason = body.reason ?? null;
    } else {
      const unheard = (body.unheard ?? '').trim();
      if (body.listened !== true && unheard === '') throw new Refused(400, 'listen to all of it first, or say why');
      this.#approve(bulletin, revision, body.approval);
      this.unheard.push(body.listened === true ? null : unheard);
    }
    return bulletin;
  }

  #approve(bulletin: Bulletin, revision: Revision, envelope: Envelope | undefined): void {
    if (this.refusal !== null) throw new Refused(400, this.refusal);
    const { approval, certified } = this.#opened(envelope);
    const own = [approval.site, approval.bulletin, approval.revision, approval.title, approval.media];
    const wanted = ['mau', bulletin.id, revision.revision, bulletin.title, revision.sound?.media];
    if (JSON.stringify(own) !== JSON.stringify(wanted)) throw new Refused(400, 'it is for other content');
    this.approvals.push(approval);
    revision.approvals = [
      ...(revision.approvals ?? []),
      { approver: certified.key, title: certified.certificate.title },
    ];
    if (revision.approvals.length >= (revision.approvals_needed ?? 1)) revision.state = 'approved';
  }

  #opened(envelope: Envelope | undefined): { approval: Approval; certified: Certified } {
    if (envelope === undefined) throw new Refused(400, 'an approval must be signed');
    if (Object.keys(envelope).join() !== 'payloadType,payload,signatures') throw new Refused(400, 'unknown fields');
    if (envelope.payloadType !== 'application/vnd.loaxa.approval.v1+json') throw new Refused(400, 'another type');
    const payload = Buffer.from(envelope.payload, 'base64');
    const approval = JSON.parse(payload.toString('utf8')) as Approval;
    if (Object.keys(approval).join() !== FIELDS) throw new Refused(400, 'its fields are not those of an approval');
    const certified = this.certificates.find(({ key }) => key === approval.approver);
    if (certified === undefined) throw new Refused(400, 'its approver is not known here');
    const x = Buffer.from(certified.certificate.key, 'base64').toString('base64url');
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
    const head = `DSSEv1 ${envelope.payloadType.length} ${envelope.payloadType} ${payload.length} `;
    const signed = Buffer.concat([Buffer.from(head), payload]);
    const [signature] = envelope.signatures;
    const good =
      envelope.signatures.length === 1 &&
      signature?.keyid === certified.key &&
      verify(null, signed, key, Buffer.from(signature.sig, 'base64'));
    if (!good) throw new Refused(400, 'it is not signed by the key that should have signed it');
    return { approval, certified };
  }
}

/** The first pages of a real bulletin in the broadcast form: two seconds of Ogg Opus. */
export function aSound(pages = 4): Buffer {
  const file = readFileSync(new URL('../../playlists/audio/cat-nuoc.opus', import.meta.url));
  let at = 0;
  for (let page = 0; page < pages; page += 1) {
    const segments = file[at + 26] ?? 0;
    const lengths = file.subarray(at + 27, at + 27 + segments);
    at += 27 + segments + lengths.reduce((sum, length) => sum + length, 0);
  }
  return file.subarray(0, at);
}
