import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/**
 * The one vitest configuration of every package: tests under `test/`, one forked process per file (the addon owns
 * threads), and a JSON report under `test-results/` that `npm test` counts.
 *
 * @param {string} configUrl `import.meta.url` of the package's vitest.config.ts
 * @param {import('vitest/config').TestUserConfig} [overrides]
 */
export function packageTests(configUrl, overrides = {}) {
  const root = dirname(fileURLToPath(configUrl));
  return defineConfig({
    root,
    test: {
      include: ['test/**/*.test.ts'],
      pool: 'forks',
      testTimeout: 20_000,
      passWithNoTests: false,
      // Real processes on a machine that others load too: a test may try once more, and the report says that it did.
      retry: 1,
      reporters: ['default', 'json'],
      outputFile: { json: join(root, 'test-results', `${basename(root)}.json`) },
      ...overrides,
    },
  });
}
