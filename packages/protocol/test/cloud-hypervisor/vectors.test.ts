import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cloudHypervisor } from '../../src/index.js';
import { vectorFolder } from '../vectors.js';
import { BufferWire } from './buffer-wire.js';
import { forgetfulPages, RecordedGuest } from './guests.js';

const { RangeTable } = cloudHypervisor;

interface Vector {
  readonly name: string;
  readonly kind: 'request' | 'response' | 'connection-role' | 'range-table' | 'memory-fd' | 'session';
  readonly hex: string;
  readonly fields?: Readonly<Record<string, unknown>>;
  readonly refusal?: string;
}

const vectors: readonly Vector[] = JSON.parse(
  readFileSync(join(vectorFolder, 'cloud-hypervisor.json'), 'utf8'),
);
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const bytesOf = (vector: Vector) => new Uint8Array(Buffer.from(vector.hex, 'hex'));

interface Format {
  /** In the vectors' own terms. */
  read(bytes: Uint8Array): cloudHypervisor.WireRead<unknown>;
  write(fields: never): Uint8Array;
}

const formats: Readonly<Record<Exclude<Vector['kind'], 'session'>, Format>> = {
  request: {
    read: (bytes) => cloudHypervisor.decodeRequest(bytes),
    write: (fields: cloudHypervisor.Request) => cloudHypervisor.encodeRequest(fields),
  },
  response: {
    read: (bytes) => {
      const response = cloudHypervisor.decodeResponse(bytes, [0n, 4096n]);
      if (!response.ok) return response;
      return { ok: true, value: { ...response.value, length: String(response.value.length) } };
    },
    write: ({ status, length }: { status: 'ok' | 'error'; length: string }) =>
      cloudHypervisor.encodeResponse({ status, length: BigInt(length) }),
  },
  'connection-role': {
    read: (bytes) => {
      const role = cloudHypervisor.decodeConnectionRole(bytes);
      return role.ok ? { ok: true, value: { role: role.value } } : role;
    },
    write: ({ role }: { role: 'precopyMemory' | 'fault' }) => cloudHypervisor.encodeConnectionRole(role),
  },
  'range-table': {
    read: (bytes) => {
      const table = RangeTable.decode(bytes);
      if (!table.ok) return table;
      const ranges = [...table.value].map(({ gpa, length }) => [String(gpa), String(length)]);
      return { ok: true, value: { ranges, pageBytes: String(table.value.pageBytes) } };
    },
    write: ({ ranges }: { ranges: [string, string][] }) =>
      RangeTable.of(ranges.map(([gpa, length]) => ({ gpa: BigInt(gpa), length: BigInt(length) }))).bytes,
  },
  'memory-fd': {
    read: (bytes) => {
      const slot = cloudHypervisor.decodeSlot(bytes);
      return slot.ok ? { ok: true, value: { slot: slot.value } } : slot;
    },
    write: ({ slot }: { slot: number }) => cloudHypervisor.encodeSlot(slot),
  },
};

/** Ignored bytes are read and not written; such vectors are for readers alone. */
const readersOnly = /junk|ignored|error-with-length/;

describe("the golden vectors of Cloud Hypervisor's wire", () => {
  it('have a name each', () => {
    const names = vectors.map(({ kind, name }) => `${kind} ${name}`);
    expect(new Set(names).size).toBe(names.length);
  });

  for (const vector of vectors) {
    const { kind, name } = vector;
    if (kind === 'session') continue;
    if (vector.refusal !== undefined) {
      it(`${kind} ${name} is refused as ${vector.refusal} (R6)`, () => {
        const result = formats[kind].read(bytesOf(vector));
        expect(result.ok ? 'read' : result.refusal.code).toBe(vector.refusal);
      });
    } else {
      it(`${kind} ${name} is read${readersOnly.test(name) ? '' : ' and written'}`, () => {
        expect(formats[kind].read(bytesOf(vector))).toEqual({ ok: true, value: vector.fields });
        if (!readersOnly.test(name))
          expect(hex(formats[kind].write(vector.fields as never))).toBe(vector.hex);
      });
    }
  }

  for (const vector of vectors.filter(({ kind }) => kind === 'session')) {
    const fields = vector.fields as unknown as {
      newest: number;
      answers: string;
      state: 'completed' | 'aborted';
      refusal: string | null;
    };
    it(`session ${vector.name} ends ${fields.state}${fields.refusal ? `, refused as ${fields.refusal} (R6)` : ''}`, async () => {
      const wire = new BufferWire(bytesOf(vector));
      const guest = new RecordedGuest(forgetfulPages);
      const states: string[] = [];
      const receiver = new cloudHypervisor.MigrationReceiver({
        ...{ wire, guest, newest: fields.newest, onProgress: ({ state }) => states.push(state) },
      });
      const result = await receiver.run();
      expect(hex(wire.written)).toBe(fields.answers);
      expect(states.at(-1)).toBe(fields.state);
      expect(result.ok).toBe(fields.state === 'completed');
      expect(result.ok ? null : (result.refusal?.code ?? null)).toBe(fields.refusal);
      expect(wire.closed).toBe(true);
      expect(guest.calls.includes('run')).toBe(
        fields.state === 'completed' && !vector.name.includes('paused'),
      );
    });
  }

  it('leave no command, status, role and no reason for a refusal without one', () => {
    const reasons: Record<cloudHypervisor.WireProblem, true> = {
      ...{ truncated: true, command: true, status: true, role: true, length: true, version: true },
      ...{ order: true, range: true, mapping: true, utf8: true, json: true, shape: true },
      // Of a local migration, and of this side's own page mover: no vector of bytes can show them.
      ...{ slot: true, pages: true },
    };
    const found = new Set(vectors.map(({ refusal, fields }) => refusal ?? fields?.refusal));
    const shown = Object.keys(reasons).filter((reason) => reason !== 'slot' && reason !== 'pages');
    expect(shown.filter((reason) => !found.has(reason))).toEqual([]);
    const values = vectors.flatMap(({ fields }) => (fields === undefined ? [] : Object.values(fields)));
    for (const name of [...Object.keys(cloudHypervisor.Command), 'ok', 'error', 'precopyMemory', 'fault']) {
      expect(values).toContain(name);
    }
  });
});
