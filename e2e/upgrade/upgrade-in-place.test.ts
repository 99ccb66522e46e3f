import { describe, expect, it } from 'vitest';
import type { AgentProcess } from '../harness/agent-process.js';
import type { Build } from '../harness/build.js';
import { bareSpec } from '../harness/guests.js';
import { beginMove, type Guest, move, sound, soundness, startGuest } from '../harness/moving.js';
import { useTwoHosts } from '../harness/use-two-hosts.js';
import { builds, buildsMissing, orWhyNot } from './builds.js';

/** Puts another build under a running guest, which must not notice. */
async function exchange(agent: AgentProcess, guest: Guest, build: Build, signal?: 'SIGKILL'): Promise<void> {
  const before = await agent.client.getInstance(guest.name);
  await agent.become(build, signal);
  await guest.meter.waitForBeats(200, { timeoutMs: 10_000 });
  const { vmmId, pid, epoch } = before.state;
  expect(await agent.client.getInstance(guest.name)).toMatchObject({
    state: { life: 'running', vmmId, pid, epoch },
  });
}

describe.skipIf(buildsMissing !== null)(
  `an agent whose build is exchanged under a running guest${orWhyNot}`,
  () => {
    const hosts = useTwoHosts();

    it.each([
      ['upgraded', builds.old, builds.new],
      ['rolled back', builds.new, builds.old],
    ])('%s, it finds the guest running and moves it (R8, R11)', async (_what, before, after) => {
      await Promise.all([hosts.a.become(before), hosts.b.become(builds.new)]);
      const guest = await startGuest(
        hosts.a,
        bareSpec({ name: 'stayer', pages: 2048, rate: 1_000, memoryMiB: 64 }),
      );
      await exchange(hosts.a, guest, after);
      expect(await move(guest, hosts.a, hosts.b, { verify: true })).toMatchObject({
        state: 'completed',
        error: null,
      });
      expect(await soundness(guest)).toEqual(sound);
      guest.meter.detach();
    });

    it.each([
      ['upgraded', builds.old, builds.new],
      ['rolled back', builds.new, builds.old],
    ])(
      '%s in the middle of a migration, it keeps the guest and moves it later (R2, R5, R11)',
      async (_what, before, after) => {
        await Promise.all([hosts.a.become(before), hosts.b.become(builds.new)]);
        const guest = await startGuest(
          hosts.a,
          bareSpec({ name: 'halfway', pages: 4096, rate: 2_000, memoryMiB: 64 }),
        );
        const started = await beginMove(guest, hosts.a, hosts.b, {
          bandwidthBytesPerSecond: 4_000_000,
          maxDowntimeMs: 1,
        });
        for await (const event of hosts.a.client.watchMigration(started.id)) {
          if (event.kind === 'progress' && event.progress.wireBytes > 1_000_000) break;
        }
        await exchange(hosts.a, guest, after, 'SIGKILL');
        expect(await hosts.a.client.getMigration(started.id)).toMatchObject({ state: 'failed' });
        await expect.poll(() => hosts.b.client.listInstances(), { timeout: 30_000 }).toEqual([]);
        expect(await move(guest, hosts.a, hosts.b, { verify: true })).toMatchObject({
          state: 'completed',
          error: null,
        });
        expect(await soundness(guest)).toEqual(sound);
        guest.meter.detach();
      },
    );

    it('rolled back after it has received a guest, it can send the guest on (R8, R11)', async () => {
      await Promise.all([hosts.a.become(builds.old), hosts.b.become(builds.new)]);
      const guest = await startGuest(
        hosts.a,
        bareSpec({ name: 'newcomer', pages: 2048, rate: 1_000, memoryMiB: 64 }),
      );
      expect(await move(guest, hosts.a, hosts.b)).toMatchObject({ state: 'completed', error: null });
      await exchange(hosts.b, guest, builds.old);
      expect(await move(guest, hosts.b, hosts.a, { verify: true })).toMatchObject({
        state: 'completed',
        error: null,
        report: { epoch: '3' },
      });
      expect(await soundness(guest)).toEqual(sound);
      guest.meter.detach();
    });
  },
);
