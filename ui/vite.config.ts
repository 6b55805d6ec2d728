import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'vite';

// The API that `npm run dev` talks to: the binary's default address, or the mock server's.
const api = process.env.SENTINEL_API ?? 'http://127.0.0.1:7700';

export default defineConfig({
  plugins: [vue()],
  base: '/',
  server: {
    host: '127.0.0.1',
    port: 5173,
    // The server checks that a WebSocket's origin is its own.
    proxy: { '/api': { target: api, ws: true, changeOrigin: true, headers: { origin: api } } },
  },
  build: {
    target: 'es2022',
    // No data: URLs, so that the page runs under `default-src 'self'`.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
