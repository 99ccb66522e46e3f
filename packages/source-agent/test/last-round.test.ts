import { PEER_VERSIONS } from '@drover/protocol';
import { describe, expect, it } from 'vitest';
import { migrateOut } from '../src/index.js';
import { TamperingProxy } from './world/tampering-proxy.js';
import { withWorld } from './world/with-world.js';

describe('a page that is damaged on its way after the pause', () => {
  it.each([...PEER_VERSIONS])(
    'is sent once more before the destination is READY, in peer protocol %i (R3)',
    async (version) => {
      await withWorld({ rate: 20_000, sourceSide: { peerVersions: [version] } }, async (world) => {
        const proxy = await TamperingProxy.start(world.port, 'damage-a-page');
        world.onPhase = (phase) => {
          if (phase === 'switchover') proxy.armed = true;
        };
        try {
          const destination = { host: '127.0.0.1', port: proxy.port };
          const outcome = await migrateOut({ ...world.migration({ verify: true }), destination });
          expect(outcome).toMatchObject({ kind: 'completed', report: { verified: true } });
          expect(proxy.tampered).toBe(1);
          const rounds = outcome.kind === 'completed' ? outcome.report.rounds : [];
          expect(rounds.at(-2)?.tornPages).toBeGreaterThan(0);
          expect(rounds.at(-1)).toMatchObject({ tornPages: 0, pages: rounds.at(-2)?.tornPages });
          await world.host.vmm?.pause();
          expect((await world.host.vmm?.check())?.bad).toBe(0);
        } finally {
          proxy.close();
        }
      });
    },
  );
});
