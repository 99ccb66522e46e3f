import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { type GuestMemory, type NativeError, native, PAGE_SIZE } from '../index.js';

const addon = native();
const owned: number[] = [];

/** Guest memory of one memfd a region, and the descriptors. */
function makeMemory(...pages: number[]): { memory: GuestMemory; fds: number[] } {
  const fds = pages.map((count) => addon.createMemfd('test', BigInt(count * PAGE_SIZE)));
  owned.push(...fds);
  const memory = addon.openMemory(
    fds.map((fd, index) => ({
      id: `ram${index}`,
      fd,
      offset: 0n,
      sizeBytes: BigInt((pages[index] ?? 0) * PAGE_SIZE),
    })),
  );
  return { memory, fds };
}

function fill(fd: number, page: number, byte: number): void {
  writeSync(fd, Buffer.alloc(PAGE_SIZE, byte), 0, PAGE_SIZE, page * PAGE_SIZE);
}

function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    return (error as NativeError).code;
  }
  return 'no error';
}

afterEach(() => {
  for (const fd of owned.splice(0)) addon.closeFd(fd);
});

describe('guest memory', () => {
  it('numbers pages through all regions and knows which hold data', () => {
    const { memory, fds } = makeMemory(0, 10, 6);
    expect(memory.pages).toBe(16);
    expect(memory.dataPages()).toBe(0);
    fill(fds[1] as number, 2, 1);
    fill(fds[1] as number, 3, 1);
    fill(fds[1] as number, 7, 1);
    expect(memory.dataPages()).toBe(3);
    expect(memory.dataRanges(1, 0n, 100)).toEqual([
      [8192n, 8192n],
      [28672n, 4096n],
    ]);
    expect(memory.dataRanges(1, 1n << 20n, 100)).toEqual([[8192n, 24576n]]);
    expect(memory.dataRanges(0, 0n, 1)).toEqual([]);
    memory.close();
  });

  it('allocates nothing by looking (a hole stays a hole)', async () => {
    const { memory, fds } = makeMemory(4096);
    fill(fds[0] as number, 100, 7);
    const before = fstatSync(fds[0] as number).blocks;
    memory.dataPages();
    memory.dataRanges(0, 0n, 10);
    await memory.digest(2);
    expect(fstatSync(fds[0] as number).blocks).toBe(before);
    memory.close();
  });

  it('digests the same for any number of threads and differently for another byte', async () => {
    const { memory, fds } = makeMemory(300);
    for (let page = 0; page < 300; page += 3) fill(fds[0] as number, page, page % 255);
    const first = await memory.digest(1);
    expect(first.digest).toMatch(/^[0-9a-f]{32}$/);
    expect(await memory.digest(4)).toEqual(first);
    fill(fds[0] as number, 1, 1);
    const second = await memory.digest(4);
    expect(second.digest).not.toBe(first.digest);
    expect(second.dataPages).toBe(first.dataPages + 1);
    memory.close();
  });

  it('populates the ranges it is given and no more', async () => {
    const { memory, fds } = makeMemory(1024);
    await expect(
      memory.populate([
        [0, 0n, 8192n],
        [0, 40960n, 4096n],
      ]),
    ).resolves.toBe(3);
    expect((fstatSync(fds[0] as number).blocks * 512) / PAGE_SIZE).toBe(3);
    await expect(memory.populate([[0, 0n, 1n << 40n]])).rejects.toMatchObject({
      code: 'native-invalid-argument',
      errno: null,
      syscall: null,
    });
    memory.close();
  });

  it('R12: ends running work early when it is closed, and is closed for good', async () => {
    const { memory } = makeMemory(64 * 1024);
    const running = memory.populate([[0, 0n, 256n << 20n]]);
    memory.close();
    expect(await running).toBeLessThanOrEqual(64 * 1024);
    await expect(memory.digest(1)).rejects.toMatchObject({ code: 'native-closed' });
    await expect(memory.populate([])).rejects.toMatchObject({ code: 'native-closed' });
    expect(codeOf(() => memory.dataPages())).toBe('native-closed');
    expect(codeOf(() => addon.createBitmap(memory))).toBe('native-closed');
    memory.close();
    expect(memory.pages).toBe(64 * 1024);
  });

  it('refuses what is not a region with a code, never with a crash (R6)', () => {
    const fd = addon.createMemfd('test', 4096n);
    owned.push(fd);
    const good = { id: 'ram', fd, offset: 0n, sizeBytes: 4096n };
    for (const wrong of [
      { ...good, id: '' },
      { ...good, id: 7 },
      { ...good, fd: -1 },
      { ...good, fd: 1.5 },
      { ...good, fd: '3' },
      { ...good, offset: 1n },
      { ...good, offset: 0 },
      { ...good, offset: -4096n },
      { ...good, sizeBytes: 8192n },
      { ...good, sizeBytes: 1n << 64n },
      undefined,
      null,
      7,
    ]) {
      expect(
        codeOf(() => addon.openMemory([wrong as never])),
        JSON.stringify(wrong, (_, value) => String(value)),
      ).toBe('native-invalid-argument');
    }
    expect(codeOf(() => addon.openMemory(undefined as never))).toBe('native-invalid-argument');
    expect(codeOf(() => addon.openMemory([good, good]))).toBe('native-invalid-argument');
  });

  it('survives any argument (R6)', async () => {
    const { memory } = makeMemory(2);
    await fc.assert(
      fc.asyncProperty(fc.anything({ withBigInt: true }), fc.anything({ withBigInt: true }), async (a, b) => {
        for (const call of [
          () => addon.openMemory(a as never),
          () => addon.openMemory([a, b] as never),
          () => addon.createBitmap(a as never),
          () => addon.createPagemapScanTracker(a as never),
          () => memory.dataRanges(a as never, b as never, 1),
          () => addon.createBitmap(memory).merge(a as never),
        ]) {
          try {
            call();
          } catch (error) {
            expect((error as NativeError).code).toMatch(/^native-/);
          }
        }
        await memory
          .populate(a as never)
          .catch((error: NativeError) => expect(error.code).toMatch(/^native-/));
        if (typeof a !== 'number') await expect(memory.digest(a as never)).rejects.toHaveProperty('code');
      }),
      { numRuns: 300 },
    );
    memory.close();
  });

  it('carries errno and the call of a failed system call', () => {
    const fd = addon.createMemfd('test', 0n);
    addon.closeFd(fd);
    try {
      addon.openMemory([{ id: 'ram', fd, offset: 0n, sizeBytes: 0n }]);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(Error);
      expect(error).toMatchObject({ code: 'native-system-call', errno: 9, syscall: 'fstat' });
    }
  });
});

