import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cachedDirectory, contentKey } from '../guest/cache.mjs';
import { cpioArchive } from '../guest/cpio.mjs';
import { kernelPackage } from '../guest/debian.mjs';
import { moduleDependencies, modulesInOrder } from '../guest/modules.mjs';
import { run } from '../guest/run.mjs';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'guest-images-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const cpioMissing = existsSync('/usr/bin/cpio') ? null : 'cpio is not installed';

describe('the cpio writer', () => {
  it.skipIf(cpioMissing !== null)(
    `writes what cpio itself unpacks to the same files${cpioMissing ? ` (skipped: ${cpioMissing})` : ''}`,
    () => {
      const file = fc.record({
        path: fc.stringMatching(/^[a-z][a-z0-9.-]{0,30}$/),
        mode: fc.constantFrom(0o644, 0o755, 0o600),
        data: fc.uint8Array({ maxLength: 5000 }),
      });
      const files = fc.uniqueArray(file, { maxLength: 6, selector: ({ path }) => path });
      fc.assert(
        fc.property(files, (entries) => {
          const target = mkdtempSync(join(directory, 'unpacked-'));
          const archive = cpioArchive([
            { path: 'in' },
            ...entries.map((entry) => ({ ...entry, path: `in/${entry.path}` })),
          ]);
          execFileSync('cpio', ['--extract', '--quiet'], {
            cwd: target,
            input: archive,
            stdio: ['pipe', 'ignore', 'inherit'],
          });
          expect(readdirSync(join(target, 'in')).sort()).toEqual(entries.map(({ path }) => path).sort());
          for (const { path, mode, data } of entries) {
            expect(readFileSync(join(target, 'in', path)).equals(data)).toBe(true);
            expect(statSync(join(target, 'in', path)).mode & 0o777).toBe(mode);
          }
        }),
        { numRuns: 20 },
      );
    },
  );

  it('gives equal bytes for equal entries', () => {
    const entries = [{ path: 'a', data: Buffer.from('x') }];
    expect(cpioArchive(entries).equals(cpioArchive(entries))).toBe(true);
  });
});

describe('kernel modules', () => {
  const module = (needs: string) => Buffer.from(`\x7fELF junk\0license=GPL\0depends=${needs}\0retpoline=Y\0`);

  it('are found with what they need, each after what it needs, and none that is built in', async () => {
    mkdirSync(join(directory, 'kernel/drivers'), { recursive: true });
    const put = (name: string, needs: string) =>
      writeFileSync(join(directory, 'kernel/drivers', `${name}.ko`), module(needs));
    put('virtio', '');
    put('virtio-ring', 'virtio');
    put('virtio_blk', 'virtio,virtio_ring');
    put('unrelated', '');
    const names = (await modulesInOrder(directory, ['virtio_blk', 'nvme', 'virtio'])).map(({ name }) => name);
    expect(names).toEqual(['virtio.ko', 'virtio_ring.ko', 'virtio_blk.ko']);
  });

  it('that need each other in a ring are refused', async () => {
    writeFileSync(join(directory, 'a.ko'), module('b'));
    writeFileSync(join(directory, 'b.ko'), module('a'));
    await expect(modulesInOrder(directory, ['a'])).rejects.toThrow('in a ring: a → b → a');
  });

  it('without a list of what they need need nothing', () => {
    expect(moduleDependencies(Buffer.from('no such section'))).toEqual([]);
    expect(moduleDependencies(module(''))).toEqual([]);
  });
});

describe('the cache', () => {
  it('makes a folder once, whole or not at all', async () => {
    let made = 0;
    const make = async (target: string) => {
      made++;
      writeFileSync(join(target, 'image'), 'data');
    };
    const paths = await Promise.all([1, 2, 3].map(() => cachedDirectory(directory, 'key', make)));
    expect(new Set(paths)).toEqual(new Set([join(directory, 'key')]));
    const before = made;
    await cachedDirectory(directory, 'key', make);
    expect(made).toBe(before);
    const failing = cachedDirectory(directory, 'other', async (target) => {
      writeFileSync(join(target, 'half'), '');
      throw new Error('no network');
    });
    await expect(failing).rejects.toThrow('no network');
    expect(readdirSync(directory)).toEqual(['key']);
  });

  it('knows changed, renamed and added inputs, and passes over build output', async () => {
    mkdirSync(join(directory, 'build'));
    writeFileSync(join(directory, 'a.c'), '1');
    const key = () => contentKey([directory], { except: ['build'] });
    const first = await key();
    writeFileSync(join(directory, 'build/a.o'), 'x');
    expect(await key()).toBe(first);
    writeFileSync(join(directory, 'a.c'), '2');
    const second = await key();
    writeFileSync(join(directory, 'b.c'), '');
    const third = await key();
    expect(new Set([first, second, third]).size).toBe(3);
    expect(await contentKey([directory], { except: ['build'], also: 'modules' })).not.toBe(third);
  });
});

describe('the packages', () => {
  it('are found by what the meta package depends on', () => {
    const depends = 'linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-56-cloud-amd64\n';
    expect(kernelPackage(depends)).toBe('linux-image-6.1.0-56-cloud-amd64');
    expect(kernelPackage('')).toBeUndefined();
  });

  it('come by commands whose failure says what was run and why it failed', async () => {
    await expect(run('false', [])).rejects.toThrow('false ended with 1');
    await expect(run('/no/such/program', [])).rejects.toThrow('/no/such/program could not be run');
    await expect(run('sleep', ['10'], { signal: AbortSignal.timeout(20) })).rejects.toThrow();
  });
});
