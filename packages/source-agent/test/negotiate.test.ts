import type { PeerHello } from '@drover/protocol';
import { instanceSpecSchema } from '@drover/types';
import { describe, expect, it } from 'vitest';
import { agree, type Offer } from '../src/negotiate.js';

const spec = instanceSpecSchema.parse({
  name: 'guest-a',
  cpus: 1,
  memoryMiB: 64,
  boot: { from: 'kernel', kernel: '/vmlinuz' },
  components: {
    nvme0: { kind: 'nvme-disk', backend: 'file0', serial: 'a1', writeCache: false },
    file0: { kind: 'file-storage', path: '/disks/a', format: 'raw' },
  },
});
const plain = instanceSpecSchema.parse({ ...spec, components: {} });
const theirs: PeerHello = {
  release: '0.1.0',
  host: 'north',
  instanceSpec: [1, 2, 3],
  migrationReport: [1, 2],
  deviceStates: { 'qemu-stream': [1], 'qemu/virtio-net': [10, 11] },
  capabilities: [1, 2, 9],
  pageSize: 4096,
  maxConnections: 64,
};
const offer: Offer = {
  source: { host: 'south', release: '0.2.0' },
  spec: plain,
  connections: 2,
  deviceStates: { 'qemu-stream': 1, 'qemu/virtio-net': 11 },
  capabilities: [],
};

describe('agreeing with a destination', () => {
  it.each([
    [[1, 2, 3], 3],
    [[1, 2], 2],
    [[1, 7], 1],
  ])('that reads instance specs %j takes the newest that loses nothing: %i', (instanceSpec, version) => {
    expect(agree({ ...theirs, instanceSpec }, offer).spec).toMatchObject({
      schema: 'drover.instance-spec',
      version,
      body: { name: 'guest-a' },
    });
  });

  it('that reads no version that can say the spec names the feature, its version and the window (R7, R8)', () => {
    expect(() => agree({ ...theirs, instanceSpec: [1, 2] }, { ...offer, spec })).toThrow(
      expect.objectContaining({
        code: 'spec-not-convertible',
        message: expect.stringContaining('nvme0.writeCache=false needs instance spec 3; north accepts 1–2'),
      }),
    );
    expect(agree(theirs, { ...offer, spec }).spec.version).toBe(3);
  });

  it('that reads only unknown specs names both windows (R7)', () => {
    expect(() => agree({ ...theirs, instanceSpec: [7, 8] }, offer)).toThrow(
      expect.objectContaining({
        code: 'spec-version-unknown',
        message: expect.stringMatching(/north accepts 7–8, .*this release writes 1–3/),
      }),
    );
  });

  it('refuses another page size, naming both (R7)', () => {
    expect(() => agree({ ...theirs, pageSize: 16_384 }, offer)).toThrow(
      expect.objectContaining({
        code: 'page-size-unsupported',
        message: expect.stringMatching(/destination north .*16384 bytes, this host 4096/),
      }),
    );
  });

  it('takes the capabilities that both have, and none that only one has', () => {
    expect(agree(theirs, offer).capabilities).toEqual([]);
    expect(agree(theirs, { ...offer, capabilities: [3, 2, 1] }).capabilities).toEqual([1, 2]);
  });

  it.each([
    [2, 64, 2],
    [8, 4, 4],
    [64, 64, 64],
  ])('opens what both take: asked %i, taken there %i', (connections, maxConnections, opened) => {
    expect(agree({ ...theirs, maxConnections }, { ...offer, connections }).connections).toBe(opened);
  });
});

describe('device state', () => {
  it.each([
    [
      'newer than it reads',
      { 'qemu/virtio-net': 12 },
      /virtio-net state 12 .*south.*; north reads 10–11; upgrade north/,
    ],
    [
      'older than it reads',
      { 'qemu/virtio-net': 9 },
      /virtio-net state 9 .*south.*; north reads 10–11; upgrade south/,
    ],
    [
      'of a device that it has not',
      { 'qemu/e1000e': 1 },
      /e1000e state 1 .*; north has no such device; upgrade north/,
    ],
    ['named like something inherited', { toString: 1 }, /toString state 1 .*north has no such device/],
  ])('%s refuses the destination, naming kind, versions and whom to upgrade (R7)', (_, states, said) => {
    expect(() => agree(theirs, { ...offer, deviceStates: states })).toThrow(
      expect.objectContaining({
        code: 'device-state-version-unsupported',
        message: expect.stringMatching(said),
      }),
    );
  });

  it('of more kinds than a sentence can name says how many more there are', () => {
    const many = Object.fromEntries(Array.from({ length: 256 }, (_, i) => [`qemu/${'x'.repeat(50)}${i}`, 1]));
    expect(() => agree(theirs, { ...offer, deviceStates: many })).toThrow(/So it is with 252 more\.$/);
  });
});
