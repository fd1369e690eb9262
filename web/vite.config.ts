// How the page is built: static files with hashed names under web/dist, which the center carries inside its binary.
import { readFileSync } from 'node:fs';
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

export default defineConfig({
  base: '/',
  plugins: [svelte(), contentSecurityPolicy],
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
