import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Component, instanceSpecSchema } from '../src/instance-spec/latest.js';
import { backendsOfDevice, checkInstanceSpecRules } from '../src/instance-spec/rules.js';

type Components = Readonly<Record<string, Component>>;

function sentences(components: Components, order?: readonly string[]): readonly string[] {
  const boot = order === undefined ? { from: 'kernel', kernel: '/k' } : { from: 'disks', order };
  const spec = instanceSpecSchema.parse({ name: 'a', cpus: 1, memoryMiB: 64, boot, components });
  return checkInstanceSpecRules(spec).map(({ path, message }) => `${path.join('.')} ${message}`);
}

const file = (path: string, readOnly = false): Component => ({
  ...{ kind: 'file-storage', path, format: 'raw', cache: 'writeback', readOnly },
});
const disk = (backend: string, pciSlot?: number): Component => ({
  ...{ kind: 'virtio-disk', backend },
  ...(pciSlot === undefined ? {} : { pciSlot }),
});
const nic = (backend: string, mac = '52:54:00:00:00:01', pciSlot?: number): Component => ({
  ...{ kind: 'virtio-nic', backend, mac },
  ...(pciSlot === undefined ? {} : { pciSlot }),
});

describe('the rules of an instance spec', () => {
  it('accept devices that each have a backend of their own', () => {
    const components = {
      d: disk('f', 3),
      f: file('/a'),
      n: nic('u', '02:00:00:00:00:01', 4),
      u: { kind: 'user-network' },
    } as const;
    expect(sentences(components, ['d'])).toEqual([]);
  });

  it('refuse a backend that is not there, also one that every object inherits', () => {
    expect(sentences({ d: disk('constructor') })).toEqual([
      'components.d.backend names "constructor", which is not among the components',
    ]);
  });

  it('refuse a backend of the wrong kind', () => {
    expect(sentences({ d: disk('u'), u: { kind: 'user-network' } })).toEqual([
      'components.d.backend names "u", a user-network; a virtio-disk needs a file-storage or a block-storage or a blob-storage',
      'components.u is a user-network that no device uses',
    ]);
    expect(sentences({ d: disk('e'), e: disk('d') })).toHaveLength(2);
  });

  it('refuse a backend that two devices use', () => {
    expect(sentences({ d: disk('f'), e: disk('f'), f: file('/a') })).toEqual([
      'components.e.backend names "f", which "d" already uses',
    ]);
  });

  it('refuse a backend that no device uses', () => {
    expect(sentences({ f: file('/a') })).toEqual(['components.f is a file-storage that no device uses']);
  });

  it('refuse what two components cannot both have', () => {
    const tap: Component = { kind: 'tap-network', interface: 'tap0' };
    const serial: Component = { kind: 'serial-port', port: 'com1' };
    const gpu: Component = { kind: 'vfio-device', address: '0000:01:00.0' };
    expect(sentences({ d: disk('f', 3), f: file('/a'), e: disk('g', 3), g: file('/b') })).toEqual([
      'components.e.pciSlot is 3, which "d" already has',
    ]);
    expect(sentences({ d: disk('f'), f: file('/a'), e: disk('g'), g: file('/a') })).toEqual([
      'components.g.path is /a, which "f" already has',
    ]);
    expect(sentences({ m: nic('t'), t: tap, n: nic('s'), s: tap })).toEqual([
      'components.n.mac is 52:54:00:00:00:01, which "m" already has',
      'components.s.interface is tap0, which "t" already has',
    ]);
    expect(sentences({ a: serial, b: serial })).toEqual(['components.b.port is com1, which "a" already has']);
    expect(sentences({ a: gpu, b: gpu })).toEqual([
      'components.b.address is 0000:01:00.0, which "a" already has',
    ]);
  });

  it('hold block devices to the same as files, also between the two', () => {
    const block = (path: string, readOnly = false): Component => ({
      ...{ kind: 'block-storage', path, cache: 'none', readOnly },
    });
    expect(sentences({ d: disk('f'), f: file('/dev/sdb'), e: disk('g'), g: block('/dev/sdb') })).toEqual([
      'components.g.path is /dev/sdb, which "f" already has',
    ]);
    const both = { d: disk('f'), f: block('/dev/sdb', true), e: disk('g'), g: block('/dev/sdb', true) };
    expect(sentences(both)).toEqual([]);
  });

  it('refuse a second pvpanic and a second vsock, and take any number of rngs', () => {
    const panic: Component = { kind: 'pvpanic' };
    const vsock = (cid: number): Component => ({ kind: 'vsock', cid });
    expect(sentences({ a: { kind: 'rng' }, b: { kind: 'rng' } })).toEqual([]);
    expect(sentences({ a: panic, b: vsock(3), c: panic, d: vsock(4) })).toEqual([
      'components.c is a second pvpanic, after "a"',
      'components.d is a second vsock, after "b"',
    ]);
    expect(
      sentences({ a: { kind: 'rng', pciSlot: 3 }, b: { ...vsock(3), pciSlot: 3 } as Component }),
    ).toEqual(['components.b.pciSlot is 3, which "a" already has']);
  });

  it('refuse a CPUID leaf that is answered twice', () => {
    const entry = (leaf: number, subleaf: number | null) => ({
      leaf,
      subleaf,
      eax: 0,
      ebx: 0,
      ecx: 0,
      edx: 0,
    });
    const refused = (...cpuid: readonly ReturnType<typeof entry>[]) =>
      checkInstanceSpecRules(
        instanceSpecSchema.parse({
          name: 'a',
          cpus: 1,
          memoryMiB: 64,
          cpu: { model: 'qemu64', cpuid },
          boot: { from: 'kernel', kernel: '/k' },
        }),
      ).map(({ path, message }) => `${path.join('.')} ${message}`);
    expect(refused(entry(4, 0), entry(4, 1), entry(5, 0), entry(6, null))).toEqual([]);
    const twice = 'cpu.cpuid.1 is leaf 0x4 a second time; give each subleaf once, or null once for all';
    expect(refused(entry(4, 0), entry(4, 0))).toEqual([twice]);
    expect(refused(entry(4, null), entry(4, 0))).toEqual([twice]);
    expect(refused(entry(4, 0), entry(4, null))).toEqual([twice]);
    expect(refused(entry(4, null), entry(4, null))).toEqual([twice]);
  });

  it('let two disks read the same file', () => {
    expect(sentences({ d: disk('f'), f: file('/a', true), e: disk('g'), g: file('/a', true) })).toEqual([]);
  });

  it('refuse a MAC address that no network card may have', () => {
    const net: Component = { kind: 'user-network' };
    expect(sentences({ n: nic('u', '01:00:5e:00:00:01'), u: net })[0]).toMatch(/multicast/);
    expect(sentences({ n: nic('u', '00:00:00:00:00:00'), u: net })[0]).toMatch(/all zero/);
  });

  it('refuse a boot order that names anything but a disk, or one twice', () => {
    const components = { d: disk('f'), f: file('/a'), n: nic('u'), u: { kind: 'user-network' } } as const;
    expect(sentences(components, ['d', 'n', 'x', 'd', 'f'])).toEqual([
      'boot.order.1 names "n", a virtio-nic; it must be a virtio-disk or a nvme-disk',
      'boot.order.2 names "x", which is not among the components',
      'boot.order.3 names "d" a second time',
      'boot.order.4 names "f", a file-storage; it must be a virtio-disk or a nvme-disk',
    ]);
  });

  it('agree with counting, for any wiring of devices and backends', () => {
    const backends: Readonly<Record<string, Component>> = {
      b0: file('/0'),
      b1: file('/1'),
      b2: { kind: 'user-network' },
      b3: { kind: 'tap-network', interface: 'tap0' },
    };
    const device = fc.tuple(
      fc.constantFrom('virtio-disk', 'virtio-nic'),
      fc.constantFrom('b0', 'b1', 'b2', 'b3', 'b4'),
    );
    fc.assert(
      fc.property(
        fc.array(device, { maxLength: 5 }),
        fc.subarray(Object.keys(backends)),
        (devices, present) => {
          const components: Record<string, Component> = {};
          devices.forEach(([kind, backend], index) => {
            components[`d${index}`] =
              kind === 'virtio-disk' ? disk(backend) : nic(backend, `52:54:00:00:00:0${index}`);
          });
          for (const id of present) components[id] = backends[id] as Component;
          const fits = devices.every(([kind, id]) => {
            const backend = components[id];
            return backend !== undefined && backendsOfDevice[kind as 'virtio-disk'].includes(backend.kind);
          });
          const usedOnce = present.every(
            (id) => devices.filter(([, backend]) => backend === id).length === 1,
          );
          expect(sentences(components).length === 0).toBe(fits && usedOnce);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
