import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    environment: 'node',
    // The runner gives BASE_URL a meaning of its own; the specs read this instead.
    env: { SENTINEL_URL: process.env.BASE_URL ?? '', SENTINEL_BIN: process.env.SENTINEL_BIN ?? '' },
    include: ['e2e/**/*.spec.ts'],
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
