import { describe, expect, it } from 'vitest';
import { cloudHypervisor } from '../../src/index.js';
import { allMemory, config, failed, failure, MiB, pair, patient, sourceMemory, state } from './wire-pair.js';

const { MemorySender, RangeTable, readConnectionRole, StreamWire } = cloudHypervisor;

describe('a migration over a unix socket', () => {
  it.each([
    [0, 0],
    [0, 1],
    [1, 1],
  ])(
    'from a sender of version %i to a receiver of version %i brings all memory, config and state (R3)',
    async (version, newest) => {
      const { file, bytes } = sourceMemory();
      const { sender, result, guest, destination } = await pair({ version, newest });
      await sender.start();
      await sender.sendConfig(config);
      await sender.sendMemory(allMemory, file);
      // The guest writes, is paused, and what it wrote comes again, twice in one table.
      bytes.fill(0x5a, 4096, 8192);
      bytes.fill(0xa5, 8 * MiB - 4096, 8 * MiB + 4096);
      file.fill(bytes);
      const dirty = [
        { gpa: 4096n, length: 4096n },
        { gpa: BigInt(8 * MiB - 4096), length: 4096n },
        { gpa: 1n << 32n, length: 4096n },
      ];
      await sender.sendMemory(RangeTable.of([...dirty, ...dirty]), file);
      await sender.sendMemory(RangeTable.of([]), file);
      await sender.sendState(state);
      await sender.complete();
      sender.close();
      expect(await result).toEqual({
        ...{ ok: true, paused: false, answered: true, pageBytes: BigInt(16 * MiB + 6 * 4096) },
      });
      expect(guest.calls).toEqual(['configure', 'restore', 'run']);
      expect(Buffer.from(guest.config ?? [])).toEqual(Buffer.from(config));
      expect(Buffer.from(guest.state ?? [])).toEqual(Buffer.from(state));
      expect(destination.bytes(16 * MiB).equals(bytes)).toBe(true);
    },
  );

  it('from a sender of version 1 to a receiver of version 0 is refused before anything is done (R7)', async () => {
    const { sender, result, guest } = await pair({ version: 1, newest: 0 });
    const error = await failure(sender.start());
    expect(error.code).toBe('cloud-hypervisor-version-unknown');
    expect(error.message).toContain('does not take wire version 1');
    expect(sender.state).toBe('aborted');
    const received = await failed(result);
    expect(received.code).toBe('cloud-hypervisor-version-unknown');
    expect(received.message).toContain('is wire version 1; this side takes 0 to 0');
    expect(guest.calls).toEqual([]);
  });

  it('may use more connections for memory, and ends the rest with the main one', async () => {
    const { file, bytes } = sourceMemory();
    const { sender, receiver, result, destination, server } = await pair();
    await sender.start();
    await sender.sendConfig(config);
    const more = await Promise.all(
      [0, 1, 2].map(async () =>
        MemorySender.open({ wire: new StreamWire(await server.dial()), deadlines: patient }),
      ),
    );
    const served = more.map(async () => {
      const wire = new StreamWire(await server.accepted());
      const role = await readConnectionRole(wire, { signal: AbortSignal.timeout(10_000) });
      expect(role).toBe('precopyMemory');
      await receiver.serveMemory(wire);
    });
    const chunk = (index: number) => ({
      gpa: index < 8 ? BigInt(index * MiB) : (1n << 32n) + BigInt((index - 8) * MiB),
      length: BigInt(MiB),
    });
    await Promise.all(
      more.map(async (connection, which) => {
        for (let index = which; index < 15; index += more.length) {
          await connection.sendMemory(RangeTable.of([chunk(index)]), file);
        }
      }),
    );
    // One ends early, between two requests; the main connection takes memory as well.
    more[0]?.close();
    await sender.sendMemory(RangeTable.of([chunk(15)]), file);
    await sender.sendState(state);
    await sender.completePaused();
    expect(await result).toMatchObject({ ok: true, paused: true, pageBytes: BigInt(16 * MiB) });
    await Promise.all(served);
    expect(destination.bytes(16 * MiB).equals(bytes)).toBe(true);
  });

  it('tells its progress as it goes, and a display that fails costs nothing (R12)', async () => {
    const { file } = sourceMemory();
    const { sender, result, progress } = await pair();
    const moved: number[] = [];
    await sender.start();
    await sender.sendConfig(config);
    await sender.sendMemory(allMemory, file, (bytes) => moved.push(bytes));
    await sender.sendState(state);
    progress.push = () => {
      throw new Error('the display is gone');
    };
    await sender.complete();
    expect((await result).ok).toBe(true);
    expect(moved.reduce((sum, bytes) => sum + bytes, 0)).toBe(16 * MiB);
    const seen = progress.map(({ state }) => state);
    expect([...new Set(seen)]).toEqual(['started', 'configured', 'stateReceived']);
    expect(progress.at(-1)?.pageBytes).toBe(BigInt(16 * MiB));
  });

  it('is dropped at once when the sender abandons it', async () => {
    const { sender, result, guest } = await pair();
    await sender.start();
    await sender.sendConfig(config);
    await sender.abandon();
    expect((await failed(result)).code).toBe('cloud-hypervisor-abandoned');
    expect(guest.calls).toEqual(['configure']);
  });
});
