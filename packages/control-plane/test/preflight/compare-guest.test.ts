import { describe, expect, it } from 'vitest';
import { compareGuest, type GuestComparison } from '../../src/preflight/compare-guest.js';
import { type Finding, gather, movesWith, refusalOf } from '../../src/preflight/finding.js';
import { description, spec } from '../support/fleet.js';

const base = description();
function findings(change: Partial<GuestComparison>): readonly Finding[] {
  return compareGuest({
    spec: spec(),
    vmm: { driver: 'qemu', accelerator: 'kvm', machineType: 'pc-q35-7.2' },
    source: description('north'),
    destination: description('south'),
    ...change,
  });
}
const refusedCodes = (change: Partial<GuestComparison>) =>
  findings(change)
    .filter(({ severity }) => severity === 'refused')
    .map(({ code }) => code);

function withCompatibility(name: string, change: Partial<typeof base.compatibility>) {
  return description(name, { compatibility: { ...base.compatibility, ...change } });
}

describe('comparing two hosts for one guest', () => {
  it('finds nothing that refuses between two alike', () => {
    expect(refusedCodes({})).toEqual([]);
    expect(refusedCodes({ spec: spec({ vmm: 'machine' }), vmm: null })).toEqual([]);
  });

  it('names each processor feature that is missing, and only where the guest may use it', () => {
    const cpu = { ...base.cpu, features: ['fpu', 'lm', 'nx', 'sse', 'sse2', 'tsc'] } as typeof base.cpu;
    const destination = description('south', { cpu });
    const host = { cpu: { model: 'host', features: { avx512f: false } } };
    const [finding] = findings({ destination, spec: spec(host) });
    expect(finding).toMatchObject({ severity: 'refused', code: 'cpu-not-offered' });
    expect(finding?.sentence).toContain('lacks aes, avx, avx2, cpuid_7.0_ebx_6, pni, sse4_1');
    expect(finding?.sentence).not.toContain('avx512f');
    const named = (features: Record<string, boolean>) => spec({ cpu: { model: 'qemu64', features } });
    expect(refusedCodes({ destination, spec: named({}) })).toEqual([]);
    expect(refusedCodes({ destination, spec: named({ 'sse4.1': true }) })).toEqual(['cpu-not-offered']);
    expect(refusedCodes({ destination, spec: spec({ vmm: 'machine' }), vmm: null })).toEqual([
      'cpu-not-offered',
    ]);
    const tcg = { driver: 'qemu', accelerator: 'tcg', machineType: null } as const;
    expect(refusedCodes({ destination, spec: spec(host), vmm: tcg })).toEqual([]);
  });

  it('refuses for what this guest uses and not for what others could', () => {
    const drivers = base.compatibility.drivers;
    const onlyTcg = withCompatibility('south', {
      drivers: drivers.map((driver) =>
        driver.name === 'qemu' ? { ...driver, accelerators: ['tcg'] } : driver,
      ),
    });
    expect(refusedCodes({ destination: onlyTcg })).toEqual(['accelerator-unusable']);
    expect(
      refusedCodes({
        destination: onlyTcg,
        vmm: { driver: 'qemu', accelerator: 'tcg', machineType: null },
      }),
    ).toEqual([]);
    const noMachine = withCompatibility('south', {
      drivers: drivers.filter(({ name }) => name !== 'machine'),
    });
    expect(refusedCodes({ destination: noMachine })).toEqual([]);
    expect(refusedCodes({ destination: noMachine, spec: spec({ vmm: 'machine' }), vmm: null })).toEqual([
      'vmm-kind-unsupported',
    ]);
  });

  it('refuses a machine type that the destination lacks, however many others both have', () => {
    const qemu = base.compatibility.drivers.find(({ name }) => name === 'qemu');
    const [type = ''] = qemu?.machineTypes ?? [];
    const destination = withCompatibility('south', {
      drivers: base.compatibility.drivers.map((driver) =>
        driver.name === 'qemu'
          ? { ...driver, machineTypes: driver.machineTypes.filter((each) => each !== type) }
          : driver,
      ),
    });
    expect(
      refusedCodes({ destination, vmm: { driver: 'qemu', accelerator: 'kvm', machineType: type } }),
    ).toEqual(['machine-type-unknown']);
  });

  it('warns of device classes that the guest may not have, and refuses for the state that every guest has', () => {
    const states = (change: Record<string, number[]>) => ({
      source: withCompatibility('north', {
        deviceStates: { ...base.compatibility.deviceStates, ...change },
      }),
    });
    const rare = findings(states({ 'qemu/virtio-blk': [99] }));
    expect(movesWith(rare)).toBe(true);
    expect(rare.map(({ severity, code }) => `${severity} ${code}`)).toContain(
      'warning device-state-version-unsupported',
    );
    expect(refusedCodes(states({ 'qemu-stream': [99] }))).toEqual(['device-state-version-unsupported']);
    const machine = {
      ...states({ 'machine/cpu': [99] }),
      destination: withCompatibility('south', {
        deviceStates: { ...base.compatibility.deviceStates, 'machine/cpu': [1] },
      }),
    };
    expect(refusedCodes({ ...machine, spec: spec({ vmm: 'machine' }), vmm: null })).toEqual([
      'device-state-version-unsupported',
    ]);
    expect(refusedCodes(machine)).toEqual([]);
  });

  it('names what keeps a spec from an older release, and says nothing where nothing does (R7, R8)', () => {
    const destination = withCompatibility('south', { instanceSpec: [1, 2] });
    expect(refusedCodes({ destination })).toEqual([]);
    const [finding] = findings({ destination, spec: spec({ clock: 'stopped' }) });
    expect(finding).toMatchObject({
      code: 'spec-not-convertible',
      sentence: 'Host south reads instance specs up to version 2, and clock=stopped needs instance spec 3.',
    });
    const strangers = withCompatibility('south', { peerProtocol: [77] });
    expect(refusedCodes({ destination: strangers })).toEqual(['peer-version-unknown']);
  });
});

describe('findings gathered', () => {
  const finding = (severity: Finding['severity'], code: string): Finding => ({
    severity,
    code,
    sentence: `${code} here.`,
    remedy: 'Do it.',
  });

  it('let an agent’s word stand for what was concluded of the same thing, and put refusals first', () => {
    const concluded = [finding('note', 'n'), finding('refused', 'cpu-not-offered')];
    const agents = [finding('warning', 'w'), finding('note', 'cpu-not-offered')];
    expect(gather(concluded, agents).map(({ severity, code }) => `${severity} ${code}`)).toEqual([
      'warning w',
      'note n',
      'note cpu-not-offered',
    ]);
  });

  it('make an error that a retry can help only where nothing that stays is in the way', () => {
    expect(refusalOf([finding('warning', 'host-full')])).toBe(null);
    expect(refusalOf([finding('refused', 'host-full')])).toEqual({
      code: 'host-full',
      message: 'host-full here. Do it.',
      retryable: true,
    });
    expect(
      refusalOf([finding('refused', 'host-full'), finding('refused', 'machine-type-unknown')]),
    ).toMatchObject({ code: 'host-full', retryable: false });
  });
});
