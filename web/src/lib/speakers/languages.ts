// The names of the languages that speakers play. Browsers do not know most of those of Vietnam's peoples.
import type { Lang } from '../text.ts';

const NAMES: Record<string, [vi: string, en: string]> = {
  vie: ['Tiếng Việt', 'Vietnamese'],
  rad: ['Ê Đê', 'Rade (Ê Đê)'],
  jra: ['Gia Rai', 'Jarai'],
  bdq: ['Ba Na', 'Bahnar'],
  cmo: ['Mnông', 'Mnong'],
  kpm: ['Cơ Ho', 'Koho'],
  cjm: ['Chăm', 'Cham'],
  rog: ['Ra Glai', 'Roglai'],
  sed: ['Xơ Đăng', 'Sedang'],
  hre: ['Hrê', 'Hre'],
  stt: ['Xtiêng', 'Stieng'],
  brv: ['Bru - Vân Kiều', 'Bru'],
  mnw: ['Môn', 'Mon'],
  hmn: ['Mông', 'Hmong'],
  tyz: ['Tày', 'Tày'],
  nut: ['Nùng', 'Nung'],
  blt: ['Thái Đen', 'Tai Dam'],
  mtq: ['Mường', 'Muong'],
  ium: ['Dao', 'Iu Mien'],
  khm: ['Khmer', 'Khmer'],
  eng: ['Tiếng Anh', 'English'],
};

/** "Ê Đê"; the code itself for one that is not known here. */
export function languageName(code: string, lang: Lang): string {
  return NAMES[code]?.[lang === 'vi' ? 0 : 1] ?? code;
}
