/** What agents and machines hold of their host, move after move. `npm run bench -- --vmm machine --hops 100` measures the same at length. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type Footprint, footprint } from '../../tools/bench/machine/footprint.mjs';
import type { AgentProcess } from '../harness/agent-process.js';
import { machineSpec } from '../harness/guests.js';
import { machinesMissing } from '../harness/machines.js';
import { move, sound, soundness, startGuest } from '../harness/moving.js';
import { useTwoHosts } from '../harness/use-two-hosts.js';

/** Moves after which everything is there that a process makes once. */
const SETTLING = 4;
const HOPS = 12;
/** What an agent may still be busy giving back is waited for this long, ms: a destination keeps a connection for 10 s for a report. */
const CALM_MS = 15_000;
/** Over eight moves; the noise of garbage collection is some 10 MiB. */
const GROWTH_KIB = 32 * 1024;

/** The least that an agent holds before the time is up, or as soon as it is `enough`. */
async function atRest({ pid, url }: AgentProcess, enough: (now: Footprint) => boolean): Promise<Footprint> {
  let least = footprint(pid, url);
  for (const until = performance.now() + CALM_MS; !enough(least) && performance.now() < until; ) {
    await sleep(50);
    const now = footprint(pid, url);
    least = {
      descriptors: Math.min(least.descriptors, now.descriptors),
      threads: Math.min(least.threads, now.threads),
      residentKiB: Math.min(least.residentKiB, now.residentKiB),
    };
  }
  return least;
}

describe.skipIf(machinesMissing !== null)(
  `what is held on a host${machinesMissing === null ? '' : ` (skipped: ${machinesMissing})`}`,
  () => {
    const hosts = useTwoHosts();

    it('does not grow with the moves of a machine: descriptors, threads and memory of agents and machines (R12)', async () => {
      const guest = await startGuest(
        hosts.a,
        machineSpec({ name: 'hopper', pages: 256, rate: 1_000, memoryMiB: 64 }),
        { specVersion: 3 },
      );
      const machineAt = async (agent: AgentProcess) =>
        footprint((await agent.client.getInstance('hopper')).state.pid ?? 0);
      const hop = async (number: number) => {
        const [from, to] = number % 2 === 1 ? [hosts.a, hosts.b] : [hosts.b, hosts.a];
        expect(await move(guest, from, to)).toMatchObject({ state: 'completed', error: null });
      };

      for (let number = 1; number <= SETTLING; number += 1) await hop(number);
      const settled = () => false;
      const before = await Promise.all([hosts.a, hosts.b].map((agent) => atRest(agent, settled)));
      const machineBefore = await machineAt(hosts.a);
      for (let number = SETTLING + 1; number <= HOPS; number += 1) await hop(number);

      for (const [at, agent] of [hosts.a, hosts.b].entries()) {
        const then = before[at] ?? expect.unreachable();
        const most = {
          ...then,
          residentKiB: then.residentKiB + GROWTH_KIB,
        };
        const fits = (now: Footprint) =>
          now.descriptors <= most.descriptors &&
          now.threads <= most.threads &&
          now.residentKiB <= most.residentKiB;
        const after = await atRest(agent, fits);
        expect(fits(after), `agent ${agent.name}: ${JSON.stringify({ then, after })}`).toBe(true);
      }
      const { descriptors, threads, residentKiB } = await machineAt(hosts.a);
      expect(descriptors).toBeLessThanOrEqual(machineBefore.descriptors);
      expect(threads).toBeLessThanOrEqual(machineBefore.threads);
      expect(residentKiB).toBeLessThan(machineBefore.residentKiB + GROWTH_KIB);
      expect(await soundness(guest)).toEqual(sound);
      guest.meter.detach();
    });
  },
);
