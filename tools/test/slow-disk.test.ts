import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type SlowDisk, startSlowDisk } from '../slow-disk/slow-disk.mjs';

const missing =
  process.getuid?.() === 0 && existsSync('/dev/fuse')
    ? null
    : 'mounting the slow disk needs root and /dev/fuse';

const mounts = () => readFileSync('/proc/mounts', 'utf8');

describe.skipIf(missing !== null)(`the slow disk${missing ? ` (skipped: ${missing})` : ''}`, () => {
  let directory: string;
  let disk: SlowDisk | undefined;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'slow-disk-'));
  });
  afterEach(async () => {
    await disk?.stop();
    disk = undefined;
    rmSync(directory, { recursive: true, force: true });
  });

  it('answers each read late, many at a time, with blocks that carry their index', async () => {
    disk = await startSlowDisk({ directory: join(directory, 'mount'), mib: 4, delayMs: 500 });
    const file = await open(disk.path);
    try {
      expect((await file.stat()).size).toBe(4 * 1024 * 1024);
      const started = performance.now();
      // Node reads on four threads.
      const blocks = await Promise.all(
        [0, 1, 7, 1023].map(async (block) => {
          const { buffer } = await file.read(Buffer.alloc(4096), 0, 4096, block * 4096);
          return { block, index: buffer.readUInt32LE(0), counter: buffer.readUInt32LE(4) };
        }),
      );
      const ms = performance.now() - started;
      expect(ms).toBeGreaterThanOrEqual(499);
      expect(ms).toBeLessThan(1500);
      expect(blocks.map(({ index }) => index)).toEqual(blocks.map(({ block }) => block));
      expect(blocks.map(({ counter }) => counter)).toEqual([0, 0, 0, 0]);
    } finally {
      await file.close();
    }
  });

  it('gives the same bytes whatever the pieces they are read in, and none past its end', async () => {
    disk = await startSlowDisk({ directory: join(directory, 'mount'), mib: 1, delayMs: 0 });
    const file = await open(disk.path);
    try {
      const whole = (await file.read(Buffer.alloc(65_536), 0, 65_536, 0)).buffer;
      for (const [from, length] of [
        [1, 5],
        [4090, 12],
        [8192, 4096],
        [513, 30_000],
      ] as const) {
        const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, from);
        expect(bytesRead).toBe(length);
        expect(buffer.equals(whole.subarray(from, from + length))).toBe(true);
      }
      const end = 1024 * 1024;
      expect((await file.read(Buffer.alloc(4096), 0, 4096, end - 100)).bytesRead).toBe(100);
      expect((await file.read(Buffer.alloc(4096), 0, 4096, end + 5)).bytesRead).toBe(0);
    } finally {
      await file.close();
    }
  });

  it('ends with every read answered, unmounted, and nothing left (R12)', async () => {
    const mount = join(directory, 'mount');
    disk = await startSlowDisk({ directory: mount, mib: 1, delayMs: 3000 });
    expect(mounts()).toContain(mount);
    const file = await open(disk.path);
    const reading = file.read(Buffer.alloc(4096), 0, 4096, 0);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const started = performance.now();
    const stopping = disk.stop();
    expect((await reading).bytesRead).toBe(4096);
    await file.close();
    await stopping;
    expect(performance.now() - started).toBeLessThan(2500);
    expect(mounts()).not.toContain(mount);
    expect(existsSync(mount)).toBe(false);
    disk = undefined;
  });

  it('refuses wrong options with its usage', () => {
    const folder = fileURLToPath(new URL('../slow-disk', import.meta.url));
    execFileSync('make', ['-s', '-C', folder]);
    for (const args of [
      [],
      ['--mount', directory, '--mib', '0', '--delay-ms', '1'],
      ['--mib', '1'],
      ['--sideways'],
    ]) {
      const { status, stderr } = spawnSync(join(folder, 'build/drover-slow-disk'), args, {
        encoding: 'utf8',
      });
      expect(status).toBe(2);
      expect(stderr).toContain('usage: drover-slow-disk --mount DIR');
    }
  });
});
