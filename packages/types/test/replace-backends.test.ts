import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type InstanceSpec,
  type InstanceSpecInput,
  instanceSpecSchema,
  replaceBackends,
} from '../src/index.js';
import { randomDocuments } from './support/arbitraries.js';

const input: InstanceSpecInput = {
  name: 'web-1',
  cpus: 1,
  memoryMiB: 64,
  boot: { from: 'disks', order: ['disk0'] },
  components: {
    disk0: { kind: 'nvme-disk', backend: 'disk0-file', serial: 'root', pciSlot: 4, writeCache: false },
    'disk0-file': { kind: 'file-storage', path: '/srv/a.raw', format: 'raw', cache: 'none' },
    disk1: { kind: 'virtio-disk', backend: 'disk1-dev' },
    'disk1-dev': { kind: 'block-storage', path: '/dev/sdb', readOnly: true, request: '{"a": 1}' },
    seed: { kind: 'virtio-disk', backend: 'seed-blob' },
    'seed-blob': { kind: 'blob-storage', contentBase64: Buffer.alloc(512).toString('base64') },
    net0: { kind: 'virtio-nic', backend: 'net0-tap', mac: '52:54:00:00:00:01' },
    'net0-tap': { kind: 'tap-network', interface: 'tap0' },
    gpu0: { kind: 'vfio-device', address: '0000:01:00.0' },
  },
};
const spec = instanceSpecSchema.parse(input);

describe('replacing backends for another host', () => {
  it('changes where they are on the host, and leaves every device and the given spec as they were (R3)', () => {
    const before = structuredClone(spec);
    const replaced = replaceBackends(spec, {
      'disk0-file': { kind: 'file-storage', path: '/mnt/b.raw', format: 'raw' },
      'disk1-dev': { kind: 'block-storage', path: '/dev/sdz', readOnly: true, request: '{"a": 2}' },
      'net0-tap': { kind: 'tap-network', interface: 'tap7' },
    });
    expect(replaced).toEqual({
      ...spec,
      components: {
        ...spec.components,
        'disk0-file': {
          ...{ kind: 'file-storage', path: '/mnt/b.raw', format: 'raw' },
          ...{ cache: 'writeback', readOnly: false },
        },
        'disk1-dev': {
          ...{ kind: 'block-storage', path: '/dev/sdz', cache: 'none' },
          ...{ readOnly: true, request: '{"a": 2}' },
        },
        'net0-tap': { kind: 'tap-network', interface: 'tap7' },
      },
    });
    expect(Object.keys(replaced.components)).toEqual(Object.keys(spec.components));
    expect(spec).toEqual(before);
  });

  const otherBlob = Buffer.alloc(512, 1).toString('base64');
  it.each([
    [{ nothing: { kind: 'user-network' } }, 'it has no component "nothing"'],
    [{ constructor: { kind: 'user-network' } }, 'it has no component "constructor"'],
    [{ disk0: spec.components.disk0 }, '"disk0" is a nvme-disk, which is not a backend'],
    [
      { gpu0: { kind: 'vfio-device', address: '0000:02:00.0' } },
      '"gpu0" is a vfio-device, which is not a backend',
    ],
    [
      { 'net0-tap': { kind: 'user-network' } },
      '"net0-tap" is a tap-network, and a user-network cannot take its place',
    ],
    [
      { 'net0-tap': spec.components.disk0 },
      '"net0-tap" is a tap-network, and a nvme-disk cannot take its place',
    ],
    [
      { 'net0-tap': { kind: 'tap-network', interface: 'a/b' } },
      'backends.net0-tap.interface: does not match /^[A-Za-z0-9_.-]{1,15}$/',
    ],
    [{ 'net0-tap': 'tap1' }, 'backends.net0-tap: is string where object is expected'],
    [
      { 'disk1-dev': { kind: 'block-storage', path: '/dev/sdz' } },
      'the guest sees readOnly of "disk1-dev", which must stay as it is',
    ],
    [
      { 'seed-blob': { kind: 'blob-storage', contentBase64: otherBlob } },
      'the guest sees contentBase64 of "seed-blob", which must stay as it is',
    ],
  ])('refuses %j', (replacements, why) => {
    expect(() => replaceBackends(spec, replacements)).toThrow(
      expect.objectContaining({
        code: 'backend-replacement-invalid',
        message: `The backends given for "web-1" cannot replace its own: ${why}.`,
      }),
    );
  });

  it('refuses what would give one file to two disks', () => {
    const two = instanceSpecSchema.parse({
      ...input,
      components: {
        ...input.components,
        disk2: { kind: 'virtio-disk', backend: 'disk2-file' },
        'disk2-file': { kind: 'file-storage', path: '/srv/c.raw', format: 'raw' },
      },
    });
    const same = { kind: 'file-storage', path: '/srv/a.raw', format: 'raw' };
    expect(() => replaceBackends(two, { 'disk2-file': same })).toThrow(
      'spec.components.disk2-file.path: is /srv/a.raw, which "disk0-file" already has.',
    );
  });

  it('with the same backends is the same spec, for any spec', () => {
    const newest = randomDocuments.findLast(({ folder }) => folder === 'instance-spec');
    fc.assert(
      fc.property(newest?.body as fc.Arbitrary<InstanceSpec>, (any) => {
        const backends = Object.entries(any.components).filter(([id]) => id.endsWith('-b'));
        expect(replaceBackends(any, Object.fromEntries(backends))).toEqual(any);
      }),
      { numRuns: 200 },
    );
  });
});
