import { packageTests } from '../../tools/vitest/config.mjs';

/** The whole matrix; the suites of every day have `quick.test.ts`. */
export default packageTests(import.meta.url, {
  include: ['matrix.test.ts'],
  fileParallelism: false,
  hookTimeout: 120_000,
  reporters: ['verbose'],
  // A rule that is broken once is broken.
  retry: 0,
});
