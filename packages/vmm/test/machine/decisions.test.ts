/** What the machine driver decides before there is a machine. */
import type { InstanceSpecInput } from '@drover/types';
import { describe, expect, it } from 'vitest';
import { allDrivers } from '../../src/drivers.js';
import { machineDriver, machineRequest } from '../support/machine.js';
import { driver as qemuDriver } from '../support/qemu.js';
import { spec } from '../support/specs.js';
import { TINY_GUEST } from '../support/tiny-guest.js';

const kvm = () => ({ maxVcpus: 4, trackers: ['kvm-dirty-log'] as const });
const boot = { from: 'kernel', kernel: TINY_GUEST } as const;
const machine = (input: Partial<InstanceSpecInput>) => spec({ vmm: 'machine', boot, ...input });

describe('a spec that a machine cannot give', () => {
  it.each<[string, Partial<InstanceSpecInput>, string]>([
    ['disks to start from', { boot: { from: 'disks', order: ['root'] }, components: disk() }, 'boot.from'],
    ['a disk', { components: disk() }, 'virtio-disk ("root")'],
    ['a machine type', { machineType: 'microvm' }, 'microvm'],
    ['emulation', { accelerator: 'tcg' }, 'tcg'],
    ['a CPU model', { cpu: { model: 'EPYC' } }, 'EPYC'],
    ['a CPU feature', { cpu: { model: 'host', features: { avx: false } } }, 'cpu.features.avx'],
    ['SMBIOS', { smbios: { serial: '1' } }, 'SMBIOS'],
    ['another VMM', { vmm: 'qemu' }, '"qemu"'],
  ])('is refused by name, before anything is made (R7): %s', async (_, input, named) => {
    await expect(machineDriver({ kvm }).check(machine(input))).rejects.toMatchObject({
      code: 'spec-unsupported-by-machine',
      message: expect.stringContaining(named),
    });
  });

  it('is one for a bigger host', async () => {
    await expect(machineDriver({ kvm }).check(machine({ cpus: 5 }))).rejects.toMatchObject({
      code: 'too-many-cpus',
    });
    await expect(
      machineDriver({ kvm }).check(machine({ memoryMiB: 16 * 1024 * 1024 })),
    ).rejects.toMatchObject({
      code: 'memory-insufficient',
    });
    const absent = machine({ boot: { from: 'kernel', kernel: '/nowhere/kernel' } });
    await expect(machineDriver({ kvm }).check(absent)).rejects.toMatchObject({
      code: 'boot-file-unreadable',
    });
    await machineDriver({ kvm }).check(machine({ cpus: 4 }));
  });

  it('was promised a processor that this host has not: every feature and register is named (R7)', async () => {
    const cpu = { cpuid: [{ leaf: 0, subleaf: 0, eax: 1, ebx: 0, ecx: 0, edx: 0 }], msrs: [0xda0] };
    const without = (features: string[], msrs: string[]) =>
      machineDriver({ kvm, missing: () => ({ features, msrs }) }).checkCpu(machine({ name: 'web-1' }), cpu);
    await expect(without(['avx512f', 'pku'], ['MSR 0xda0 (IA32_XSS)'])).rejects.toMatchObject({
      code: 'cpu-not-offered',
      message: expect.stringMatching(/"web-1".* avx512f, pku, MSR 0xda0 \(IA32_XSS\)\./),
    });
    const many = Array.from({ length: 40 }, (_, index) => `f${index}`);
    await expect(without(many, [])).rejects.toThrow(/ f15 and 24 more\./);
    await without([], []);
  });

  it('asks for stopped time where the host cannot set a guest’s clocks: refused before anything is made (R7)', async () => {
    const on = (ok: boolean) =>
      machineDriver({
        kvm,
        stoppedClock: () => ({ ok, detail: ok ? '' : 'its KVM gives every guest the host’s own' }),
      });
    await expect(on(false).check(machine({ clock: 'stopped' }))).rejects.toMatchObject({
      code: 'clock-not-stoppable',
      message: expect.stringMatching(/its KVM gives every guest .* Or set clock to "wall"\.$/),
    });
    await on(false).check(machine({ clock: 'wall' }));
    await on(true).check(machine({ clock: 'stopped' }));
  });

  it('is any on a host without /dev/kvm, which says so when it is asked', async () => {
    const without = machineDriver({
      kvm: () => {
        throw new Error('/dev/kvm is missing');
      },
      hypervisors: () => [
        { name: 'kvm', usable: false, why: '/dev/kvm is missing' },
        { name: 'bhyve', usable: false, why: 'this host has no /dev/vmmctl' },
      ],
    });
    const refusal = {
      code: 'machine-unusable',
      message: expect.stringMatching(/\/dev\/kvm is missing; bhyve: this host has no \/dev\/vmmctl/),
    };
    await expect(without.check(machine({}))).rejects.toMatchObject(refusal);
    await expect(without.deviceStates()).rejects.toMatchObject(refusal);
    expect(await without.probe()).toMatchObject({
      unusable: '/dev/kvm is missing; bhyve: this host has no /dev/vmmctl',
      accelerators: [],
    });
  });

  it('is one that started as another kind of machine (R3)', async () => {
    const identity = {
      ...({ driver: 'machine', version: '9.0.0', machineType: 'machine-9' } as const),
      ...({ accelerator: 'kvm', acceleratorReason: '' } as const),
    };
    const request = machineRequest({}, { identity, incoming: true });
    await expect(machineDriver({ kvm }).launch(request)).rejects.toMatchObject({
      code: 'machine-type-unknown',
      message: expect.stringContaining('machine-9'),
    });
  });
});

describe('all drivers of a host', () => {
  const qemu = qemuDriver();

  it('are asked by what the spec names', async () => {
    const drivers = allDrivers([qemu, machineDriver({ kvm })]);
    await drivers.check(machine({}));
    await expect(drivers.check(machine({ components: disk() }))).rejects.toMatchObject({
      code: 'spec-unsupported-by-machine',
    });
    await expect(drivers.check(spec({ clock: 'stopped' }))).rejects.toMatchObject({
      code: 'spec-unsupported-by-qemu',
    });
    expect(drivers.specBlockers(machine({}))).toEqual([]);
  });

  it('refuse a spec that is for none of them, by name', async () => {
    const drivers = allDrivers([qemu]);
    const refusal = { code: 'driver-missing', message: expect.stringContaining('"machine"; it has qemu') };
    await expect(drivers.check(machine({}))).rejects.toMatchObject(refusal);
    await expect(drivers.launch(machineRequest())).rejects.toMatchObject(refusal);
  });

  it('say what they read together, as far as they can be used', async () => {
    const reads = (name: string) => ({ ...qemu, deviceStates: async () => ({ [name]: [1] }) });
    const silent = { ...qemu, deviceStates: () => Promise.reject(new Error('it is not here')) };
    expect(await allDrivers([reads('a'), reads('b')]).deviceStates()).toEqual({ a: [1], b: [1] });
    expect(await allDrivers([silent, reads('b')]).deviceStates()).toEqual({ b: [1] });
    await expect(allDrivers([silent, silent]).deviceStates()).rejects.toThrow('it is not here');
  });
});

function disk(): NonNullable<InstanceSpecInput['components']> {
  return {
    root: { kind: 'virtio-disk', backend: 'file' },
    file: { kind: 'file-storage', path: '/nowhere.img', format: 'raw' },
  };
}
