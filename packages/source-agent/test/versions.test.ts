import { instanceSpecSchema } from '@drover/types';
import { describe, expect, it } from 'vitest';
import { eventually, expectRolledBack, withWorld } from './world/with-world.js';

const v1 = { peerVersions: [1] } as const;
const v2 = { peerVersions: [2] } as const;

describe('two releases that speak different versions of the protocol', () => {
  it.each([
    ['both speak 1 alone', v1, v1, 1],
    ['an older source', v1, {}, 1],
    ['an older destination', {}, v1, 1],
    ['both speak 1 and 2', {}, {}, 2],
    ['both speak 2 alone', v2, v2, 2],
  ] as const)(
    'move a guest with the newest that both have: %s',
    async (_, sourceSide, destinationSide, version) => {
      await withWorld({ sourceSide, destinationSide, rate: 10_000 }, async (world) => {
        const outcome = await world.migrate({ verify: true });
        expect(outcome).toMatchObject({
          kind: 'completed',
          report: {
            protocolVersion: version,
            verified: true,
            deviceStates: { 'qemu-stream': 1, ...(version === 2 && { 'qemu/virtio-net': 11 }) },
          },
        });
        await world.host.vmm?.pause();
        expect((await world.host.vmm?.check())?.bad).toBe(0);
        await eventually(() => world.host.report !== null, 'the report at the destination');
        expect(world.host.report).toEqual(outcome.kind === 'completed' ? outcome.report : null);
      });
    },
  );

  it('that have none in common: refused with both windows before anything exists (R7)', async () => {
    await withWorld({ sourceSide: v2, destinationSide: v1 }, async (world) => {
      const outcome = await world.migrate();
      expect(outcome).toMatchObject({
        error: {
          code: 'peer-version-unknown',
          message: expect.stringMatching(/peer protocol version 2, the peer version 1/),
        },
      });
      expect(world.host.incoming).toBeNull();
      expect(world.log).toEqual(['source: aborted']);
      await expectRolledBack(world, outcome);
    });
  });
});

describe('a guest whose device state the destination cannot load', () => {
  it('stays, running, and the refusal names kind, versions and whom to upgrade (R7)', async () => {
    await withWorld({}, async (world) => {
      world.source.statesNow = { 'qemu/virtio-net': 12 };
      const outcome = await world.migrate();
      expect(outcome).toMatchObject({
        error: {
          code: 'device-state-version-unsupported',
          message: expect.stringMatching(
            /virtio-net state 12 .*; destination-host reads 10–11; upgrade destination-host/,
          ),
        },
      });
      expect(world.host.incoming).toBeNull();
      await expectRolledBack(world, outcome);
    });
  });

  it('is left to the VMMs in version 1, which has no word for it', async () => {
    await withWorld({ sourceSide: v1 }, async (world) => {
      world.source.statesNow = { 'qemu/virtio-net': 12 };
      expect(await world.migrate()).toMatchObject({ kind: 'completed' });
    });
  });
});

describe('capabilities', () => {
  it('that both sides have are used and reported, the others not', async () => {
    const sides = { sourceSide: { capabilities: [1, 3] }, destinationSide: { capabilities: [2, 3] } };
    await withWorld(sides, async (world) => {
      expect(await world.migrate()).toMatchObject({ kind: 'completed', report: { capabilities: ['delta'] } });
    });
  });
});

describe('a guest whose spec the destination may not be able to read', () => {
  it('moves with every version of the spec that says all of it', async () => {
    await withWorld({}, async (world) => {
      world.spec = instanceSpecSchema.parse({
        ...world.spec,
        components: {
          nvme0: { kind: 'nvme-disk', backend: 'file0', serial: 'a1', writeCache: false },
          file0: { kind: 'file-storage', path: '/disks/a', format: 'raw' },
        },
      });
      expect(await world.migrate()).toMatchObject({ kind: 'completed', report: { specVersion: 3 } });
      expect(world.host.incoming?.spec).toEqual(world.spec);
    });
  });
});
