// Text as people search for it: without case, without the marks of Vietnamese, so that "cho" finds "Chợ". Pure.

/** Lower case, no marks, đ as d, one blank between words. */
export function fold(text: string): string {
  return text
    .normalize('NFD')
    .replace(/\p{M}+/gu, '')
    .replace(/[đĐ]/g, 'd')
    .toLowerCase()
    .replace(/\s+/g, ' ')
    .trim();
}

/** Whether every word that was typed stands somewhere in a text that is folded already. */
export function holds(folded: string, words: readonly string[]): boolean {
  return words.every((word) => folded.includes(word));
}

export function wordsOf(query: string): string[] {
  const folded = fold(query);
  return folded === '' ? [] : folded.split(' ');
}
