/** One machine through the driver. */
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { native } from '@drover/native';
import { expect, it } from 'vitest';
import type { VmmEvent } from '../../src/driver.js';
import { describeMachine, launchMachine, machineDriver, machineRequest } from '../support/machine.js';
import { nothingLeftOf, owned, until } from '../support/qemu.js';
import { move, neverAborted, sink } from '../support/state.js';

describeMachine('a machine', () => {
  it('starts paused, runs when resumed, and nothing is left when it is destroyed (R1, R12)', async () => {
    const { vmm, log } = await launchMachine();
    expect(vmm.record.identity).toMatchObject({
      driver: 'machine',
      machineType: 'machine-1',
      accelerator: 'kvm',
    });
    await sleep(50);
    expect(log()).toBe('');
    expect(await vmm.status()).toBe('paused');
    await vmm.resume();
    await until('the guest prints', () => log().startsWith('A..'));
    expect(await vmm.status()).toBe('running');
    await vmm.pause();
    const length = log().length;
    await sleep(50);
    expect(log().length - length).toBeLessThanOrEqual(1);
    expect(await vmm.blockers()).toEqual([]);
    expect(await vmm.deviceStates()).toMatchObject({ 'machine-stream': 1, 'machine/cpu': 1 });
    await vmm.destroy();
    expect(await vmm.status()).toBe('gone');
    nothingLeftOf(vmm);
  });

  it('is adopted by another driver while it runs (R11)', async () => {
    const { vmm, log, launched } = await launchMachine({}, {}, { tuning: { tracker: 'kvm-dirty-ring' } });
    await vmm.resume();
    await until('the guest prints', () => log().startsWith('A..'));
    vmm.release();
    const length = log().length;
    await until('it goes on alone', () => log().length > length);
    const again = owned(await machineDriver().adopt(vmm.record, launched.spec));
    expect(await again.status()).toBe('running');
    expect(again.tracker().name).toBe('kvm-dirty-ring');
    await again.destroy();
    nothingLeftOf(again);
    await expect(machineDriver().adopt(vmm.record, launched.spec)).rejects.toMatchObject({
      code: 'vmm-gone',
    });
  });

  it('tells what its guest was promised of its processors, which a host checks before anything is made (R7)', async () => {
    const { vmm, launched } = await launchMachine();
    const cpu = await vmm.cpu();
    if (cpu === null) throw new Error('it does not tell');
    await machineDriver().checkCpu(launched.spec, cpu);
    await machineDriver().checkCpu(launched.spec, null);
    const shown = cpu.cpuid.map((entry) =>
      entry.leaf === 0x8000_0007 ? { ...entry, edx: (entry.edx | 0x8000_0000) >>> 0 } : entry,
    );
    const more = { cpuid: shown, msrs: [...cpu.msrs, 0xda1] };
    await expect(machineDriver().checkCpu(launched.spec, more)).rejects.toMatchObject({
      code: 'cpu-not-offered',
      message: expect.stringContaining(': cpuid_80000007.0_edx_31, MSR 0xda1. '),
    });
  });

  it('says that its process was killed', async () => {
    const { vmm } = await launchMachine();
    const events: VmmEvent[] = [];
    vmm.onEvent((event) => events.push(event));
    process.kill(vmm.record.pid, 'SIGKILL');
    await until('that is heard', () => events.length > 0);
    expect(events).toEqual([expect.objectContaining({ kind: 'exited' })]);
    expect(await vmm.status()).toBe('gone');
  });

  it.each(['kvm-dirty-log', 'kvm-dirty-ring'] as const)(
    'tracks what the guest writes, and reports everything once it cannot know, by %s (R5)',
    async (tracker) => {
      const { vmm, log } = await launchMachine({}, {}, { tuning: { tracker } });
      await vmm.resume();
      await until('the guest prints', () => log().startsWith('A..'));
      const tracking = vmm.tracker();
      const dirty = native().createBitmap(vmm.memory);
      expect(await tracking.collect(dirty)).toMatchObject({ complete: false, dirtyPages: dirty.pages });
      await tracking.start();
      await vmm.pause();
      dirty.clear();
      expect(await tracking.collect(dirty)).toMatchObject({ complete: true, error: null });
      dirty.clear();
      expect(await tracking.collect(dirty)).toEqual({ dirtyPages: 0, complete: true, error: null });
      await vmm.resume();
      const length = log().length;
      await until('the guest goes on', () => log().length > length + 2);
      await vmm.pause();
      // Its loop writes every page from 4 to 8 MiB.
      const { dirtyPages, complete } = await tracking.collect(dirty);
      expect(complete).toBe(true);
      expect(dirtyPages).toBeGreaterThanOrEqual(1024);
      expect(dirtyPages).toBeLessThan(1200);
      expect(dirty.count()).toBe(dirtyPages);
      // What was collected at a pause that led to nothing is not taken for what was written after it.
      await vmm.resume();
      await vmm.pause();
      await vmm.resume();
      const again = log().length;
      await until('the guest goes on', () => log().length > again + 2);
      dirty.clear();
      expect((await tracking.collect(dirty)).dirtyPages).toBeGreaterThanOrEqual(1024);
      await vmm.destroy();
      expect(await tracking.collect(dirty)).toMatchObject({ complete: false, dirtyPages: dirty.pages });
      expect(dirty.count()).toBe(dirty.pages);
    },
  );

  it('moves to a second machine, which goes on from where the first stopped (R1, R2, R3)', async () => {
    const source = await launchMachine();
    await source.vmm.resume();
    await until('the guest prints', () => source.log().startsWith('A..'));
    const { identity } = source.vmm.record;
    const target = await launchMachine({}, { incoming: true, identity });
    expect(await target.vmm.status()).toBe('incomplete');
    await expect(target.vmm.resume()).rejects.toMatchObject({ code: 'machine-not-loaded' });
    target.vmm.hurry?.();
    await expect(target.vmm.loaded(100)).rejects.toMatchObject({ code: 'machine-not-loaded' });
    await move(source.vmm, target.vmm);
    expect(await target.vmm.status()).toBe('paused');
    expect(target.log()).toBe('');
    // The source can still take back, and move anew.
    await source.vmm.resume();
    const length = source.log().length;
    await until('the guest goes on here', () => source.log().length > length);
    await target.vmm.destroy();
    const second = await launchMachine({}, { incoming: true, identity });
    await move(source.vmm, second.vmm);
    await expect(second.vmm.prepareLoad()).rejects.toMatchObject({ code: 'machine-not-loaded' });
    await second.vmm.resume();
    await until('the guest goes on there', () => second.log().startsWith('...'));
    expect(await source.vmm.status()).toBe('paused');
  });

  it('saves only a paused guest, and gives a save up when told to (R12)', async () => {
    const { vmm } = await launchMachine();
    await vmm.resume();
    const { path } = await sink();
    await expect(vmm.saveState(path, neverAborted())).rejects.toMatchObject({ code: 'machine-save-failed' });
    await vmm.pause();
    await expect(vmm.saveState(path, AbortSignal.abort())).rejects.toMatchObject({
      code: 'machine-cancelled',
    });
    await expect(vmm.saveState('/nowhere/s.sock', neverAborted())).rejects.toMatchObject({
      code: 'machine-save-failed',
    });
    await vmm.saveState(path, neverAborted());
    await vmm.resume();
    expect(await vmm.powerDown(10)).toBe(false);
  });

  it('leaves nothing of a launch that fails: no kernel, cancelled (R12)', async () => {
    const none = machineRequest({ boot: { from: 'kernel', kernel: new URL(import.meta.url).pathname } });
    await expect(machineDriver().launch(none)).rejects.toMatchObject({
      code: 'machine-start-failed',
      message: expect.stringMatching(/kernel|ELF|bzImage/),
    });
    const cancelled = machineRequest({}, { signal: AbortSignal.abort() });
    await expect(machineDriver().launch(cancelled)).rejects.toMatchObject({ code: 'machine-cancelled' });
    for (const { directory, logFile } of [none, cancelled]) {
      expect(existsSync(directory)).toBe(false);
      expect(existsSync(logFile)).toBe(false);
    }
  });
});
