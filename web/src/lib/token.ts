// Finds the access code in what a person gives: the address they opened, or what they typed. It sends nothing.

/** The code in `#token=…`, if the address carries one. A fragment never reaches a server or its logs. */
export function tokenInFragment(hash: string): string | null {
  return inFragment(hash, 'token');
}

/** The code in `#setup=…`, with which the first administrator is made. */
export function setupInFragment(hash: string): string | null {
  return inFragment(hash, 'setup');
}

function inFragment(hash: string, name: 'token' | 'setup'): string | null {
  const code = new URLSearchParams(hash.replace(/^#/, '')).get(name);
  return code === null || code.trim() === '' ? null : code.trim();
}

/** People paste the whole address as often as the code alone. */
export function tokenInInput(input: string): string {
  const text = input.trim();
  const hash = text.indexOf('#token=');
  return hash === -1 ? text : (tokenInFragment(text.slice(hash)) ?? '');
}
