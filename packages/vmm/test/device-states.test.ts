import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { stateBlockers } from '../src/qemu/blockers.js';
import { readableDeviceStates, writtenDeviceStates } from '../src/qemu/device-states.js';
import { parseStateDescriptions, StateDescriptionCache } from '../src/qemu/state-descriptions.js';
import { serialPort, spec } from './support/specs.js';
import { temporaryDirectory } from './support/temporary.js';

/** As QEMU writes it: classes with the state that each describes. */
function dump(classes: Record<string, readonly [name: string, writes: number, readsFrom: number]>): string {
  const entries = Object.entries(classes).map(([type, [name, version_id, minimum_version_id]]) => [
    type,
    { Name: type, version_id, Description: { name, version_id, minimum_version_id, Fields: [] } },
  ]);
  return JSON.stringify({ vmschkmachine: { Name: 'none' }, ...Object.fromEntries(entries) });
}

const described = parseStateDescriptions(
  dump({
    'virtio-blk-device': ['virtio-blk', 2, 2],
    'virtio-net-device': ['virtio-net', 11, 11],
    'isa-serial': ['serial', 3, 2],
    'serial-mm': ['serial', 3, 2],
    vmmouse: ['vmmouse', 0, 0],
    'ich9-ahci': ['ich9_ahci', 1, 0],
    kvmclock: ['kvmclock', 1, 1],
    e1000: ['e1000', 3, 1],
  }),
);
const identity = {
  driver: 'qemu',
  version: '7.2.22',
  machineType: 'pc-q35-7.2',
  accelerator: 'tcg',
  acceleratorReason: '',
} as const;

describe('device states that a host reads', () => {
  it('are those of our guests, each with every version from its oldest on', () => {
    expect(readableDeviceStates(described)).toEqual({
      'qemu-stream': [1],
      'qemu/ich9_ahci': [0, 1],
      'qemu/kvmclock': [1],
      'qemu/serial': [2, 3],
      'qemu/virtio-blk': [2],
      'qemu/virtio-net': [11],
      'qemu/vmmouse': [0],
    });
  });

  it('are at most 256 kinds of at most 64 versions, with the one that is written last', () => {
    fc.assert(
      fc.property(fc.nat(100_000), fc.nat(100_000), (writes, readsFrom) => {
        const states = parseStateDescriptions(dump({ a: ['virtio-blk', writes, readsFrom] }));
        const versions = readableDeviceStates(states)['qemu/virtio-blk'] ?? [];
        expect(versions.at(-1)).toBe(writes);
        expect(versions.length).toBe(Math.min(64, Math.max(1, writes - readsFrom + 1)));
        expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
      }),
    );
  });

  it('count of a state that several classes share what all of them read', () => {
    const states = parseStateDescriptions(dump({ a: ['serial', 4, 1], b: ['serial', 3, 2] }));
    expect(readableDeviceStates(states)['qemu/serial']).toEqual([2, 3]);
  });
});

describe('device states that saving a guest writes', () => {
  const disk = {
    root: { kind: 'virtio-disk', backend: 'file' },
    file: { kind: 'file-storage', path: '/d', format: 'raw' },
  } as const;

  it('are those of its machine, its accelerator and its components', () => {
    const q35 = { 'qemu-stream': 1, 'qemu/ich9_ahci': 1, 'qemu/vmmouse': 0 };
    expect(writtenDeviceStates(spec(), identity, described)).toEqual(q35);
    expect(writtenDeviceStates(spec({ components: disk }), identity, described)).toEqual({
      ...q35,
      'qemu/virtio-blk': 2,
    });
    const kvm = { ...identity, machineType: 'microvm', accelerator: 'kvm' } as const;
    expect(writtenDeviceStates(spec({ components: serialPort }), kvm, described)).toEqual({
      'qemu-stream': 1,
      'qemu/kvmclock': 1,
      'qemu/serial': 3,
    });
  });

  it('block a guest with a device whose state would be left behind (R3)', async () => {
    const panic = spec({ components: { ...disk, oops: { kind: 'pvpanic' } } });
    expect(await stateBlockers(spec({ components: disk }), Promise.resolve(described))).toEqual([]);
    expect(await stateBlockers(panic, Promise.resolve(described))).toEqual([
      { code: 'blocker-device-state', message: expect.stringMatching(/^Component "oops" is a pvpanic/) },
    ]);
    expect(await stateBlockers(spec(), Promise.reject(new Error('It does not tell.')))).toEqual([
      { code: 'blocker-device-state', message: 'It does not tell.' },
    ]);
  });
});

describe("QEMU's description of its states", () => {
  it.each([
    '',
    'null',
    '[]',
    '{"a": {"Description": {"name": "b"}}}',
    dump({ a: ['b', -1, 0] }),
    dump({ a: ['b', 0.5, 0] }),
  ])('that is none is refused: %s', (text) => {
    expect(() => parseStateDescriptions(text)).toThrow();
  });

  it('is asked for once a build, and leaves nothing', async () => {
    const directory = temporaryDirectory();
    vi.stubEnv('TMPDIR', directory);
    onTestFinished(() => void vi.unstubAllEnvs());
    const program = join(temporaryDirectory(), 'qemu');
    const calls = `${program}.calls`;
    // The last argument is the file to write.
    const script = (version: number) =>
      `#!/bin/sh\necho >>${calls}\nshift $(($# - 1))\ncat >"$1" <<'END'\n${dump({ a: ['a', version, 1] })}\nEND\n`;
    writeFileSync(program, script(1), { mode: 0o700 });
    const cache = new StateDescriptionCache();
    const [first, again] = await Promise.all([cache.of(program), cache.of(program)]);
    expect(first.get('a')).toEqual({ readsFrom: 1, writes: 1 });
    expect(again).toBe(first);
    writeFileSync(program, script(22));
    expect((await cache.of(program)).get('a')).toEqual({ readsFrom: 1, writes: 22 });
    expect(readdirSync(directory)).toEqual([]);
  });

  it.each([
    ['ends without writing any', 'exit 0', /ENOENT/],
    ['fails', 'echo no such option >&2; exit 1', /Command failed/],
    ['writes another thing', 'shift $(($# - 1)); echo [] >"$1"', /./],
    ['writes too much', 'shift $(($# - 1)); truncate -s 17M "$1"', /17825792 bytes; 16777216 are read/],
  ])('of a program that %s is an error that says so, every time anew', async (_what, script, why) => {
    const directory = temporaryDirectory();
    vi.stubEnv('TMPDIR', directory);
    onTestFinished(() => void vi.unstubAllEnvs());
    const program = join(temporaryDirectory(), 'qemu');
    writeFileSync(program, `#!/bin/sh\n${script}\n`, { mode: 0o700 });
    const cache = new StateDescriptionCache();
    for (let attempt = 0; attempt < 2; attempt++) {
      await expect(cache.of(program)).rejects.toMatchObject({
        code: 'device-states-unknown',
        message: expect.stringMatching(why),
      });
    }
    expect(readdirSync(directory)).toEqual([]);
  });

  it('of a program that is gone is an error as well', async () => {
    await expect(new StateDescriptionCache().of('/nowhere/qemu')).rejects.toMatchObject({
      code: 'device-states-unknown',
    });
  });
});
