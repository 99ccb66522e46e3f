import { describe, expect, it } from 'vitest';
import { machineSpec } from '../harness/guests.js';
import { machinesMissing } from '../harness/machines.js';
import { beginMove, move, sound, soundness, startGuest } from '../harness/moving.js';
import { useTwoHosts } from '../harness/use-two-hosts.js';

const asMachine = { specVersion: 3 };

describe.skipIf(machinesMissing !== null)(
  `a guest of a machine${machinesMissing === null ? '' : ` (skipped: ${machinesMissing})`}`,
  () => {
    const hosts = useTwoHosts();

    it('moves there and back while it writes without pause, and the report says how (R1, R3, R5)', async () => {
      const guest = await startGuest(
        hosts.a,
        machineSpec({ name: 'busy', pages: 4096, rate: 'max' }),
        asMachine,
      );
      for (const [from, to] of [
        [hosts.a, hosts.b],
        [hosts.b, hosts.a],
      ] as const) {
        const result = await move(guest, from, to, { verify: true, maxDowntimeMs: 2_000 });
        expect(result).toMatchObject({
          state: 'completed',
          error: null,
          report: {
            ...{ driver: 'machine', accelerator: 'kvm', tracker: 'kvm-dirty-log', verified: true },
            deviceStates: { 'machine-stream': 1, 'machine/cpu': 1 },
          },
        });
        expect(await soundness(guest)).toEqual(sound);
        expect(await to.client.getInstance('busy')).toMatchObject({ state: { driver: 'machine' } });
        expect(await from.client.listInstances()).toEqual([]);
      }
      guest.meter.detach();
    });

    it('moves with all of its processors', async () => {
      const guest = await startGuest(
        hosts.a,
        machineSpec({ name: 'three', pages: 1024, rate: 1_000, cpus: 3 }),
        asMachine,
      );
      expect(await move(guest, hosts.a, hosts.b, { verify: true })).toMatchObject({ state: 'completed' });
      expect(await soundness(guest)).toEqual(sound);
      guest.meter.detach();
    });

    it('survives ten hops in a row with its memory right after each (R3)', async () => {
      const guest = await startGuest(
        hosts.a,
        machineSpec({ name: 'hopper', pages: 2048, rate: 2_000 }),
        asMachine,
      );
      for (let hop = 1; hop <= 10; hop += 1) {
        const [from, to] = hop % 2 === 1 ? [hosts.a, hosts.b] : [hosts.b, hosts.a];
        const result = await move(guest, from, to, { verify: hop % 2 === 0 });
        expect(result).toMatchObject({
          state: 'completed',
          error: null,
          report: { epoch: String(hop + 1) },
        });
        expect(await soundness(guest), `after hop ${hop}`).toEqual(sound);
      }
      guest.meter.detach();
    });

    it('stays where it is when its migration is cancelled, and can be moved then (R2, R12)', async () => {
      const guest = await startGuest(
        hosts.a,
        machineSpec({ name: 'stays', pages: 1024, rate: 'max' }),
        asMachine,
      );
      const endless = { bandwidthBytesPerSecond: 4_000_000, maxDowntimeMs: 1, maxRounds: 1_000 };
      const started = await beginMove(guest, hosts.a, hosts.b, endless);
      for await (const event of hosts.a.client.watchMigration(started.id)) {
        if (event.kind === 'ended') throw new Error(`ended by itself: ${JSON.stringify(event.migration)}`);
        if (event.kind === 'progress' && event.progress.phase === 'rounds' && event.progress.round >= 1)
          break;
      }
      expect(await hosts.a.client.cancelMigration(started.id)).toMatchObject({ state: 'cancelled' });
      expect(await soundness(guest)).toEqual(sound);
      const again = await move(guest, hosts.a, hosts.b, { verify: true, maxDowntimeMs: 2_000 });
      expect(again).toMatchObject({ state: 'completed', report: { verified: true } });
      expect(await soundness(guest)).toEqual(sound);
      guest.meter.detach();
    });

    it.each(['SIGTERM', 'SIGKILL'] as const)(
      'runs on when its agent ends with %s, which finds it again and can still move it (R11)',
      async (signal) => {
        const name = signal.toLowerCase();
        const guest = await startGuest(hosts.a, machineSpec({ name, pages: 1024, rate: 1_000 }), asMachine);
        const before = await hosts.a.client.getInstance(name);
        await hosts.a.end(signal);
        await guest.meter.waitForBeats(200, { timeoutMs: 10_000 });
        await hosts.a.start();
        const after = await hosts.a.client.getInstance(name);
        expect(after.state).toMatchObject({ life: 'running', pid: before.state.pid });
        expect(await move(guest, hosts.a, hosts.b, { verify: true })).toMatchObject({ state: 'completed' });
        expect(await soundness(guest)).toEqual(sound);
        guest.meter.detach();
      },
    );
  },
);
