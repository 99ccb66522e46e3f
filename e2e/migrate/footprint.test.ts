import { readdirSync, readlinkSync, statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bareSpec } from '../harness/guests.js';
import { move, sound, soundness, startGuest } from '../harness/moving.js';
import { useTwoHosts } from '../harness/use-two-hosts.js';

const hosts = useTwoHosts();

/** What the guest memory of a VMM holds, MiB: blocks of the memfd that it inherited, however it is mapped. */
function guestMemoryMiB(pid: number | null): number {
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    const path = `/proc/${pid}/fd/${fd}`;
    if (readlinkSync(path).startsWith('/memfd:')) return (statSync(path).blocks * 512) / 1024 / 1024;
  }
  throw new Error(`process ${pid} has no memfd`);
}

describe('memory', () => {
  it('of a 4 GiB guest with 256 MiB in use stays what it is on both sides; agents stay under 200 MiB (R9)', async () => {
    const guest = await startGuest(
      hosts.a,
      bareSpec({ name: 'large', pages: 65_536, rate: 500, memoryMiB: 4_096 }),
    );
    const atSource = await hosts.a.client.getInstance('large');
    const peak = { a: 0, b: 0, source: guestMemoryMiB(atSource.state.pid) };
    const sampling = setInterval(() => {
      for (const side of ['a', 'b'] as const) peak[side] = Math.max(peak[side], hosts[side].ownMemoryMiB());
      try {
        peak.source = Math.max(peak.source, guestMemoryMiB(atSource.state.pid));
      } catch {
        // The source's VMM ended with the handover.
      }
    }, 20);
    const result = await move(guest, hosts.a, hosts.b, { verify: true }).finally(() =>
      clearInterval(sampling),
    );
    expect(result).toMatchObject({ state: 'completed', error: null });
    const atDestination = await hosts.b.client.getInstance('large');
    expect(peak.source).toBeLessThan(300);
    expect(guestMemoryMiB(atDestination.state.pid)).toBeLessThan(300);
    expect(peak.a).toBeLessThan(200);
    expect(peak.b).toBeLessThan(200);
    expect(await soundness(guest)).toEqual(sound);
    guest.meter.detach();
  });
});
