// The pages of the administration: which there are, who finds them, and how each is loaded. One line adds a page; its words stand in
// words.ts.
import type { Component } from 'svelte';
import type { Right } from '../api.ts';

export type AdminPage = 'users' | 'keys' | 'tokens' | 'areas' | 'hours' | 'health' | 'audit' | 'settings';

export interface PageEntry {
  page: AdminPage;
  /** Shown to whoever has one of these in some place. */
  rights: Right[];
  /** It speaks of the whole center, so one of the rights has to count at the top. */
  top: boolean;
  /** It reads what stands behind its name in the address from `view.route`. */
  load: () => Promise<{ default: Component<Record<string, never>> }>;
}

export const PAGES: PageEntry[] = [
  { page: 'users', rights: ['manage_people'], top: false, load: () => import('./users/Users.svelte') },
  { page: 'keys', rights: ['manage_trust', 'approve'], top: false, load: () => import('./keys/Keys.svelte') },
  { page: 'tokens', rights: ['manage_people'], top: false, load: () => import('./Tokens.svelte') },
  {
    page: 'areas',
    rights: ['see', 'manage_areas', 'manage_trust'],
    top: false,
    load: () => import('../areas/AreasPage.svelte'),
  },
  {
    page: 'hours',
    rights: ['see', 'manage_areas', 'manage_trust'],
    top: false,
    load: () => import('../areas/Hours.svelte'),
  },
  { page: 'health', rights: ['read_audit', 'manage_areas'], top: true, load: () => import('./Health.svelte') },
  { page: 'audit', rights: ['read_audit'], top: true, load: () => import('./audit/Audit.svelte') },
  { page: 'settings', rights: ['manage_areas', 'read_audit'], top: true, load: () => import('./Settings.svelte') },
];
