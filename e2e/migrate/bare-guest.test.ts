import { describe, expect, it } from 'vitest';
import { bareSpec } from '../harness/guests.js';
import { move, sound, soundness, startGuest } from '../harness/moving.js';
import { useTwoHosts } from '../harness/use-two-hosts.js';

const hosts = useTwoHosts();

describe('a bare-metal guest that checks its own memory', () => {
  it('moves while idle and goes on with the same memory (R1, R3)', async () => {
    const guest = await startGuest(hosts.a, bareSpec({ name: 'idle', pages: 2048, rate: 0 }));
    const result = await move(guest, hosts.a, hosts.b, { verify: true });
    expect(result).toMatchObject({ state: 'completed', error: null, report: { verified: true, epoch: '2' } });
    expect(await soundness(guest)).toEqual(sound);
    expect(await hosts.a.client.listInstances()).toEqual([]);
    guest.meter.detach();
  });

  it('moves while it writes without pause (R3, R5)', async () => {
    const guest = await startGuest(hosts.a, bareSpec({ name: 'busy', pages: 4096, rate: 'max' }));
    const result = await move(guest, hosts.a, hosts.b, { verify: true, maxDowntimeMs: 2_000 });
    expect(result).toMatchObject({ state: 'completed', error: null, report: { verified: true } });
    expect(await soundness(guest)).toEqual(sound);
    guest.meter.detach();
  });

  it.each([0, 1])('moves with a working set of %i pages', async (pages) => {
    const guest = await startGuest(hosts.a, bareSpec({ name: 'tiny', pages, rate: 100 }));
    expect(await move(guest, hosts.a, hosts.b, { verify: true })).toMatchObject({
      state: 'completed',
      error: null,
    });
    expect(await soundness(guest)).toEqual(sound);
    guest.meter.detach();
  });

  it('survives ten hops in a row with its memory right after each (R3)', async () => {
    const guest = await startGuest(hosts.a, bareSpec({ name: 'hopper', pages: 2048, rate: 2_000 }));
    for (let hop = 1; hop <= 10; hop += 1) {
      const [from, to] = hop % 2 === 1 ? [hosts.a, hosts.b] : [hosts.b, hosts.a];
      const result = await move(guest, from, to, { verify: hop % 2 === 0 });
      expect(result).toMatchObject({ state: 'completed', error: null, report: { epoch: String(hop + 1) } });
      expect(await soundness(guest), `after hop ${hop}`).toEqual(sound);
    }
    guest.meter.detach();
  });
});
