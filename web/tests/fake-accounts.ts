// The fake center's people: one account, its password and second factor, its sessions. It knows the API's shapes and refusals
// and guards nothing.
import type { Right, Who } from '../src/lib/api.ts';
import type { SessionRow } from '../src/lib/account/calls.ts';
import { HOUR_MS, NOW_MS } from './samples.ts';

export const SECRET = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP';
export const RECOVERY_CODES = Array.from({ length: 10 }, (_, i) => `k7wq-${i}dmz`);

const ALL_RIGHTS: Right[] = [
  'see',
  'edit_content',
  'approve',
  'operate_speakers',
  'manage_areas',
  'manage_trust',
  'manage_people',
  'read_audit',
];

export interface Answer {
  status: number;
  body?: unknown;
  type?: string;
  detail?: string;
  retryAfter_s?: number;
}

export class FakeAccounts {
  who: Who = {
    name: 'duyet',
    title: 'Nguyễn Thị Duyệt',
    grants: [{ role: 'approver', area: '24133' }],
    rights: ['see', 'approve'],
    totp: false,
    ends_ms: NOW_MS + 12 * HOUR_MS,
  };
  /** What the access token acts as. */
  local: Who = {
    ...this.who,
    name: 'local',
    title: 'Trung tâm',
    grants: [{ role: 'admin', area: '66' }],
    rights: ALL_RIGHTS,
  };
  password = 'mot cau dai de nho';
  code = '123456';
  /** Too many tries: so many seconds to wait. */
  wait_s: number | null = null;
  setupCode: string | null = null;
  sessions: SessionRow[] = [
    {
      id: 's1',
      current: true,
      created_ms: NOW_MS - HOUR_MS,
      seen_ms: NOW_MS,
      address: '10.0.0.7',
      agent: 'Chromium, Linux',
    },
    {
      id: 's2',
      current: false,
      created_ms: NOW_MS - 5 * HOUR_MS,
      seen_ms: NOW_MS - 2 * HOUR_MS,
      address: '10.0.0.9',
      agent: 'Firefox, Android',
    },
  ];
  /** Null at a center that knows no people by name. */
  signedIn: Who | null = null;

  signIn(given: { name: string; password: string; code?: string }): Answer {
    if (this.wait_s !== null) return { status: 429, detail: 'too many tries', retryAfter_s: this.wait_s };
    const wrong: Answer = { status: 401, detail: 'the name or the password is wrong' };
    if (given.name !== this.who.name || given.password !== this.password) return wrong;
    if (this.who.totp && given.code === undefined) {
      return { status: 401, type: 'loaxa:totp-required', detail: 'a code is needed' };
    }
    if (this.who.totp && given.code !== this.code) return wrong;
    this.signedIn = this.who;
    return { status: 204 };
  }

  setUp(given: { code: string; name: string; title: string; password: string }): Answer {
    if (this.setupCode === null || given.code !== this.setupCode) return { status: 401, detail: 'wrong set-up code' };
    if (given.password === 'mat khau qua de doan')
      return { status: 400, detail: 'that password is among the commonest' };
    this.setupCode = null;
    this.who = {
      ...this.who,
      name: given.name,
      title: given.title,
      grants: [{ role: 'admin', area: '66' }],
      rights: ALL_RIGHTS,
    };
    this.password = given.password;
    return { status: 204 };
  }

  /** What needs a session, by "METHOD /path". */
  answer(call: string, body: Record<string, string>): Answer | null {
    switch (call) {
      case 'GET /session':
        return this.signedIn === null ? { status: 405 } : { status: 200, body: this.signedIn };
      case 'PUT /session/password':
        if (body['old'] !== this.password) return { status: 400, detail: 'the old password is wrong' };
        this.password = body['new'] ?? '';
        return { status: 204 };
      case 'POST /session/totp':
        if (body['password'] !== this.password) return { status: 400, detail: 'the password is wrong' };
        return { status: 200, body: { secret: SECRET, uri: `otpauth://totp/loaxa:${this.who.name}?secret=${SECRET}` } };
      case 'POST /session/totp/confirm':
        if (body['code'] !== this.code) return { status: 400, detail: 'that code is not right' };
        this.#totp(true);
        return { status: 200, body: { recovery_codes: RECOVERY_CODES } };
      case 'DELETE /session/totp':
        if (body['password'] !== this.password) return { status: 400, detail: 'the password is wrong' };
        this.#totp(false);
        return { status: 204 };
      case 'GET /sessions':
        return { status: 200, body: { items: this.sessions } };
      default:
        return this.#endOne(call);
    }
  }

  #endOne(call: string): Answer | null {
    const id = /^DELETE \/sessions\/(.+)$/.exec(call)?.[1];
    if (id === undefined) return null;
    this.sessions = this.sessions.filter((session) => session.id !== id);
    return { status: 204 };
  }

  #totp(on: boolean): void {
    this.who = { ...this.who, totp: on };
    this.signedIn = this.who;
  }
}