describe('descriptors', () => {
  it('a memfd has its size, can be written, and cannot be closed twice', () => {
    const fd = addon.createMemfd('ram', 8192n);
    expect(fstatSync(fd).size).toBe(8192);
    fill(fd, 1, 5);
    const back = Buffer.alloc(1);
    readSync(fd, back, 0, 1, 8191);
    expect(back[0]).toBe(5);
    addon.closeFd(fd);
    expect(codeOf(() => addon.closeFd(fd))).toBe('native-system-call');
    expect(codeOf(() => addon.closeFd(1))).toBe('native-invalid-argument');
  });

  it('a lock is held by one open file at a time', () => {
    const first = openSync('/proc/self/exe', 'r');
    const second = openSync('/proc/self/exe', 'r');
    expect(addon.tryLock(first)).toBe(true);
    expect(addon.tryLock(first)).toBe(true);
    expect(addon.tryLock(second)).toBe(false);
    closeSync(first);
    expect(addon.tryLock(second)).toBe(true);
    closeSync(second);
  });
});

describe('dirty bitmap', () => {
  it('is set, merged, counted and cleared', () => {
    const { memory } = makeMemory(70);
    const first = addon.createBitmap(memory);
    const second = addon.createBitmap(memory);
    expect(first.pages).toBe(70);
    expect(first.count()).toBe(0);
    second.setAll();
    first.merge(second);
    expect(first.count()).toBe(70);
    first.clear();
    expect(first.count()).toBe(0);
    expect(second.count()).toBe(70);
    const other = addon.createBitmap(makeMemory(71).memory);
    expect(codeOf(() => first.merge(other))).toBe('native-invalid-argument');
    expect(codeOf(() => first.merge(memory as never))).toBe('native-invalid-argument');
  });
});
