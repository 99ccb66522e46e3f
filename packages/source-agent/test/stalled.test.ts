import { describe, expect, it } from 'vitest';
import { migrateOut } from '../src/index.js';
import { Gate } from './world/gate.js';
import { expectRolledBack, longestPause, withWorld } from './world/with-world.js';

const STALL_MS = 700;

describe('a transfer of memory that stands still', () => {
  it('is given up, though every connection is there; the guest goes on (R2, R6)', async () => {
    await withWorld({ rate: 0 }, async (world) => {
      const gate = await Gate.start(world.port, 300_000);
      const startedAt = performance.now();
      try {
        const outcome = await migrateOut({
          ...world.migration({}, { stallMs: STALL_MS }),
          destination: { host: '127.0.0.1', port: gate.port },
        });
        // Which side says so first is a matter of the moment.
        expect(outcome).toMatchObject({
          kind: 'failed',
          error: { code: expect.stringMatching(/^bulk(-receive)?-failed$/), retryable: true },
        });
        expect(performance.now() - startedAt).toBeGreaterThan(STALL_MS / 2);
        expect(longestPause(world)).toBeLessThan(1_000);
        await expectRolledBack(world, outcome);
      } finally {
        gate.close();
      }
    });
  });
});
