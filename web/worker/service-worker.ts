// Keeps the page itself on the device: it opens at once and without a line, and parts that are loaded later still come from the
// version that was opened. What the center tells is never kept: no answer of the API, no sound.

const worker = self as unknown as ServiceWorkerGlobalScope;
/** Written in by the build: the page's files, and a name of just these. */
declare const LOAXA_FILES: string[];
declare const LOAXA_VERSION: string;

const CACHE = `loaxa-${LOAXA_VERSION}`;
const PAGE = '/';

worker.addEventListener('install', (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll([PAGE, ...LOAXA_FILES])));
});

// Runs once no page of the version before is open any more.
worker.addEventListener('activate', (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name)))),
  );
});

worker.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== location.origin || url.pathname.startsWith('/api/')) return;
  if (request.mode === 'navigate') event.respondWith(page(request));
  else if (LOAXA_FILES.includes(url.pathname)) event.respondWith(file(request));
});

/** The center's own page where it answers, so that a new version is not missed; else the one that is kept. */
async function page(request: Request): Promise<Response> {
  try {
    const answer = await fetch(request);
    if (answer.ok) return answer;
  } catch {
    // No line, or the center is being restarted.
  }
  return (await caches.match(PAGE, { cacheName: CACHE })) ?? Response.error();
}

/** Names carry a hash of the content, so what is kept is what would come. */
async function file(request: Request): Promise<Response> {
  return (await caches.match(request, { cacheName: CACHE })) ?? fetch(request);
}

export {};
