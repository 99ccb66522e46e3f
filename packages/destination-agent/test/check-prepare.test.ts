import { DroverError } from '@drover/types';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkPrepare, type Prepare } from '../src/check-prepare.js';
import { checkHello, ourHello } from '../src/negotiate.js';
import { prepareMessage } from './world/messages.js';

const source = ourHello('0.1.0', 'north');

function refusal(changes: Partial<Prepare>): string {
  try {
    checkPrepare({ ...prepareMessage(), ...changes }, source, 1);
    return 'accepted';
  } catch (thrown) {
    return thrown instanceof DroverError ? thrown.code : String(thrown);
  }
}

describe('a PREPARE', () => {
  it('is accepted in this side’s terms: one epoch further, sizes as numbers, the identity to keep', () => {
    expect(checkPrepare(prepareMessage(), source, 1)).toMatchObject({
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
      version: 1,
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
    expect(() => checkPrepare({ ...prepareMessage(), spec: { ...spec, version: 9 } }, source, 1)).toThrow(
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
          const accepted = checkPrepare({ ...prepareMessage(), populate }, source, 1);
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

describe('a source’s hello', () => {
  it('is refused by name where no migration is possible, with both sides’ windows (R7)', () => {
    expect(() => checkHello({ ...source, pageSize: 65_536 })).toThrow(/north.*65536 bytes, this host 4096/);
    expect(() => checkHello({ ...source, deviceState: [2, 3] })).toThrow(/2, 3, this host reads 1/);
    expect(() => checkHello(source)).not.toThrow();
  });
});
