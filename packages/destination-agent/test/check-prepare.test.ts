import { DroverError } from '@drover/types';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkPrepare, type Prepare, readPrepare } from '../src/check-prepare.js';
import type { LocalWindows } from '../src/local-windows.js';
import { HELLO_V1, HELLO_V2, prepareMessage } from './world/messages.js';

const source = HELLO_V2;
const us: LocalWindows = {
  release: '0.2.0',
  hostName: 'south',
  deviceStates: { 'qemu-stream': [1], 'qemu/virtio-net': [10, 11] },
  capabilities: [],
};

function refusal(changes: Partial<Prepare>): string {
  try {
    checkPrepare({ ...prepareMessage(), ...changes }, source, us, 2);
    return 'accepted';
  } catch (thrown) {
    return thrown instanceof DroverError ? thrown.code : String(thrown);
  }
}

describe('a PREPARE', () => {
  it('is accepted in this side’s terms: one epoch further, sizes as numbers, the identity to keep', () => {
    expect(checkPrepare(prepareMessage(), source, us, 2)).toMatchObject({
      epoch: 6n,
      regions: [{ id: 'ram0', sizeBytes: 4194304n }],
      populate: [
        [0, 0n, 8192n],
        [0, 16384n, 4096n],
      ],
      identity: {
        machineType: 'pc-q35-7.2',
        accelerator: 'tcg',
        acceleratorReason: expect.stringContaining('north'),
      },
      version: 2,
    });
  });

  const spec = prepareMessage().spec;
  const vmm = prepareMessage().vmm;
  it.each<[string, Partial<Prepare>, string]>([
    ['a spec of an unknown version', { spec: { ...spec, version: 9 } }, 'spec-version-unknown'],
    [
      'a spec that says something unknown',
      { spec: { ...spec, body: { ...(spec.body as object), colour: 'red' } } },
      'spec-invalid',
    ],
    ['another driver', { vmm: { ...vmm, driver: 'bochs' } }, 'vmm-kind-unsupported'],
    ['another driver than the spec asks for', { vmm: { ...vmm, driver: 'machine' } }, 'vmm-kind-unsupported'],
    ['another RAM mode', { vmm: { ...vmm, ramMode: 'relay' } }, 'vmm-kind-unsupported'],
    ['too many connections', { connections: 65 }, 'connections-unsupported'],
    ['an epoch that has no next one', { epoch: '18446744073709551615' }, 'epoch-invalid'],
    [
      'a region that is there twice',
      {
        regions: [
          { id: 'a', sizeBytes: '0' },
          { id: 'a', sizeBytes: '0' },
        ],
      },
      'regions-invalid',
    ],
    ['a region of half a page', { regions: [{ id: 'ram0', sizeBytes: '2048' }] }, 'regions-invalid'],
    [
      'a region beyond what a file can hold',
      { regions: [{ id: 'ram0', sizeBytes: '18446744073709547520' }] },
      'regions-invalid',
    ],
    ['a populate range in no region', { populate: [[1, '0', '4096']] }, 'regions-invalid'],
    ['a populate range past its region', { populate: [[0, '4190208', '8192']] }, 'regions-invalid'],
    [
      'populate ranges that overlap',
      {
        populate: [
          [0, '0', '8192'],
          [0, '4096', '4096'],
        ],
      },
      'regions-invalid',
    ],
    ['a populate range off the pages', { populate: [[0, '1', '4096']] }, 'regions-invalid'],
  ])('with %s is refused by name, before anything is made (R6, R7)', (_what, changes, code) => {
    expect(refusal(changes)).toBe(code);
  });

  it('lists the spec versions known when it refuses one', () => {
    expect(() => checkPrepare({ ...prepareMessage(), spec: { ...spec, version: 9 } }, source, us, 2)).toThrow(
      /9.*1/,
    );
  });

  it('never makes this side populate more than the memory there is, whatever the ranges (R6)', () => {
    const ranges = fc.array(
      fc.tuple(
        fc.nat(1),
        fc.nat(1100).map((page) => String(page * 4096)),
        fc.nat(1100).map((page) => String(page * 4096)),
      ),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(ranges, (populate) => {
        try {
          const accepted = checkPrepare({ ...prepareMessage(), populate }, source, us, 2);
          const bytes = accepted.populate.reduce((sum, [, , length]) => sum + length, 0n);
          expect(bytes).toBeLessThanOrEqual(4194304n);
        } catch (thrown) {
          expect(thrown).toMatchObject({ code: 'regions-invalid' });
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('a source that this side cannot follow', () => {
  it('of another page size is refused, with both (R7)', () => {
    expect(() => checkPrepare(prepareMessage(), { ...source, pageSize: 65_536 }, us, 2)).toThrow(
      /north.*65536 bytes, this host 4096/,
    );
  });

  it.each([
    ['newer', 12, /qemu\/virtio-net state 12 .*north.*; south reads 10–11; upgrade south\./],
    ['older', 9, /qemu\/virtio-net state 9 .*north.*; south reads 10–11; upgrade north\./],
  ])(
    'because it writes a %s state of a device is refused by its kind and both versions (R7)',
    (_, version, said) => {
      const deviceStates = { 'qemu-stream': 1, 'qemu/virtio-net': version };
      expect(() => checkPrepare({ ...prepareMessage(), deviceStates }, source, us, 2)).toThrow(
        expect.objectContaining({
          code: 'device-state-version-unsupported',
          message: expect.stringMatching(said),
        }),
      );
    },
  );

  it('because it writes the state of a device that is not known here is refused by its kind (R7)', () => {
    const deviceStates = { 'qemu-stream': 1, constructor: 1 };
    expect(() => checkPrepare({ ...prepareMessage(), deviceStates }, source, us, 2)).toThrow(
      /constructor state 1 .*south has no such device; upgrade south/,
    );
  });

  it('because it chose a capability that was not offered is refused by its name (R7)', () => {
    expect(() => checkPrepare({ ...prepareMessage(), capabilities: [1, 3] }, source, us, 2)).toThrow(
      expect.objectContaining({
        code: 'capability-not-offered',
        message: expect.stringMatching(/north chose compression, delta, and this host offered none/),
      }),
    );
    const offering = { ...us, capabilities: [1, 3] };
    expect(checkPrepare({ ...prepareMessage(), capabilities: [3] }, source, offering, 2).version).toBe(2);
  });
});

describe('a PREPARE of version 1', () => {
  const { deviceStates: _, capabilities: __, ...message } = prepareMessage();
  const read = (deviceState: readonly number[]) =>
    readPrepare(
      { name: 'prepare', version: 1, message },
      { ...source, ...HELLO_V1, deviceStates: { 'qemu-stream': deviceState }, migrationReport: [1] },
    );

  it('means QEMU’s stream in the newest version that both have, and no capability', () => {
    expect(read([1, 2])).toEqual({ ...message, deviceStates: { 'qemu-stream': 1 }, capabilities: [] });
  });

  it('is refused where there is none, with both sides’ versions (R7)', () => {
    expect(() => checkPrepare(read([2, 3]), source, us, 1)).toThrow(
      /qemu-stream state 3 is written by north .*; south reads 1; upgrade south/,
    );
  });
});
