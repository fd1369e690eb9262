// How the page is built: static files with hashed names under web/dist, which the center carries inside its binary.
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, type Plugin } from 'vite';

// Nothing may come from, or go to, any other host, and no string may become HTML except Svelte's own templates.
// Written into the page so that it holds whatever headers stand in front; only in the build, because Vite's
// development server injects styles inline.
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'",
  'trusted-types svelte-trusted-html',
].join('; ');

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
