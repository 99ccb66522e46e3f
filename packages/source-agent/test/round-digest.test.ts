import { describe, expect, it } from 'vitest';
import { migrateOut } from '../src/index.js';
import { TamperingProxy } from './world/tampering-proxy.js';
import { expectRolledBack, withWorld } from './world/with-world.js';

describe('a network that loses one page and doubles another, each frame right by itself', () => {
  it('is found at the end of the round: the migration fails before READY and the guest goes on (R3)', async () => {
    await withWorld({ rate: 0 }, async (world) => {
      const proxy = await TamperingProxy.start(world.port, 'lose-a-page');
      try {
        const destination = { host: '127.0.0.1', port: proxy.port };
        const outcome = await migrateOut({ ...world.migration(), destination });
        expect(proxy.tampered).toBe(1);
        expect(outcome).toMatchObject({
          kind: 'failed',
          error: { code: 'bulk-receive-failed', message: expect.stringContaining('digest') },
        });
        expect(world.log).not.toContain('destination: ready');
        await expectRolledBack(world, outcome);
      } finally {
        proxy.close();
      }
    });
  });

  it('is not found in version 1 but by comparing all of memory, when that is asked for', async () => {
    await withWorld({ rate: 0, sourceSide: { peerVersions: [1] } }, async (world) => {
      const proxy = await TamperingProxy.start(world.port, 'lose-a-page');
      try {
        const destination = { host: '127.0.0.1', port: proxy.port };
        const outcome = await migrateOut({ ...world.migration({ verify: true }), destination });
        expect(proxy.tampered).toBe(1);
        expect(outcome).toMatchObject({ kind: 'failed', error: { code: 'verify-mismatch' } });
        await expectRolledBack(world, outcome);
      } finally {
        proxy.close();
      }
    });
  });
});
