// How the page is built: static files with hashed names under web/dist, which the center carries inside its binary.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, type Plugin } from 'vite';

// Nothing may come from, or go to, any other host, and no string may become HTML except Svelte's own templates. The center
// sends the same file as a header; it is written into the page too, so that it holds whatever headers stand in front. Only
// in the build, because Vite's development server injects styles inline.
const policy = readFileSync(new URL('content-security-policy.txt', import.meta.url), 'utf8')
  .trim()
  .split('; ')
  // Browsers take this one from a header alone.
  .filter((directive) => !directive.startsWith('frame-ancestors'))
  .join('; ');

const contentSecurityPolicy: Plugin = {
  name: 'loaxa-content-security-policy',
  apply: 'build',
  transformIndexHtml: () => [
    { tag: 'meta', attrs: { 'http-equiv': 'Content-Security-Policy', content: policy }, injectTo: 'head-prepend' },
  ],
};

// The service worker keeps what the page is made of, so it has to know the names: all scripts and styles of the build, and the icons.
const serviceWorker: Plugin = {
  name: 'loaxa-service-worker',
  apply: 'build',
  buildStart() {
    const id = fileURLToPath(new URL('worker/service-worker.ts', import.meta.url));
    this.emitFile({ type: 'chunk', id, fileName: 'service-worker.js' });
  },
  generateBundle(_, bundle) {
    const built = Object.keys(bundle).filter((name) => /^assets\/.*\.(js|css)$/.test(name));
    const files = [...built, 'icon.svg', 'manifest.webmanifest'].map((name) => `/${name}`).toSorted();
    const version = createHash('sha256').update(files.join('\n')).digest('hex').slice(0, 12);
    const worker = bundle['service-worker.js'];
    if (worker?.type !== 'chunk') throw new Error('the service worker was not built');
    worker.code = worker.code
      .replaceAll('LOAXA_FILES', JSON.stringify(files))
      .replaceAll('LOAXA_VERSION', JSON.stringify(version));
  },
};

// The center writes papers in a typeface like the one that Nghị định 30/2020/NĐ-CP asks for; the page itself does not load it.
const fonts = new URL('node_modules/@expo-google-fonts/tinos/', import.meta.url);
const typefaceOfPapers: Plugin = {
  name: 'loaxa-typeface-of-papers',
  apply: 'build',
  generateBundle() {
    for (const [fileName, file] of [
      ['Tinos-Regular.ttf', '400Regular/Tinos_400Regular.ttf'],
      ['Tinos-Bold.ttf', '700Bold/Tinos_700Bold.ttf'],
      ['Tinos-Italic.ttf', '400Regular_Italic/Tinos_400Regular_Italic.ttf'],
      ['LICENSE.txt', 'LICENSE_FONT'],
    ] as const) {
      this.emitFile({ type: 'asset', fileName: `fonts/${fileName}`, source: readFileSync(new URL(file, fonts)) });
    }
  },
};

export default defineConfig({
  base: '/',
  plugins: [svelte(), contentSecurityPolicy, serviceWorker, typefaceOfPapers],
  worker: { format: 'es' },
  build: {
    outDir: 'dist',
    modulePreload: { polyfill: false },
    // A data: URI per small file would only make the policy above wider.
    assetsInlineLimit: 0,
  },
  server: {
    // `npm run dev` against a center on its usual port.
    proxy: { '/api': { target: process.env['LOAXA_CENTER'] ?? 'http://127.0.0.1:8080' } },
  },
});
