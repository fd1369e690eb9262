// What a bulletin is about (lĩnh vực), as reports count it: the names, Vietnamese first, in the order of the center's own list.
import type { Schema } from '../api.ts';
import type { Lang } from '../text.ts';

export type FieldOfLife = Schema<'Field'>;

export const FIELDS: Record<FieldOfLife, Record<Lang, string>> = {
  society: { vi: 'Chính trị – xã hội', en: 'Politics and society' },
  economy: { vi: 'Kinh tế', en: 'Economy' },
  culture: { vi: 'Văn hóa, thể thao', en: 'Culture and sports' },
  health: { vi: 'Y tế', en: 'Health' },
  education: { vi: 'Giáo dục', en: 'Education' },
  security: { vi: 'An ninh, trật tự', en: 'Security and order' },
  disaster: { vi: 'Phòng, chống thiên tai', en: 'Natural disasters' },
  other: { vi: 'Lĩnh vực khác', en: 'Other fields' },
};

export const FIELD_NAMES = Object.keys(FIELDS) as FieldOfLife[];
