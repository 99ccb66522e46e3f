import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { afterEach, describe, expect, it } from 'vitest';
import { type GuestMemory, native, PAGE_SIZE, shimLibraryPath } from '../index.js';

const addon = native();
const { userfaultfd, asyncWriteProtect, pagemapScan } = addon.probeTracking();
const missing = [userfaultfd, asyncWriteProtect, pagemapScan].find((answer) => !answer.ok)?.detail;
if (missing) console.warn(`dirty tracking tests are skipped: ${missing}`);

const PAGES = 256;
const cleanups: (() => void | Promise<void>)[] = [];

interface Tracked {
  readonly memory: GuestMemory;
  readonly pid: number;
  readonly shimSocket: string;
  /** Has the process touch a page for writing. */
  touch(page: number): Promise<void>;
  kill(): Promise<void>;
}

async function startTracked(): Promise<Tracked> {
  const sizeBytes = BigInt(PAGES * PAGE_SIZE);
  const fd = addon.createMemfd('tracked', sizeBytes);
  const memory = addon.openMemory([{ id: 'ram0', fd, offset: 0n, sizeBytes }]);
  const directory = mkdtempSync(join(tmpdir(), 'drover-test-'));
  const shimSocket = join(directory, 'shim');
  const program = new URL('./programs/tracked.mjs', import.meta.url).pathname;
  const child: ChildProcess = spawn(process.execPath, [program, String(sizeBytes)], {
    stdio: ['pipe', 'pipe', 'inherit', fd],
    env: { ...process.env, LD_PRELOAD: shimLibraryPath() ?? '', DROVER_SHIM_SOCKET: shimSocket },
  });
  const lines: Interface = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  const answers = lines[Symbol.asyncIterator]();
  const ended = once(child, 'exit');
  const kill = async () => {
    child.kill('SIGKILL');
    await ended;
  };
  cleanups.push(async () => {
    await kill();
    memory.close();
    addon.closeFd(fd);
    rmSync(directory, { recursive: true, force: true });
  });
  expect((await answers.next()).value).toBe('ready');
  return {
    memory,
    pid: child.pid as number,
    shimSocket,
    touch: async (page) => {
      child.stdin?.write(`${page}\n`);
      expect((await answers.next()).value).toBe('ok');
    },
    kill,
  };
}

afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

describe.skipIf(missing !== undefined)('pagemap-scan tracker', () => {
  it('reports the pages that another process touched for writing, once', async () => {
    const vmm = await startTracked();
    const tracker = addon.createPagemapScanTracker({ ...vmm, timeoutMs: 5000 });
    const bitmap = addon.createBitmap(vmm.memory);
    await tracker.start();
    await vmm.touch(3);
    await vmm.touch(200);
    await expect(tracker.collect(bitmap)).resolves.toEqual({ dirtyPages: 2, complete: true, error: null });
    expect(bitmap.count()).toBe(2);
    await expect(tracker.collect(bitmap)).resolves.toEqual({ dirtyPages: 0, complete: true, error: null });
    expect(bitmap.count()).toBe(2);
    tracker.stop();
    tracker.stop();
  });

  it('R5: says that everything is dirty once the process is gone, for good', async () => {
    const vmm = await startTracked();
    const tracker = addon.createPagemapScanTracker({ ...vmm, timeoutMs: 5000 });
    await tracker.start();
    await vmm.kill();
    for (let turn = 0; turn < 2; ++turn) {
      const bitmap = addon.createBitmap(vmm.memory);
      const collected = await tracker.collect(bitmap);
      expect(collected).toMatchObject({ dirtyPages: PAGES, complete: false });
      expect(collected.error).toContain('gone');
      expect(bitmap.count()).toBe(PAGES);
    }
  });

  it('R11: a second tracker starts after the first was stopped', async () => {
    const vmm = await startTracked();
    const first = addon.createPagemapScanTracker({ ...vmm, timeoutMs: 5000 });
    await first.start();
    first.stop();
    const second = addon.createPagemapScanTracker({ ...vmm, timeoutMs: 5000 });
    await second.start();
    await vmm.touch(9);
    const bitmap = addon.createBitmap(vmm.memory);
    expect(await second.collect(bitmap)).toMatchObject({ dirtyPages: 1, complete: true });
    expect(await first.collect(bitmap)).toMatchObject({ dirtyPages: PAGES, complete: false });
    second.stop();
  });

  it('R12: a start under way ends as cancelled when it is stopped', async () => {
    const vmm = await startTracked();
    const holding = addon.createPagemapScanTracker({ ...vmm, timeoutMs: 5000 });
    await holding.start();
    const waiting = addon.createPagemapScanTracker({ ...vmm, timeoutMs: 60_000 });
    const starting = waiting.start();
    setTimeout(() => waiting.stop(), 30);
    await expect(starting).rejects.toMatchObject({ code: 'native-cancelled' });
  });

  it('names what is missing when it cannot start', async () => {
    const vmm = await startTracked();
    const options = { memory: vmm.memory, pid: vmm.pid, shimSocket: vmm.shimSocket, timeoutMs: 300 };
    await expect(
      addon.createPagemapScanTracker({ ...options, shimSocket: '/does/not/exist' }).start(),
    ).rejects.toMatchObject({ code: 'native-system-call', errno: 2, syscall: 'connect' });
    await expect(
      addon.createPagemapScanTracker({ ...options, pid: process.pid }).start(),
    ).rejects.toMatchObject({ code: 'native-invalid-argument' });
    await vmm.kill();
    await expect(addon.createPagemapScanTracker(options).start()).rejects.toMatchObject({
      code: 'native-vmm-gone',
    });
  });
});
