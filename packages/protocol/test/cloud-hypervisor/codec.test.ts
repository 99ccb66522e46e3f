import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cloudHypervisor } from '../../src/index.js';
import { configOf, slotOf } from './guests.js';

const { GuestMemory, RangeTable } = cloudHypervisor;

const limits = { configBytes: 1000, stateBytes: 2000, tableBytes: 160 };

/** The naive oracle of a request header: every command's lengths written out. */
function naiveRequest(bytes: Buffer): string {
  if (bytes.length < 16) return 'truncated';
  const command = bytes.readUInt16LE(0);
  const length = bytes.readBigUInt64LE(8);
  const allowed: ((length: bigint) => boolean)[] = [
    () => true,
    (n) => n === 0n,
    (n) => n <= 1000n,
    (n) => n <= 2000n,
    (n) => n <= 160n && n % 16n === 0n,
    (n) => n === 0n,
    (n) => n === 0n,
    (n) => n === 4n,
    (n) => n === 0n,
    (n) => n === 16n,
  ];
  const rule = allowed[command];
  if (rule === undefined) return 'command';
  return rule(length) ? `${Object.keys(cloudHypervisor.Command)[command]}` : 'length';
}

describe('a request header', () => {
  const header = fc
    .record({
      command: fc.oneof(fc.nat(11), fc.nat(0xffff)),
      middle: fc.uint8Array({ minLength: 6, maxLength: 6 }),
      length: fc.oneof(
        fc.constantFrom(0n, 4n, 16n, 17n, 160n, 176n, 1000n, 1001n, 2000n, 2001n),
        fc.bigInt({ min: 0n, max: 200n }),
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      ),
      cut: fc.option(fc.nat(16), { freq: 8, nil: 16 }),
    })
    .map(({ command, middle, length, cut }) => {
      const bytes = Buffer.alloc(16);
      bytes.writeUInt16LE(command, 0);
      bytes.set(middle, 2);
      bytes.writeBigUInt64LE(length, 8);
      return bytes.subarray(0, cut);
    });

  it('is read or refused as a naive reader does (R6)', () => {
    fc.assert(
      fc.property(header, (bytes) => {
        const result = cloudHypervisor.decodeRequest(bytes, limits);
        expect(result.ok ? result.value.command : result.refusal.code).toBe(naiveRequest(bytes));
        if (!result.ok) return;
        const { command, version, length } = result.value;
        expect(version).toBe(command === 'start' ? bytes.readUInt16LE(2) : 0);
        if (command !== 'invalid') expect(BigInt(length)).toBe(bytes.readBigUInt64LE(8));
      }),
      { numRuns: 3_000 },
    );
  });

  it('that is refused names field, value and limit', () => {
    const header = Buffer.alloc(16);
    header.writeUInt16LE(cloudHypervisor.Command.config, 0);
    header.writeBigUInt64LE(2n ** 64n - 1n, 8);
    expect(cloudHypervisor.decodeRequest(header, limits)).toEqual({
      ok: false,
      refusal: {
        ...{ code: 'length', path: 'request.length', offset: 8 },
        message: 'of config is 18446744073709551615, above 1000',
      },
    });
  });
});

describe('a range table', () => {
  const u64 = fc.oneof(
    fc.bigInt({ min: 0n, max: 1n << 20n }),
    fc.bigInt({ min: 2n ** 64n - 10_000n, max: 2n ** 64n - 1n }),
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  );

  it('is read back as it was written, or refused where a range leaves 64 bits', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ gpa: u64, length: u64 }), { maxLength: 20 }), (ranges) => {
        const bytes = Buffer.alloc(ranges.length * 16);
        for (const [index, { gpa, length }] of ranges.entries()) {
          bytes.writeBigUInt64LE(gpa, index * 16);
          bytes.writeBigUInt64LE(length, index * 16 + 8);
        }
        const bad = ranges.findIndex(({ gpa, length }) => gpa + length >= 2n ** 64n);
        const table = RangeTable.decode(bytes);
        if (!table.ok) {
          expect(table.refusal).toMatchObject({ code: 'range', path: `range-table[${bad}].length` });
          return;
        }
        expect(bad).toBe(-1);
        expect([...table.value]).toEqual(ranges);
        expect(table.value.pageBytes).toBe(ranges.reduce((sum, { length }) => sum + length, 0n));
        expect(Buffer.from(RangeTable.of(ranges).bytes)).toEqual(bytes);
      }),
    );
  });

  it('cannot be made of a range that leaves 64 bits', () => {
    expect(() => RangeTable.of([{ gpa: 2n ** 64n - 1n, length: 1n }])).toThrow(RangeError);
  });
});

