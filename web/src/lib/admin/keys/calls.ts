// What the page of keys hands to the center: statements that the authority has signed. It keeps nothing.
import { call } from '../../api.ts';
import type { Envelope } from '../../signing/envelope.ts';

/** Refused if the list has changed since it was read: an older one would take back what somebody else has just revoked. */
export async function putTrust(envelope: Envelope, etag: string | null): Promise<void> {
  await call('/trust', { method: 'PUT', headers: headers(etag), body: JSON.stringify(envelope) });
}

export async function addCertificate(envelope: Envelope): Promise<void> {
  await call('/certificates', { method: 'POST', headers: headers(null), body: JSON.stringify(envelope) });
}

function headers(etag: string | null): Record<string, string> {
  return { 'content-type': 'application/json', ...(etag === null ? {} : { 'if-match': etag }) };
}
