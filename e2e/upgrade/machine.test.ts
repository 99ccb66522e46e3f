import { describe, expect, it } from 'vitest';
import type { AgentProcess } from '../harness/agent-process.js';
import type { Build } from '../harness/build.js';
import { machineSpec } from '../harness/guests.js';
import { machinesMissing, orWhyNoMachines } from '../harness/machines.js';
import { beginMove, type Guest, move, sound, soundness, startGuest } from '../harness/moving.js';
import { useTwoHosts } from '../harness/use-two-hosts.js';
import { alteredBuild, ofRelease, speakingToMachines } from './altered-build.js';
import { builds, buildsMissing, orWhyNot } from './builds.js';

const missing = machinesMissing ?? buildsMissing;

const spec = (name: string, pages = 1024) => machineSpec({ name, pages, rate: 1_000 });
const asMachine = { specVersion: 3 };

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

describe.skipIf(missing !== null)(
  `a machine under an agent whose build is exchanged${orWhyNoMachines}${orWhyNot}`,
  () => {
    const hosts = useTwoHosts();
    /** The release before this one, which knew version 1 of the machine protocol alone, as agent and as machine. */
    const earlier =
      missing === null ? alteredBuild(builds.new, [ofRelease('0.1.9'), speakingToMachines([1])]) : builds.new;
    /** A release so much later that it speaks with none of today's machines. */
    const muchLater =
      missing === null
        ? alteredBuild(builds.new, [ofRelease('9.0.0'), speakingToMachines([900])])
        : builds.new;

    it.each([
      ['upgraded', earlier, builds.new, '0.1.9'],
      ['rolled back', builds.new, earlier, '0.2.0'],
    ])('%s, it finds its guest running and moves it (R8, R11)', async (_what, before, after, release) => {
      await Promise.all([hosts.a.become(before), hosts.b.become(builds.new)]);
      const guest = await startGuest(hosts.a, spec('stayer'), asMachine);
      expect((await hosts.a.client.getInstance('stayer')).state.vmmVersion).toBe(release);
      await exchange(hosts.a, guest, after);
      const moved = await move(guest, hosts.a, hosts.b, { verify: true });
      expect(moved).toMatchObject({ state: 'completed', error: null, report: { driver: 'machine' } });
      expect((await hosts.b.client.getInstance('stayer')).state.vmmVersion).toBe('0.2.0');
      expect(await soundness(guest)).toEqual(sound);
      guest.meter.detach();
    });

    it.each([
      ['upgraded', earlier, builds.new],
      ['rolled back', builds.new, earlier],
    ])(
      '%s by SIGKILL in the middle of a migration, it keeps its guest and moves it later (R2, R5, R11)',
      async (_what, before, after) => {
        await Promise.all([hosts.a.become(before), hosts.b.become(builds.new)]);
        const guest = await startGuest(hosts.a, spec('halfway', 4096), asMachine);
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
        const moved = await move(guest, hosts.a, hosts.b, { verify: true });
        expect(moved).toMatchObject({ state: 'completed', error: null });
        expect(await soundness(guest)).toEqual(sound);
        guest.meter.detach();
      },
    );

    it('the destination’s, by SIGKILL in the middle of a migration: the guest stays, and moves there later (R2, R5)', async () => {
      await Promise.all([hosts.a.become(builds.new), hosts.b.become(earlier)]);
      const guest = await startGuest(hosts.a, spec('awaited', 4096), asMachine);
      const started = await beginMove(guest, hosts.a, hosts.b, {
        bandwidthBytesPerSecond: 4_000_000,
        maxDowntimeMs: 1,
      });
      for await (const event of hosts.a.client.watchMigration(started.id)) {
        if (event.kind === 'progress' && event.progress.wireBytes > 1_000_000) break;
      }
      await hosts.b.become(builds.new, 'SIGKILL');
      await expect
        .poll(() => hosts.a.client.getMigration(started.id), { timeout: 60_000 })
        .toMatchObject({ state: 'failed' });
      await expect.poll(() => hosts.b.client.listInstances(), { timeout: 30_000 }).toEqual([]);
      const moved = await move(guest, hosts.a, hosts.b, { verify: true });
      expect(moved).toMatchObject({ state: 'completed', error: null });
      expect(await soundness(guest)).toEqual(sound);
      guest.meter.detach();
    });

    it('for one that speaks with none of its machines, leaves the guest at work until one that does is back (R1, R7, R11)', async () => {
      await Promise.all([hosts.a.become(builds.new), hosts.b.become(builds.new)]);
      const guest = await startGuest(hosts.a, spec('left-alone'), asMachine);
      const { pid } = (await hosts.a.client.getInstance('left-alone')).state;
      await hosts.a.become(muchLater);
      expect(await hosts.a.client.getInstance('left-alone')).toMatchObject({
        state: { life: 'failed', error: { code: 'machine-version-unknown' } },
      });
      await guest.meter.waitForBeats(200, { timeoutMs: 10_000 });
      // No second one may start beside it.
      await expect(hosts.a.client.startInstance('left-alone')).rejects.toMatchObject({ status: 409 });
      await hosts.a.become(builds.new);
      expect(await hosts.a.client.getInstance('left-alone')).toMatchObject({
        state: { life: 'running', pid },
      });
      expect(await move(guest, hosts.a, hosts.b, { verify: true })).toMatchObject({ state: 'completed' });
      expect(await soundness(guest)).toEqual(sound);
      guest.meter.detach();
    });
  },
);