describe("a guest's memory", () => {
  /** A guest of up to 60 bytes in slots of a few: every address is tried. */
  const slots = fc
    .array(fc.tuple(fc.nat(6), fc.integer({ min: 1, max: 8 })), { minLength: 1, maxLength: 5 })
    .map((steps) => {
      let gpa = 0;
      return steps.map(([gap, size], slot) => {
        gpa += gap;
        const mapping = { slot, gpa: BigInt(gpa), size: BigInt(size), fileOffset: BigInt(100 * slot) };
        gpa += size;
        return { ...mapping, zoneId: 'mem0', virtioMem: false };
      });
    });
  const range = fc.record({
    gpa: fc.bigInt({ min: 0n, max: 70n }),
    length: fc.bigInt({ min: 0n, max: 20n }),
  });

  it('holds a range, and says where it lies, as a map of every single byte does', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([0, 1, 2, 3, 4]), slots, range, (order, mappings, { gpa, length }) => {
        const given = [...order, 0, 1, 2, 3, 4].flatMap((index) => mappings[index] ?? []);
        const made = GuestMemory.of([...new Set(given)]);
        if (!made.ok) throw new Error(made.refusal.message);
        const byteAt = new Map<bigint, string>();
        for (const { slot, gpa, size, fileOffset } of mappings) {
          for (let at = 0n; at < size; at++) byteAt.set(gpa + at, `${slot} ${fileOffset + at}`);
        }
        const wanted = Array.from({ length: Number(length) }, (_, at) => byteAt.get(gpa + BigInt(at)));
        const fits = !wanted.includes(undefined) && length <= 2n * made.value.size;
        expect(made.value.check(RangeTable.of([{ gpa, length }])) === null).toBe(fits);
        if (!fits) return;
        const found = [...made.value.pieces({ gpa, length })].flatMap(({ slot, fileOffset, length }) =>
          Array.from({ length: Number(length) }, (_, at) => `${slot} ${fileOffset + BigInt(at)}`),
        );
        expect(found).toEqual(wanted);
      }),
      { numRuns: 1_000 },
    );
  });

  const refusal = (mappings: readonly Partial<cloudHypervisor.RamMapping>[]) => {
    const whole = mappings.map((some, slot) => ({
      ...{ slot, gpa: 0n, size: 4096n, zoneId: 'mem0', virtioMem: false, fileOffset: 0n, ...some },
    }));
    const made = GuestMemory.of(whole);
    return made.ok ? null : `${made.refusal.code}: ${made.refusal.path} ${made.refusal.message}`;
  };

  it('has slots that are apart, have a size and end within 64 bits', () => {
    expect(refusal([{}, { gpa: 4096n }])).toBeNull();
    expect(refusal([])).toBe('mapping: guest_ram_mappings has 0 entries, not 1 to 4096');
    expect(refusal(Array.from({ length: 4097 }, () => ({})))).toMatch(/has 4097 entries, not 1 to 4096$/);
    expect(refusal([{ size: 0n }])).toBe('mapping: guest_ram_mappings[0].size is 0');
    expect(refusal([{ gpa: 4095n }, {}])).toMatch(/\[0\]\.gpa is 0xfff, inside another entry$/);
    expect(refusal([{}, {}])).toMatch(/\[1\]\.gpa is 0x0, inside another entry$/);
    expect(refusal([{ slot: 7 }, { slot: 7, gpa: 4096n }])).toMatch(/\[1\]\.slot is 7, as of another entry$/);
    expect(refusal([{ gpa: 2n ** 64n - 4096n }])).toMatch(/\[0\]\.size is 4096, which ends beyond 64 bits$/);
    expect(refusal([{ fileOffset: 2n ** 64n - 1n }])).toMatch(/which ends beyond 64 bits$/);
  });

  it('is not asked for more than twice its size at once: two joined logs are the most that is honest', () => {
    const made = GuestMemory.of([
      { slot: 0, gpa: 0n, size: 4096n, zoneId: '', virtioMem: false, fileOffset: 0n },
    ]);
    if (!made.ok) throw new Error(made.refusal.message);
    const all = { gpa: 0n, length: 4096n };
    expect(made.value.check(RangeTable.of([all, all]))).toBeNull();
    expect(made.value.check(RangeTable.of([all, all, { gpa: 0n, length: 1n }]))).toMatchObject({
      message: "names 8193 bytes of pages, above 8192, twice the guest's memory",
    });
  });
});

describe('a configuration', () => {
  const read = (text: string) => cloudHypervisor.readGuestMemory(new TextEncoder().encode(text));

  it('keeps numbers that a double would round', () => {
    const document = new TextDecoder().decode(configOf([slotOf(0, 'GPA', 4096)]));
    const gpa = 2n ** 63n + 4097n;
    const made = read(
      document.replace('"GPA"', String(gpa)).replace('{', `{"note":"9007199254740993 \\" ${gpa}",`),
    );
    expect(made.ok && made.value.mappings[0]?.gpa).toBe(gpa);
  });

  it('is exact for every 64-bit number (R3)', () => {
    const document = new TextDecoder().decode(configOf([slotOf(3, 'GPA', 4096, 77)]));
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 4097n }), (gpa) => {
        const made = read(document.replace('"GPA"', String(gpa)));
        expect(made.ok && made.value.mappings).toEqual([
          { slot: 3, gpa, size: 4096n, zoneId: 'mem0', virtioMem: false, fileOffset: 77n },
        ]);
      }),
    );
  });

  it.each([
    ['a number beyond 64 bits', 'GPA', '18446744073709551616', 'shape'],
    ['a number with an exponent', 'GPA', '1.0000000000000000e3', 'shape'],
    ['a negative number', 'GPA', '-1', 'shape'],
    ['half a byte', 'GPA', '0.5', 'shape'],
    ['a number as a string', 'GPA', '"9007199254740993"', 'shape'],
    ['a long number below zero', 'GPA', '-9007199254740993', 'shape'],
    ['a string without an end', '"mem0"', '"mem0', 'json'],
    ['a number that is none', 'GPA', '1-2-3-4-5-6-7-8-9-0', 'json'],
    ['a key twice', '"slot":0', '"slot":0,"slot":1', 'json'],
    ['too many levels', 'GPA', `${'['.repeat(65)}${']'.repeat(65)}`, 'json'],
    ['text behind its end', /$/, 'x', 'json'],
    ['a slot of 33 bits', '"slot":0', '"slot":4294967296', 'shape'],
  ])('with %s is refused (R6)', (_, place, text, code) => {
    const document = new TextDecoder().decode(configOf([slotOf(0, 'GPA', 4096)])).replace('"GPA"', 'GPA');
    const made = read(document.replace(place, text).replace('GPA', '0'));
    expect(made.ok ? 'read' : made.refusal.code).toBe(code);
  });
});
