import { packageTests } from './vitest/config.mjs';

export default packageTests(import.meta.url, { testTimeout: 90_000, hookTimeout: 90_000 });
