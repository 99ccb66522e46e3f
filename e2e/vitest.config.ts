import { packageTests } from '../tools/vitest/config.mjs';

/** One suite at a time, of which `main.mjs` starts two such: they measure one machine's guests and share its processors. */
export default packageTests(import.meta.url, {
  include: ['migrate/**/*.test.ts', 'upgrade/**/*.test.ts', 'fleet/**/*.test.ts', 'faults/quick.test.ts'],
  fileParallelism: false,
  testTimeout: 180_000,
  hookTimeout: 120_000,
});
