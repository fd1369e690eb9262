// Remembers sealed key files in this browser, still sealed: without the passphrase they are of no use to anybody. It never sees
// a passphrase or an open key.
import type { SealedKey } from './keys.ts';

const DATABASE = 'loaxa';
const STORE = 'sealed-keys';

export async function rememberedKeys(): Promise<SealedKey[]> {
  try {
    return await inStore<SealedKey[]>('readonly', (store) => store.getAll() as IDBRequest<SealedKey[]>);
  } catch {
    // Storage may be forbidden; then a key is picked each time.
    return [];
  }
}

export async function rememberKey(key: SealedKey): Promise<boolean> {
  try {
    await inStore('readwrite', (store) => store.put(key));
    return true;
  } catch {
    return false;
  }
}

export async function forgetKey(publicKey: string): Promise<void> {
  await inStore('readwrite', (store) => store.delete(publicKey));
}

async function inStore<T>(mode: IDBTransactionMode, work: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const open = indexedDB.open(DATABASE, 1);
  open.onupgradeneeded = () => open.result.createObjectStore(STORE, { keyPath: 'public_key' });
  const database = await settled(open);
  try {
    return await settled(work(database.transaction(STORE, mode).objectStore(STORE)));
  } finally {
    database.close();
  }
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('storage refused'));
  });
}
