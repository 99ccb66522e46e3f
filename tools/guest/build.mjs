/**
 * Builds the guests that tests move, and keeps them in a cache:
 *
 *   node tools/guest/build.mjs [cache directory]      prints the paths as JSON
 *
 * The bare-metal guest and the Linux guest's load come from native/guest; the Linux guest's kernel, modules and busybox
 * from Debian's packages, downloaded once and never installed.
 */
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cachedDirectory, contentKey } from './cache.mjs';
import { cpioArchive } from './cpio.mjs';
import { unpackDebian } from './debian.mjs';
import { modulesInOrder } from './modules.mjs';
import { run } from './run.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const repository = resolve(here, '../..');
const sources = join(repository, 'native/guest');

/** The version of what `debian` below keeps; raise it when that changes. */
const DEBIAN_FOLDER = 'debian-1';
/** Drivers of the disks that a test may give to the Linux guest. */
const MODULES = ['virtio_pci', 'virtio_blk', 'nvme'];

/** Kernel arguments that the Linux guest needs; a test adds its own words (native/guest/README.md). */
export const LINUX_CMDLINE = 'console=ttyS0 panic=-1 nokaslr quiet';

/**
 * @typedef {object} Guests Paths of the images.
 * @property {string} bareElf QEMU's `-kernel` of the bare-metal guest.
 * @property {string} linuxKernel QEMU's `-kernel` of the Linux guest; arguments: {@link LINUX_CMDLINE} and the words.
 * @property {string} linuxInitrd QEMU's `-initrd` of the Linux guest.
 */

/**
 * Kernel, modules and busybox as `vmlinuz`, `busybox` and `modules/` with the order to load them in.
 *
 * @param {string} directory
 * @param {{ log: (line: string) => void, signal?: AbortSignal }} options
 */
async function collectDebian(directory, options) {
  const unpacked = join(directory, 'unpacked');
  const { kernel, modules, busybox } = await unpackDebian(unpacked, options);
  await copyFile(kernel, join(directory, 'vmlinuz'));
  await copyFile(busybox, join(directory, 'busybox'));
  await mkdir(join(directory, 'modules'));
  const files = await modulesInOrder(modules, MODULES);
  for (const { name, data } of files) await writeFile(join(directory, 'modules', name), data);
  await writeFile(join(directory, 'modules/order'), files.map(({ name }) => `${name}\n`).join(''));
  await rm(unpacked, { recursive: true });
}

/**
 * @param {string} debian
 * @param {string} load
 */
async function initrd(debian, load) {
  const order = await readFile(join(debian, 'modules/order'));
  const modules = await Promise.all(
    order
      .toString()
      .split('\n')
      .filter((name) => name !== '')
      .map(async (name) => ({
        path: `modules/${name}`,
        mode: 0o644,
        data: await readFile(join(debian, 'modules', name)),
      })),
  );
  return cpioArchive([
    ...['bin', 'dev', 'modules', 'proc', 'sys'].map((path) => ({ path })),
    { path: 'init', data: await readFile(join(sources, 'linux/init')) },
    { path: 'bin/busybox', data: await readFile(join(debian, 'busybox')) },
    { path: 'bin/drover-load', data: await readFile(load) },
    { path: 'modules/order', mode: 0o644, data: order },
    ...modules,
  ]);
}

/**
 * Builds what is not in the cache yet. With everything there it only hashes a few dozen small files.
 *
 * @param {{ cacheDir?: string, log?: (line: string) => void, signal?: AbortSignal }} [options]
 *   cacheDir: `.drover/guests` of the repository unless told
 * @returns {Promise<Guests>}
 */
export async function buildGuests({
  cacheDir = join(repository, '.drover/guests'),
  log = () => {},
  signal,
} = {}) {
  const debian = await cachedDirectory(cacheDir, DEBIAN_FOLDER, (directory) =>
    collectDebian(directory, { log, signal }),
  );
  const order = await readFile(join(debian, 'modules/order'), 'utf8');
  const key = await contentKey([sources, here], { except: ['build', 'test', 'README.md'], also: order });
  const images = await cachedDirectory(cacheDir, key, async (directory) => {
    log('Building the guests');
    const objects = join(directory, 'objects');
    await run('make', ['-s', '-C', sources, `BUILD=${objects}`], { signal });
    await copyFile(join(objects, 'drover-guest.elf'), join(directory, 'drover-guest.elf'));
    await writeFile(join(directory, 'initrd.cpio'), await initrd(debian, join(objects, 'drover-load')));
    await rm(objects, { recursive: true });
  });
  return {
    bareElf: join(images, 'drover-guest.elf'),
    linuxKernel: join(debian, 'vmlinuz'),
    linuxInitrd: join(images, 'initrd.cpio'),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [cacheDir] = process.argv.slice(2);
  try {
    const guests = await buildGuests({
      cacheDir: cacheDir && resolve(cacheDir),
      log: (line) => process.stderr.write(`${line}\n`),
    });
    process.stdout.write(`${JSON.stringify(guests, null, 2)}\n`);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
