import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cloudHypervisor } from '../../src/index.js';
import { BufferWire } from './buffer-wire.js';
import { configOf, forgetfulPages, RecordedGuest, slotOf } from './guests.js';

const { encodeRequest, RangeTable } = cloudHypervisor;
const memoryBytes = 0x800;
const config = configOf([slotOf(0, 0, 0x400), slotOf(1, 0x1000, 0x400, 0x400)]);

type Parts = readonly Uint8Array[];
const request = (command: cloudHypervisor.CommandName, version = 0, payload: Parts = [], length = 0) => [
  encodeRequest({ command, version, length: length || Buffer.concat(payload).length }),
  ...payload,
];
const memory = (...ranges: readonly [bigint, bigint][]) => {
  const table = RangeTable.of(ranges.map(([gpa, length]) => ({ gpa, length })));
  return request('memory', 0, [table.bytes, Buffer.alloc(Number(table.pageBytes), 0xa5)], table.bytes.length);
};

/** What honest senders send, one request an entry. */
const honest: readonly Parts[] = [
  request('start', 1),
  request('config', 0, [config]),
  memory([0n, 0x100n], [0x1000n, 0x80n]),
  memory([0x1200n, 0x200n], [0x1200n, 0x200n]),
  request('state', 0, [Buffer.from('{}')]),
  request('complete'),
];

/**
 * The naive oracle: has all bytes at once, reads them with Node's own readers, and knows the wire as one long list of conditions. Gives
 * the statuses answered, and how it ended.
 */
function naiveReceiver(sent: Buffer): { answers: number[]; end: string } {
  const answers: number[] = [];
  let state = 'established';
  let rest = sent;
  let guest = 0;
  const abort = (answer: boolean) => {
    if (answer) answers.push(2);
    return { answers, end: 'aborted' };
  };
  for (;;) {
    if (rest.length < 16) return abort(false);
    const command = rest.readUInt16LE(0);
    const version = rest.readUInt16LE(2);
    const length = rest.readBigUInt64LE(8);
    if (command > 9) return abort(false);
    rest = rest.subarray(16);
    const limit = [0n, 0n, 4n << 20n, 256n << 20n, 64n << 20n, 0n, 0n, 4n, 0n, 16n][command] ?? 0n;
    if (length > limit || (command === 4 && length % 16n !== 0n)) return abort(true);
    if ((command === 7 || command === 9) && length !== limit) return abort(true);
    const places: Record<string, number[]> = {
      ...{ established: [1, 6], started: [2, 6, 7], configured: [3, 4, 6], stateReceived: [5, 6, 8] },
    };
    if (!places[state]?.includes(command)) return abort(true);
    if (command === 1 && version > 1) return abort(true);
    // No connection here passes descriptors.
    if (command === 7) return abort(true);
    if (rest.length < Number(length)) return abort(true);
    const payload = rest.subarray(0, Number(length));
    rest = rest.subarray(Number(length));
    if (command === 2) {
      const made = cloudHypervisor.readGuestMemory(payload);
      if (!made.ok) return abort(true);
      guest = Number(made.value.size);
      state = 'configured';
    }
    if (command === 4) {
      let pages = 0n;
      const holds = (at: bigint) => (at >= 0n && at < 0x400n) || (at >= 0x1000n && at < 0x1400n);
      let good = true;
      for (let at = 0; at < payload.length; at += 16) {
        const gpa = payload.readBigUInt64LE(at);
        const bytes = payload.readBigUInt64LE(at + 8);
        pages += bytes;
        if (gpa + bytes >= 2n ** 64n) good = false;
        const sameSlot = gpa >> 12n === (gpa + bytes - 1n) >> 12n;
        if (bytes > 0n && !(holds(gpa) && holds(gpa + bytes - 1n) && sameSlot)) good = false;
      }
      if (!good || pages > 2n * BigInt(guest) || rest.length < Number(pages)) return abort(true);
      rest = rest.subarray(Number(pages));
    }
    answers.push(1);
    if (command === 1) state = 'started';
    if (command === 3) state = 'stateReceived';
    if (command === 6) return abort(false);
    if (command === 5 || command === 8) return { answers, end: 'completed' };
  }
}

async function receive(sent: Uint8Array) {
  const wire = new BufferWire(sent);
  const guest = new RecordedGuest(forgetfulPages);
  const result = await new cloudHypervisor.MigrationReceiver({ wire, guest }).run();
  const answers = Array.from({ length: wire.written.length / 16 }, (_, at) =>
    wire.written.readUInt16LE(at * 16),
  );
  return { result, answers, end: result.ok ? 'completed' : 'aborted', wire, guest };
}

