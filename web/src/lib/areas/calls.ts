// The calls of units that go another way than JSON: files as they are.
import { call, readJson, type Schema } from '../api.ts';

export type ImportView = Schema<'ImportView'>;
export type Proposal = Schema<'MergerProposal'>;
export type MergerView = Schema<'MergerView'>;

/** Thousands of lines are compared in a second; a slow line takes longer to carry them. */
const PATIENCE_MS = 120_000;

function post(path: string, file: Blob): Promise<Response> {
  return call(path, { method: 'POST', headers: { 'content-type': 'text/csv' }, body: file }, PATIENCE_MS);
}

export async function importList(file: Blob, province: string, dryRun: boolean): Promise<ImportView> {
  const asked = new URLSearchParams({ dry_run: String(dryRun) });
  if (province !== '') asked.set('province', province);
  return readJson<ImportView>(await post(`/areas/import?${asked}`, file));
}

export async function readConversion(file: Blob): Promise<Proposal> {
  return readJson<Proposal>(await post('/areas/conversion', file));
}
