// Every page of the console by its address, in an office with something of everything in it: what the sweep (every-page.spec.ts) and
// `make screenshots` go through. A new page adds a line.
import { COMMUNES, type Account, type Office } from './office.ts';

export interface PageAt {
  /** For a file and for a test's name. */
  name: string;
  /** What stands behind `#`. */
  address: string;
  account: Account;
}

export const PAGES_OF_CONSOLE: PageAt[] = [
  { name: 'overview', address: 'overview', account: 'quantri' },
  { name: 'start', address: 'start', account: 'quantri' },
  { name: 'speakers', address: 'speakers', account: 'kythuat' },
  { name: 'speakers-map', address: 'speakers?as=map', account: 'kythuat' },
  { name: 'speaker', address: 'speakers/moi-trang-01', account: 'kythuat' },
  { name: 'bulletins', address: 'bulletins', account: 'bientap' },
  { name: 'bulletin-new', address: 'bulletins/new', account: 'bientap' },
  { name: 'bulletin', address: 'bulletins/moi-trang-nuoc', account: 'bientap' },
  { name: 'approve', address: 'approve', account: 'duyet' },
  { name: 'approve-one', address: 'approve/moi-trang-cho/1', account: 'duyet' },
  { name: 'schedules', address: 'schedules', account: 'bientap' },
  { name: 'schedules-list', address: 'schedules/list', account: 'bientap' },
  { name: 'schedule-new', address: 'schedules/new', account: 'bientap' },
  { name: 'schedule', address: 'schedules/rule/moi-trang-sang', account: 'bientap' },
  { name: 'calendars', address: 'schedules/days', account: 'bientap' },
  { name: 'programmes', address: 'programmes', account: 'bientap' },
  { name: 'programme', address: 'programmes/edit/moi-trang-sang', account: 'bientap' },
  { name: 'log', address: 'log', account: 'xem' },
  { name: 'reports', address: 'reports', account: 'xem' },
  { name: 'reports-index', address: 'reports/index', account: 'xem' },
  { name: 'admin', address: 'admin', account: 'quantri' },
  { name: 'admin-users', address: 'admin/users', account: 'quantri' },
  { name: 'admin-user', address: 'admin/users/bientap', account: 'quantri' },
  { name: 'admin-keys', address: 'admin/keys', account: 'quantri' },
  { name: 'admin-tokens', address: 'admin/tokens', account: 'quantri' },
  { name: 'admin-areas', address: 'admin/areas', account: 'quantri' },
  { name: 'admin-hours', address: 'admin/hours', account: 'quantri' },
  { name: 'admin-health', address: 'admin/health', account: 'quantri' },
  { name: 'admin-audit', address: 'admin/audit', account: 'quantri' },
  { name: 'admin-settings', address: 'admin/settings', account: 'quantri' },
  { name: 'account', address: 'account', account: 'xem' },
];

const PLACES = ['Cổng chợ', 'Nhà văn hóa', 'Bến xe', 'Trường tiểu học', 'Trạm y tế', 'Đình làng', 'Ngã tư', 'Bưu điện'];

/** Something of everything: speakers with places, bulletins in several states, a programme, schedules, a calendar. */
export async function furnish(office: Office): Promise<void> {
  const known = (await office.api('GET', '/speakers')) as { items: { id: string }[] };
  if (known.items.some(({ id }) => id === 'moi-trang-01')) return;
  for (const [i, place] of PLACES.entries()) {
    const [code] = COMMUNES[i % COMMUNES.length] ?? COMMUNES[0];
    const id = `moi-trang-${String(i + 1).padStart(2, '0')}`;
    await office.api('POST', '/speakers', { id, title: `${place} ${i + 1}`, area: code });
    await office.api('PUT', `/speakers/${id}/traits`, {
      languages: i % 3 === 0 ? ['rad', 'vie'] : ['vie'],
      latitude: 12.66 + 0.011 * ((i * 5) % 7),
      longitude: 108.02 + 0.013 * ((i * 3) % 8),
    });
  }
  office.bulletin('moi-trang-nuoc', { title: 'Thông báo cắt nước ngày mai' });
  office.bulletin('moi-trang-hieu', { file: 'nhac-hieu.wav', title: 'Nhạc hiệu buổi sáng' });
  office.bulletin('moi-trang-cho', { title: 'Họp chợ phiên cuối tháng', area: '24133', approve: false });
  await office.api('POST', '/playlists', {
    calendar: { 'le-hoi': { title: 'Ngày lễ hội', days: ['2026-12-22', 'lunar:15/1'] } },
    programme: {
      'moi-trang-sang': { title: 'Bản tin sáng', items: ['moi-trang-hieu', 'moi-trang-nuoc', 'moi-trang-cho'] },
    },
    schedule: {
      'moi-trang-sang': {
        title: 'Bản tin sáng hằng ngày',
        cron: '0 30 5 * * *',
        duration_s: 900,
        targets: ['66'],
        programme: 'moi-trang-sang',
      },
      'moi-trang-chieu': {
        title: 'Bản tin chiều',
        cron: '0 0 17 * * 1-6',
        duration_s: 600,
        targets: ['24133'],
        programme: 'moi-trang-sang',
        priority: 'priority',
      },
    },
  });
}