/** Any requests in any order, mostly honest ones. */
const requests = fc.array(fc.constantFrom(...honest, request('abandon'), request('completePaused')), {
  minLength: 1,
  maxLength: 8,
});
/** The honest sequence, or any. The configuration's own bytes are left alone where the oracle would need a JSON reader to follow. */
const session = fc.oneof(fc.constant(honest), requests);
const numbers = fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff));

describe('a receiver among hostile senders', () => {
  it('ends as a naive reader of the same bytes does, whatever is damaged (R6)', async () => {
    let completed = 0;
    await fc.assert(
      fc.asyncProperty(
        session,
        fc.array(fc.tuple(fc.nat(), fc.nat(15), numbers), { maxLength: 3 }),
        fc.option(fc.nat(), { nil: null, freq: 3 }),
        async (parts, edits, cut) => {
          // Headers and tables are damaged, which is where the wire's own numbers are.
          const copies = parts.map((one) => one.map((bytes) => Uint8Array.from(bytes)));
          const targets = copies.flatMap((one) =>
            one.filter(
              (bytes, at) => at === 0 || (at === 1 && bytes.length % 16 === 0 && bytes.length <= 32),
            ),
          );
          for (const [which, at, value] of edits) {
            const target = targets[which % targets.length];
            if (target) target[at % target.length] = value;
          }
          const all = Buffer.concat(copies.flat());
          const sent = cut === null ? all : all.subarray(0, cut % (all.length + 1));
          const found = await receive(sent);
          expect({ answers: found.answers, end: found.end }).toEqual(naiveReceiver(sent));
          expect(found.wire.closed).toBe(true);
          // Never both: told the sender to go on, and let the guest run (R1).
          expect(found.guest.calls.includes('run')).toBe(
            found.answers.at(-1) === 1 &&
              found.end === 'completed' &&
              found.result.ok &&
              !found.result.paused,
          );
          if (found.end === 'completed') completed++;
        },
      ),
      { numRuns: 3_000 },
    );
    expect(completed).toBeGreaterThan(100);
  });

  it('reads or refuses a damaged configuration, and never throws (R6)', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(config.length - 1), numbers), { minLength: 1, maxLength: 4 }),
        async (edits) => {
          const damaged = config.slice();
          for (const [at, value] of edits) damaged[at] = value;
          const parts = [...request('start'), ...request('config', 0, [damaged])];
          const { result, guest } = await receive(Buffer.concat(parts));
          if (result.ok) throw new Error('it cannot be complete');
          const known = ['utf8', 'json', 'shape', 'mapping', undefined];
          expect(known).toContain(result.refusal?.code);
          expect(guest.calls.includes('configure')).toBe(result.refusal === null);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('reads or refuses bytes of any kind (R6)', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), async (noise) => {
        const { end, answers } = await receive(noise);
        expect({ answers, end }).toEqual(naiveReceiver(Buffer.from(noise)));
      }),
      { numRuns: 1_000 },
    );
  });

  it('takes memory for what arrives, not for what is announced (R6)', async () => {
    const header = encodeRequest({ command: 'state', version: 0, length: 256 << 20 });
    const sent = Buffer.concat([
      ...request('start'),
      ...request('config', 0, [config]),
      header,
      Buffer.alloc(5),
    ]);
    const { result, wire } = await receive(sent);
    expect(result).toMatchObject({ ok: false, error: { code: 'cloud-hypervisor-closed' } });
    expect(wire.largestRead).toBeLessThanOrEqual(1 << 20);
  });

  it.each(['configBytes', 'stateBytes', 'tableBytes'] as const)(
    'takes no more than the limit %s, which it was told (R6)',
    async (name) => {
      const limits = { ...cloudHypervisor.WIRE_LIMITS, [name]: 0 };
      const wire = new BufferWire(Buffer.concat(honest.flat()));
      const guest = new RecordedGuest(forgetfulPages);
      const result = await new cloudHypervisor.MigrationReceiver({ wire, guest, limits }).run();
      expect(result.ok ? null : result.refusal?.message).toMatch(/above 0$/);
      expect(guest.calls).not.toContain('run');
    },
  );

  it('does not believe its own page mover that moved too little (R3)', async () => {
    const guest = new RecordedGuest({ receive: async (_, { moved }) => moved(1) });
    const wire = new BufferWire(Buffer.concat(honest.slice(0, 3).flat()));
    const result = await new cloudHypervisor.MigrationReceiver({ wire, guest }).run();
    expect(result).toMatchObject({
      ok: false,
      refusal: { code: 'pages', message: `has ${0x180} bytes of pages, of which 1 were moved` },
    });
    expect(memoryBytes).toBeGreaterThan(0x180);
  });
});
