// What the bulletins' part asks of the center beyond `follow(...)`, and small judgements on what it answers. It keeps nothing.
import { readPages, type Listing, type Schema, type Who } from '../api.ts';

export type Bulletin = Schema<'BulletinView'>;
export type Revision = Schema<'RevisionView'>;
export type Flaw = Schema<'Flaw'>;
export type Step = Schema<'StepView'>;
export type Plays = Schema<'BulletinPlays'>;

export interface Area {
  code: string;
  title: string;
  parent?: string | null;
  /** Of a unit that is part of another by now. */
  replaced_by?: string | null;
}

// 20,000 bulletins: years of a province's work.
const PAGES = 40;

/** Every bulletin that one sees, or those of which a revision is in that state. */
export function getBulletins(state: string | null, signal: AbortSignal): Promise<Listing<Bulletin>> {
  const query: Record<string, string> = { limit: '500' };
  if (state !== null) query['state'] = state;
  return readPages<Bulletin>('/bulletins', query, PAGES, ({ id }) => id, signal);
}

export const newest = (bulletin: Bulletin): Revision | undefined => bulletin.revisions.at(-1);

/** Where a revision stands, its file included, in one word. */
export type Standing = 'converting' | 'refused' | 'draft' | 'submitted' | 'approved' | 'returned' | 'withdrawn';

export function standing(revision: Revision | undefined): Standing {
  if (revision === undefined) return 'draft';
  if (revision.state === 'withdrawn') return 'withdrawn';
  if (revision.intake === 'received') return 'converting';
  return revision.intake === 'refused' ? 'refused' : (revision.state as Standing);
}

/** The area and everything above it. */
export function pathOf(code: string, areas: Area[]): string[] {
  const path: string[] = [];
  for (let at: string | null = code; at !== null && !path.includes(at);) {
    path.push(at);
    at = areas.find((area) => area.code === at)?.parent ?? null;
  }
  return path;
}

const MAY = { edit: ['editor', 'admin'], approve: ['approver', 'admin'] };

/** Whether somebody may do this in an area; without knowing who it is, the center decides. */
export function mayIn(who: Who | null, what: keyof typeof MAY, area: string, areas: Area[]): boolean {
  if (who === null) return true;
  const path = pathOf(area, areas);
  return who.grants.some((grant) => MAY[what].includes(grant.role) && path.includes(grant.area));
}

export const mediaUrl = (media: string): string => `/api/v1/media/${encodeURIComponent(media)}`;
