import { destinationErrors } from '@drover/destination-agent';
import { vmmErrors } from '@drover/vmm';
import { describe, expect, it } from 'vitest';
import { expectRolledBack, withWorld } from './world/with-world.js';

describe('a migration that is refused', () => {
  it('carries the destination’s own code and sentence, and the guest never stops', async () => {
    await withWorld({}, async (world) => {
      world.host.beforePrepare = () => {
        throw destinationErrors.error('migration-exists', 'The name "guest-a" is taken here.');
      };
      const outcome = await world.migrate();
      expect(outcome).toMatchObject({
        kind: 'failed',
        error: { code: 'migration-exists', message: 'The name "guest-a" is taken here.' },
      });
      expect(world.source.times.filter(({ kind }) => kind === 'paused')).toEqual([]);
      await expectRolledBack(world, outcome);
      expect(world.log.slice(0, 3)).toEqual([
        'destination: preparing',
        'destination: aborted',
        'source: aborted',
      ]);
    });
  });

  it('names what the destination lacks of the processor that the guest was shown, and nothing is made there (R7)', async () => {
    await withWorld({}, async (world) => {
      const cpu = {
        cpuid: [{ leaf: 7, subleaf: 0, eax: 0, ebx: 0x10000, ecx: 0, edx: 0 }],
        msrs: [0xda0],
      };
      world.source.cpuNow = cpu;
      let asked: unknown = null;
      world.host.beforePrepare = (request) => {
        asked = request.cpu;
        throw vmmErrors.error('cpu-not-offered', 'This host lacks avx512f, MSR 0xda0 (IA32_XSS).');
      };
      const outcome = await world.migrate();
      expect(asked).toEqual(cpu);
      expect(outcome).toMatchObject({
        kind: 'failed',
        error: { code: 'cpu-not-offered', message: 'This host lacks avx512f, MSR 0xda0 (IA32_XSS).' },
      });
      expect(world.host.vmm).toBeNull();
      expect(world.source.trackers).toBe(0);
      expect(world.source.times.filter(({ kind }) => kind === 'paused')).toEqual([]);
      await expectRolledBack(world, outcome);
    });
  });

  it('says which memory regions differ', async () => {
    await withWorld({}, async (world) => {
      world.host.guest = { ...world.host.guest, regionId: 'pc.ram' };
      const outcome = await world.migrate();
      expect(outcome).toMatchObject({
        error: {
          code: 'regions-mismatch',
          message: expect.stringMatching(/ram0 \d+ at the source and pc\.ram \d+ here/),
        },
      });
      await expectRolledBack(world, outcome);
    });
  });

  it('is refused before anybody is asked where the guest has blockers, by their code', async () => {
    await withWorld({}, async (world) => {
      world.source.blockersNow = [{ code: 'blocker-vhost-user', message: 'net0 is a vhost-user device.' }];
      const outcome = await world.migrate();
      expect(outcome).toMatchObject({
        kind: 'failed',
        error: {
          code: 'blocker-vhost-user',
          message: expect.stringContaining('net0 is a vhost-user device.'),
        },
      });
      expect(world.host.incoming).toBeNull();
      await expectRolledBack(world, outcome);
    });
  });

  it('is refused for a guest that does not run', async () => {
    await withWorld({}, async (world) => {
      await world.source.pause();
      expect(await world.migrate()).toMatchObject({
        kind: 'failed',
        error: { code: 'guest-not-running' },
        guest: 'paused',
      });
      expect(await world.source.status()).toBe('paused');
    });
  });

  it('says where it tried when nobody listens there', async () => {
    await withWorld({}, async (world) => {
      world.killDestination();
      const outcome = await world.migrate();
      expect(outcome).toMatchObject({
        kind: 'failed',
        error: { code: 'peer-unreachable', message: expect.stringContaining(`127.0.0.1:${world.port}`) },
      });
      await expectRolledBack(world, outcome);
    });
  });
});
