import { type Duplex, duplexPair } from 'node:stream';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { Coverage } from '../../src/cloud-hypervisor/coverage.js';
import { cloudHypervisor } from '../../src/index.js';
import { configOf, MemoryFile, slotOf } from './guests.js';

const { PageFaults, readConnectionRole, servePageFaults, StreamWire } = cloudHypervisor;

const cleanUp: (() => void)[] = [];
afterEach(() => {
  for (const act of cleanUp.splice(0)) act();
});

const made = cloudHypervisor.readGuestMemory(configOf([slotOf(0, 0, 0x3000)]));
if (!made.ok) throw new Error(made.refusal.message);
const memory = made.value;
const page = (gpa: bigint) => ({ gpa, length: 0x1000n });

function file(fill = 0): MemoryFile {
  const made = new MemoryFile();
  made.memory = memory;
  made.fill(Buffer.alloc(0x3000, fill));
  cleanUp.push(() => made.remove());
  return made;
}

function ends(source: cloudHypervisor.PageSource | null): {
  served: Promise<cloudHypervisor.ServedPages>;
  stream: Duplex;
} {
  const [stream, other] = duplexPair();
  const served = servePageFaults({ wire: new StreamWire(other), memory, source });
  served.catch(() => undefined);
  cleanUp.push(() => stream.destroy());
  return { served, stream };
}

async function asking(stream: Duplex) {
  const wire = new StreamWire(stream);
  expect(await readConnectionRole(wire, { signal: AbortSignal.timeout(10_000) })).toBe('fault');
  return new PageFaults({ wire });
}

describe('page faults', () => {
  it('bring every page that is asked for, and the sender knows when it was all of them', async () => {
    const [from, to] = [file(0x5a), file()];
    const { served, stream } = ends(from);
    const faults = await asking(stream);
    for (const gpa of [0x2000n, 0n, 0n, 0x1000n]) expect(await faults.fetch(page(gpa), to)).toBe(true);
    faults.close();
    expect(await served).toEqual({ complete: true, pageBytes: 0x3000n });
    expect(to.bytes(0x3000).equals(from.bytes(0x3000))).toBe(true);
  });

  it('that end early are not complete: a receiver that died closes as well (R2)', async () => {
    const { served, stream } = ends(file(1));
    const faults = await asking(stream);
    await faults.fetch(page(0x1000n), file());
    faults.close();
    expect(await served).toEqual({ complete: false, pageBytes: 0x1000n });
  });

  it('carry no page where the memory is shared', async () => {
    const { served, stream } = ends(null);
    const faults = await asking(stream);
    expect(await faults.fetch({ gpa: 0n, length: 0x3000n }, file())).toBe(false);
    faults.close();
    expect((await served).complete).toBe(true);
  });

  it.each([
    ['outside the guest', page(0x3000n), /range-table\[0\]\.gpa is 0x3000/],
    ['of nothing', { gpa: 0n, length: 0n }, /length is 0, not 1 to 1073741824/],
    ['above 1 GiB', { gpa: 0n, length: (1n << 30n) + 1n }, /length is 1073741825, not 1 to 1073741824/],
  ])('%s are refused (R6)', async (_, range, message) => {
    const { served, stream } = ends(file());
    const faults = await asking(stream);
    await expect(faults.fetch(range, file())).rejects.toMatchObject({ code: 'cloud-hypervisor-refused' });
    await expect(served).rejects.toThrow(message);
  });

  it('are all that a fault connection carries', async () => {
    const { served, stream } = ends(file());
    stream.write(cloudHypervisor.encodeRequest({ command: 'complete', version: 0, length: 0 }));
    await expect(served).rejects.toThrow(/is complete, which has no place on a fault connection/);
  });

  it('inside whose answer the sender goes away fail (R6)', async () => {
    const [stream, other] = duplexPair();
    const faults = new PageFaults({ wire: new StreamWire(stream) });
    other.write(cloudHypervisor.encodeResponse({ status: 'ok', length: 0x1000n }));
    other.end(Buffer.alloc(100));
    await expect(faults.fetch(page(0n), file())).rejects.toMatchObject({ code: 'cloud-hypervisor-closed' });
  });
});

describe('a coverage', () => {
  it('counts each byte once, as a set of all of them does', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(40), fc.nat(10)), { maxLength: 20 }), (ranges) => {
        const coverage = new Coverage();
        const bytes = new Set<number>();
        for (const [start, length] of ranges) {
          coverage.add(BigInt(start), BigInt(start + length));
          for (let at = start; at < start + length; at++) bytes.add(at);
          expect(coverage.bytes).toBe(BigInt(bytes.size));
        }
      }),
    );
  });
});
