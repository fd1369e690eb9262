// The parts of the page: which there are, who finds them in the navigation, and how each is loaded. One line adds a part.
import type { Component } from 'svelte';
import type { Right } from './api.ts';
import type { IconName } from './ui/Icon.svelte';
import type { Part } from './route.svelte.ts';

export interface PartEntry {
  part: Part;
  icon: IconName;
  /** Shown to whoever has one of these in some place; to everybody where it is empty. */
  rights: Right[];
  /** On phones: whether it stands in the bar at the bottom, where four have room; the others are behind "more". */
  first: boolean;
  /** What stands behind the part's name in the address, each reads from `view.route`. */
  load: () => Promise<{ default: Component<Record<string, never>> }>;
}

/** In the order of the navigation. */
export const PARTS: PartEntry[] = [
  { part: 'overview', icon: 'overview', rights: [], first: true, load: () => import('./overview/Overview.svelte') },
  {
    part: 'speakers',
    icon: 'speakers',
    rights: ['see'],
    first: true,
    load: () => import('./speakers/Speakers.svelte'),
  },
  {
    part: 'bulletins',
    icon: 'bulletins',
    rights: [],
    first: true,
    load: () => import('./bulletins/Bulletins.svelte'),
  },
  {
    part: 'approve',
    icon: 'approve',
    rights: ['approve'],
    first: true,
    load: () => import('./approve/Approvals.svelte'),
  },
  { part: 'schedules', icon: 'schedules', rights: [], first: true, load: () => import('./schedules/Schedules.svelte') },
  {
    part: 'programmes',
    icon: 'programmes',
    rights: [],
    first: false,
    load: () => import('./programmes/Programmes.svelte'),
  },
  { part: 'log', icon: 'log', rights: [], first: false, load: () => import('./log/Log.svelte') },
  { part: 'reports', icon: 'reports', rights: [], first: false, load: () => import('./reports/Reports.svelte') },
  {
    part: 'admin',
    icon: 'admin',
    rights: ['manage_people', 'manage_trust', 'manage_areas', 'read_audit'],
    first: false,
    load: () => import('./admin/Admin.svelte'),
  },
  { part: 'start', icon: 'start', rights: ['manage_areas'], first: false, load: () => import('./start/Start.svelte') },
  { part: 'account', icon: 'account', rights: [], first: false, load: () => import('./account/Account.svelte') },
];
