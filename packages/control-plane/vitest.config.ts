import { packageTests } from '../../tools/vitest/config.mjs';

export default packageTests(import.meta.url, { globalSetup: ['test/support/databases-setup.ts'] });
