import { describe, expect, it } from 'vitest';
import type { VmmIdentity } from '../src/driver.js';
import { vmmErrors } from '../src/errors.js';
import { hasDirectIo, refuseUnstartable, specBlockers, trackingBlockers } from '../src/qemu/blockers.js';
import { decideIdentity, guestMachines } from '../src/qemu/identity.js';
import type { QemuFacts } from '../src/qemu/probe.js';
import { failurePhrase, statusOf } from '../src/qemu/run-state.js';
import { spec } from './support/specs.js';

const facts: QemuFacts = {
  binary: '/q',
  version: '8.2.1',
  machines: [
    { name: 'pc-q35-8.2', alias: 'q35', maxCpus: 4 },
    { name: 'pc-q35-7.2', alias: null, maxCpus: 4 },
    { name: 'microvm', alias: null, maxCpus: 4 },
  ],
  cpuModels: ['qemu64'],
};
const question = { facts, kvm: { kind: 'absent', detail: '' }, kernel: null } as const;
const settled: VmmIdentity = {
  driver: 'qemu',
  version: '7.2.22',
  machineType: 'pc-q35-7.2',
  accelerator: 'tcg',
  acceleratorReason: 'Because.',
};

describe('the identity of an instance', () => {
  it('has the exact machine type behind an alias', () => {
    expect(decideIdentity({ ...question, spec: spec({ machineType: 'q35' }), settled: null })).toMatchObject({
      machineType: 'pc-q35-8.2',
      version: '8.2.1',
      accelerator: 'tcg',
    });
  });

  it('stays on a newer QEMU that still has the machine type', () => {
    expect(decideIdentity({ ...question, spec: spec({ machineType: 'q35' }), settled })).toEqual({
      ...settled,
      version: '8.2.1',
    });
  });

  it('is refused by name where the machine type is missing (R7)', () => {
    const missing = { ...settled, machineType: 'pc-q35-9.0' };
    expect(() => decideIdentity({ ...question, spec: spec(), settled: missing })).toThrow(
      expect.objectContaining({
        code: 'machine-type-unknown',
        message: expect.stringContaining('pc-q35-9.0'),
      }),
    );
  });

  it('with an unversioned machine type keeps to one release (R7)', () => {
    const microvm = { ...settled, machineType: 'microvm' };
    expect(() => decideIdentity({ ...question, spec: spec(), settled: microvm })).toThrow(
      expect.objectContaining({ code: 'machine-type-unknown', message: expect.stringContaining('7.2.22') }),
    );
    const same = { ...microvm, version: '8.2.0' };
    expect(decideIdentity({ ...question, spec: spec(), settled: same }).machineType).toBe('microvm');
  });

  it('is refused where the accelerator is missing', () => {
    const kvm = { ...settled, accelerator: 'kvm' as const };
    expect(() => decideIdentity({ ...question, spec: spec(), settled: kvm })).toThrow(
      expect.objectContaining({ code: 'accelerator-unusable' }),
    );
  });
});

describe('the machine types of a host', () => {
  it('are exact, of families that the driver lays out, oldest first', () => {
    const names = [
      'pc-q35-8.2',
      'q35',
      'none',
      'pc-q35-10.0',
      'microvm',
      'pc-i440fx-2.4',
      'pc-q35-8.2.1',
      'isapc',
    ];
    const machines = names.map((name) => ({ name, alias: null, maxCpus: 1 }));
    expect(guestMachines(machines)).toEqual([
      'microvm',
      'pc-i440fx-2.4',
      'pc-q35-8.2',
      'pc-q35-8.2.1',
      'pc-q35-10.0',
    ]);
  });
});

describe('blockers', () => {
  const all = spec({
    components: {
      a: { kind: 'vhost-user-network', socket: '/s' },
      b: { kind: 'vfio-device', address: '0000:01:00.0' },
      c: { kind: 'vdpa-network', device: '/dev/vhost-vdpa-0' },
      d: { kind: 'nvme-disk', backend: 'e', serial: 'S' },
      e: { kind: 'file-storage', path: '/d', format: 'raw', cache: 'none' },
    },
  });

  it('name every device that writes past the tracker or cannot be saved', () => {
    const codes = (allowDirectIo: boolean) => specBlockers(all, { allowDirectIo }).map(({ code }) => code);
    const devices = ['blocker-vhost-user', 'blocker-vfio', 'blocker-vdpa', 'blocker-nvme'];
    expect(codes(true)).toEqual(devices);
    expect(codes(false)).toEqual([...devices, 'blocker-direct-io']);
    for (const { message } of specBlockers(all, { allowDirectIo: false }))
      expect(message).toMatch(/^Component "/);
    const vsock = spec({ components: { v: { kind: 'vsock', cid: 3 } } });
    for (const movable of [spec(), vsock])
      expect(specBlockers(movable, { allowDirectIo: false })).toEqual([]);
  });

  it('stop a start only where this driver has no way to run the device', () => {
    expect(() => refuseUnstartable(all)).toThrow(expect.objectContaining({ code: 'blocker-vhost-user' }));
    refuseUnstartable(spec({ components: { d: { kind: 'nvme-disk', backend: 'e', serial: 'S' } } }));
  });

  it('say what the kernel lacks for tracking', () => {
    const ok = { ok: true, detail: '' };
    const probe = { userfaultfd: ok, asyncWriteProtect: ok, pagemapScan: ok };
    expect(trackingBlockers(probe)).toEqual([]);
    const detail = 'This kernel has no PAGEMAP_SCAN.';
    expect(trackingBlockers({ ...probe, pagemapScan: { ok: false, detail } })).toEqual([
      { code: 'blocker-tracking', message: `This host cannot track what its guests write: ${detail}` },
    ]);
  });

  it('tell which guests need quiesced rounds', () => {
    expect(hasDirectIo(all)).toBe(true);
    // Past the page cache unless the spec says otherwise.
    const volume = { e: { kind: 'block-storage', path: '/dev/d' } } as const;
    expect(hasDirectIo(spec({ components: volume }))).toBe(true);
    expect(specBlockers(spec({ components: volume }), { allowDirectIo: false })).toMatchObject([
      { code: 'blocker-direct-io' },
    ]);
    const buffered = { e: { kind: 'file-storage', path: '/d', format: 'raw' } } as const;
    expect(hasDirectIo(spec({ components: buffered }))).toBe(false);
  });
});

describe('run states', () => {
  it('are paused only where QEMU never goes on by itself (R1)', () => {
    for (const state of ['prelaunch', 'paused', 'finish-migrate', 'postmigrate']) {
      expect(statusOf(state), state).toBe('paused');
    }
    expect(statusOf('inmigrate')).toBe('incomplete');
    expect(statusOf('running')).toBe('running');
    expect(statusOf('suspended')).toBe('running');
    expect(statusOf('shutdown')).toBe('guest-stopped');
    expect(statusOf('guest-panicked')).toBe('guest-panicked');
    for (const state of ['internal-error', 'io-error', 'watchdog', 'something-new']) {
      expect(statusOf(state), state).toBe('failed');
      expect(failurePhrase(state, 'KVM internal error')).toMatch(/^[A-Z].*\.$/);
    }
  });
});

describe('the error table', () => {
  it('has kebab-case codes and sentences', () => {
    for (const [code, { summary }] of Object.entries(vmmErrors.definitions)) {
      expect(code).toMatch(/^[a-z]+(-[a-z]+)*$/);
      expect(summary, code).toMatch(/^[A-Z].*\.$/);
    }
  });
});
