// Makes up passphrases that can be written by hand and typed on any keyboard: plain syllables without marks, drawn by the browser's own
// randomness. Six of 256 are 48 bits, and each guess costs Argon2id with 64 MiB.

const SYLLABLES = (
  'anh ao ba bac ban bao bay be ben beo bi bia bien binh bo boi bong bua bui bun buom ca cac cai cam can canh cao cau cay ' +
  'cha chai cham chan chanh chao chau che chi chia chim chin cho choi chom chon chong chu chua chum chung chuoi co coi ' +
  'com con cong cu cua cui cung da dai dam dan dang danh dao dat dau day de den deo di dia diem dieu dinh do doi don dong ' +
  'du dua duc dung duoi duong em ga gai gao gau ghe ghi gia gian giao giay gio gioi gion giong giu go goc goi gom gon gu ' +
  'gui guong ha hai ham han hang hanh hao hat hau he hen heo hiem hien hieu hinh ho hoa hoc hoi hom hong hop hu hua hung ' +
  'huong ke kem ken keo khe kho khoai khoe khung kia kien kim kinh la lac lai lam lan lang lanh lao lau len leo lien lieu ' +
  'lo loa loi long lua lui lum lung luoi ly ma mai man mang may me mem meo mi mia mien mo moc moi mong mua mui mung muoi ' +
  'my na nam nang nau nem neo nep ngan ngay nghe ngo ngoi ngon ngua nha nhan nhanh nhe nho nhung no noi nom non nong nu ' +
  'nui nung nuoc oai om ong pha phai phao phen phi pho phong phu qua quan quat que quy ra rang rao rau ren reo roi rom ' +
  'rong ru rua rung ruong sa sach'
).split(' ');

const COUNT = 6;

/** Something like `trong lua cau meo son bien`. */
export function makePassphrase(): string {
  // A byte each, and 256 of them: no syllable comes more often than another.
  const bytes = crypto.getRandomValues(new Uint8Array(COUNT));
  return Array.from(bytes, (byte) => SYLLABLES[byte % SYLLABLES.length] ?? '').join(' ');
}

/** How many there are, for the test that holds them to 256 different ones. */
export const SYLLABLE_LIST: readonly string[] = SYLLABLES;
