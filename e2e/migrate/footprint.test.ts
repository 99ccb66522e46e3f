import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bareSpec } from '../harness/guests.js';
import { move, sound, soundness, startGuest } from '../harness/moving.js';
import { startTwoHosts, type TwoHosts } from '../harness/two-hosts.js';

let hosts: TwoHosts;
beforeAll(async () => {
  hosts = await startTwoHosts();
});
afterAll(() => hosts.close());

/** Shared memory that a process has resident, MiB. */
function sharedMiB(pid: number | null): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^RssShmem:\s+(\d+)/m.exec(status)?.[1]) / 1024;
}

/** Shared memory in use on the whole machine, MiB: what guests hold, however it is mapped. */
function machineSharedMiB(): number {
  return Number(/^Shmem:\s+(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]) / 1024;
}

describe('memory', () => {
  it('of a 4 GiB guest with 256 MiB in use stays what it is on both sides; agents stay under 200 MiB (R9)', async () => {
    const before = machineSharedMiB();
    const guest = await startGuest(
      hosts.a,
      bareSpec({ name: 'large', pages: 65_536, rate: 500, memoryMiB: 4_096 }),
    );
    const atSource = await hosts.a.client.getInstance('large');
    expect(machineSharedMiB() - before).toBeLessThan(300);
    let peak = 0;
    const sampling = setInterval(() => {
      peak = Math.max(peak, machineSharedMiB() - before);
    }, 20);
    const result = await move(guest, hosts.a, hosts.b, { verify: true }).finally(() =>
      clearInterval(sampling),
    );
    expect(result).toMatchObject({ state: 'completed', error: null });
    const atDestination = await hosts.b.client.getInstance('large');
    expect(peak, 'both sides together').toBeLessThan(600);
    expect(atSource.state.pid).not.toBe(atDestination.state.pid);
    expect(sharedMiB(atDestination.state.pid)).toBeLessThan(300);
    expect(machineSharedMiB() - before).toBeLessThan(300);
    for (const agent of [hosts.a, hosts.b]) expect(agent.ownMemoryMiB()).toBeLessThan(200);
    expect(await soundness(guest)).toEqual(sound);
    guest.meter.detach();
  });
});
