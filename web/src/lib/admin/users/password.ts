// A first password that can be read out and typed without mistakes: 20 letters and digits of which none looks like another, about
// 99 bits.
const LETTERS = 'abcdefghjkmnpqrstuvwxyz23456789';
const GROUPS = 5;
const IN_GROUP = 4;

export function firstPassword(): string {
  const groups = Array.from({ length: GROUPS }, () => Array.from({ length: IN_GROUP }, letter).join(''));
  return groups.join('-');
}

function letter(): string {
  // Bytes beyond the last whole multiple would make some letters likelier.
  const bound = 256 - (256 % LETTERS.length);
  for (;;) {
    const [byte = 255] = crypto.getRandomValues(new Uint8Array(1));
    if (byte < bound) return LETTERS[byte % LETTERS.length] ?? '';
  }
}
