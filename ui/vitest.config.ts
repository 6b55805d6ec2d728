import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [vue()],
  test: {
    environment: 'happy-dom',
    include: ['src/**/*.test.ts', 'scripts/**/*.test.ts'],
    // A second of work, such as compiling the contract, takes more than the usual five on a machine that does other things.
    testTimeout: 60_000,
  },
});
