import { describe, expect, it } from 'vitest';
import { bareSpec } from '../harness/guests.js';
import { move, sound, soundness, startGuest } from '../harness/moving.js';
import { useTwoHosts } from '../harness/use-two-hosts.js';

const hosts = useTwoHosts();

describe('an agent that is restarted', () => {
  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'with %s finds its running guest again and can still move it (R11)',
    async (signal) => {
      const name = signal.toLowerCase();
      const guest = await startGuest(hosts.a, bareSpec({ name, pages: 2048, rate: 1_000, memoryMiB: 64 }));
      const before = await hosts.a.client.getInstance(name);
      await hosts.a.end(signal);
      await guest.meter.waitForBeats(200, { timeoutMs: 10_000 });
      await hosts.a.start();
      const after = await hosts.a.client.getInstance(name);
      expect(after.state).toMatchObject({
        life: 'running',
        vmmId: before.state.vmmId,
        pid: before.state.pid,
      });
      expect(BigInt(after.state.generation)).toBeGreaterThan(BigInt(before.state.generation));
      expect(await move(guest, hosts.a, hosts.b, { verify: true })).toMatchObject({ state: 'completed' });
      expect(await soundness(guest)).toEqual(sound);
      guest.meter.detach();
    },
  );
});
