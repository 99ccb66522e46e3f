import { setTimeout as sleep } from 'node:timers/promises';
import { native } from '@drover/native';
import { describe, expect, it } from 'vitest';
import { drover } from '../harness/drover.js';
import {
  machinesMissing,
  moveInstance,
  orWhyNoMachines,
  said,
  startInstance,
  stateSpec,
  type,
} from '../harness/machines.js';
import { useTwoHosts } from '../harness/use-two-hosts.js';

const clockStops = machinesMissing === null && native().probeStoppedClock().ok;

describe.skipIf(machinesMissing !== null)(`what a machine holds beside its memory${orWhyNoMachines}`, () => {
  const hosts = useTwoHosts();

  it('keeps its ticks, its time, its FPU, SSE and model-specific registers over five hops (R3)', async () => {
    await startInstance(hosts.a, stateSpec({ name: 'ticks', words: 'check=run', cpus: 2 }));
    await said(hosts.a, 'ticks', /\nT 40\n/);
    for (let hop = 1; hop <= 5; hop += 1) {
      const [from, to] = hop % 2 === 1 ? [hosts.a, hosts.b] : [hosts.b, hosts.a];
      expect(await moveInstance('ticks', from, to)).toMatchObject({ state: 'completed', error: null });
      // Ticks go on, and the guest checks all of it at each.
      const log = await said(to, 'ticks', /(T [0-9a-f]+\s+){3}/);
      expect(log, `after hop ${hop}`).not.toContain('BAD');
    }
  });

  it('keeps what was typed and not yet read (R3)', async () => {
    await startInstance(hosts.a, stateSpec({ name: 'typed', words: 'check=input quiet=8000' }));
    await said(hosts.a, 'typed', 'STATE\n');
    await type(hosts.a, 'typed', 'half-full');
    await said(hosts.a, 'typed', 'DATA\n');
    await sleep(100);
    expect(await moveInstance('typed', hosts.a, hosts.b)).toMatchObject({ state: 'completed' });
    const log = await said(hosts.b, 'typed', 'INPUT ');
    expect(log, 'it was read on the source').not.toContain('DATA');
    await said(hosts.b, 'typed', 'INPUT half-full\n');
  });

  it('is delivered an interrupt that was pending when it was paused (R3)', async () => {
    await startInstance(hosts.a, stateSpec({ name: 'pending', words: 'check=pending quiet=8000' }));
    await said(hosts.a, 'pending', 'PENDING\n');
    expect(await moveInstance('pending', hosts.a, hosts.b)).toMatchObject({ state: 'completed' });
    expect(await said(hosts.b, 'pending', /DELIVERED|LATE/)).toContain('DELIVERED\n');
  });

  it('has all of its processors where an operating system looks for them', async () => {
    await startInstance(hosts.a, stateSpec({ name: 'smp', words: 'check=processors', cpus: 4 }));
    await said(hosts.a, 'smp', 'PROCESSORS 4 IOAPICS 1\n');
  });

  it(`with a clock that shall stand still is ${clockStops ? 'moved' : 'refused here, where its KVM cannot set it'} (R7)`, async () => {
    const spec = stateSpec({ name: 'still', words: 'check=run', clock: 'stopped' });
    const created = await drover(
      ['instance', 'create', '-', '--start', '--agent', hosts.a.url],
      JSON.stringify(spec),
    );
    if (clockStops) {
      expect(created.code).toBe(0);
      expect(await moveInstance('still', hosts.a, hosts.b)).toMatchObject({ state: 'completed' });
      expect(await said(hosts.b, 'still', '\nT ')).not.toContain('BAD');
      return;
    }
    expect(created.stderr).toMatch(/^drover: .*MSR 0x10 \(IA32_TSC\).* \[clock-not-stoppable\]$/m);
    expect(await hosts.a.client.listInstances()).toEqual([]);
  });
});