describe.skipIf(missing !== null)(
  `a state that the destination’s machine cannot take on${orWhyNoMachines}${orWhyNot}`,
  () => {
    const hosts = useTwoHosts();
    const server = { package: 'machine', file: 'server.js' };
    const machine = { package: 'machine', file: 'machine.js' };
    const saved = (to: string) => ({
      ...machine,
      from: /machine\.saveStreamSync\(\)/,
      to: `(await import('@drover/protocol').then(({ decodeMachineState, encodeMachineState }) => encodeMachineState((${to})(decodeMachineState(machine.saveStreamSync()).value))))`,
    });
    const altered = (...edits: Parameters<typeof alteredBuild>[1]) =>
      missing === null ? alteredBuild(builds.new, edits) : builds.new;
    const laterStates = altered(ofRelease('0.3.0'), {
      ...server,
      from: /Math\.max\(\.\.\.versions\)/,
      to: "Math.max(...versions) + (kind === 'machine/serial' ? 1 : 0)",
    });
    const cutShort = altered(
      saved(
        "(all) => all.map((p) => (p.kind === 'machine/cpu' ? { ...p, data: p.data.subarray(0, 99) } : p))",
      ),
    );
    const unknownPart = altered(
      saved("(all) => [...all, { ...all[0], instance: 'gpu0', kind: 'machine/gpu' }]"),
    );

    it('because it is of a later version: refused by the name of the device before anything is made (R2, R7)', async () => {
      await Promise.all([hosts.a.become(laterStates), hosts.b.become(builds.new)]);
      const guest = await startGuest(hosts.a, spec('later', 256), asMachine);
      expect(await move(guest, hosts.a, hosts.b)).toMatchObject({
        state: 'failed',
        error: {
          code: 'device-state-version-unsupported',
          message: expect.stringContaining('machine/serial'),
        },
      });
      expect(await soundness(guest)).toEqual(sound);
      guest.meter.detach();
    });

    it.each([
      ['cut short', cutShort, /cpu0 \(machine\/cpu version 1\) is cut short/],
      [
        'of a device that it does not know',
        unknownPart,
        /gpu0 \(machine\/gpu version 1\) is of a kind that this release does not know/,
      ],
    ])(
      'because a part is %s: named, and the guest goes on where it was (R2, R6)',
      async (_what, build, named) => {
        await Promise.all([hosts.a.become(build), hosts.b.become(builds.new)]);
        const guest = await startGuest(hosts.a, spec('odd', 256), asMachine);
        const refused = await move(guest, hosts.a, hosts.b);
        expect(refused).toMatchObject({ state: 'failed', error: { message: expect.stringMatching(named) } });
        await expect.poll(() => hosts.b.client.listInstances(), { timeout: 30_000 }).toEqual([]);
        expect(await soundness(guest)).toEqual(sound);
        guest.meter.detach();
      },
    );
  },
);
