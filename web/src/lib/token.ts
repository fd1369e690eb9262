// Finds the access code in what a person gives: the address they opened, or what they typed. It sends nothing.

/** The code in `#token=…`, if the address carries one. A fragment never reaches a server or its logs. */
export function tokenInFragment(hash: string): string | null {
  const token = new URLSearchParams(hash.replace(/^#/, '')).get('token');
  return token === null || token.trim() === '' ? null : token.trim();
}

/** People paste the whole address as often as the code alone. */
export function tokenInInput(input: string): string {
  const text = input.trim();
  const hash = text.indexOf('#token=');
  return hash === -1 ? text : (tokenInFragment(text.slice(hash)) ?? '');
}
