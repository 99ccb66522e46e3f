import { access, mkdir, readdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { run } from './run.mjs';

/** The package whose only dependency is the newest cloud kernel. */
const KERNEL_META_PACKAGE = 'linux-image-cloud-amd64';
const APT_OPTIONS = ['-q', '-o', 'APT::Sandbox::User=root', '-o', 'Acquire::Retries=3'];

/** @param {string} program */
async function isInstalled(program) {
  for (const directory of (process.env.PATH ?? '').split(delimiter)) {
    if (
      await access(join(directory, program)).then(
        () => true,
        () => false,
      )
    )
      return true;
  }
  return false;
}

/**
 * The kernel package itself, which its meta package depends on.
 *
 * @param {string} depends What `apt-cache depends` printed
 * @returns {string | undefined}
 */
export function kernelPackage(depends) {
  return /^\s*\|?Depends: (linux-image-\S+-cloud-amd64)$/m.exec(depends)?.[1];
}

/** @param {AbortSignal | undefined} signal */
const findKernelPackage = async (signal) =>
  kernelPackage(await run('apt-cache', ['depends', KERNEL_META_PACKAGE], { signal }).catch(() => ''));

/**
 * Downloads Debian's cloud kernel and its static busybox and takes them apart below `directory`; nothing is installed.
 * apt's package lists are brought up to date, once, where they know no kernel or name one that is gone.
 *
 * @param {string} directory
 * @param {{ log: (line: string) => void, signal?: AbortSignal }} options
 * @returns {Promise<{ kernel: string, modules: string, busybox: string }>} Paths
 */
export async function unpackDebian(directory, { log, signal }) {
  for (const program of ['apt-get', 'apt-cache', 'dpkg-deb']) {
    if (!(await isInstalled(program))) {
      throw new Error(
        `The Linux guest is made of Debian's packages ${KERNEL_META_PACKAGE} and busybox-static, and ${program} is not on this host: run this on a Debian host, or copy .drover/guests from one.`,
      );
    }
  }
  const packages = join(directory, 'packages');
  const root = join(directory, 'root');
  await mkdir(packages, { recursive: true });

  const update = async () => {
    log('Updating the package lists');
    await run('apt-get', [...APT_OPTIONS, 'update'], { signal });
  };
  const download = async () => {
    const kernel = await findKernelPackage(signal);
    if (kernel === undefined) throw new Error(`apt knows no package ${KERNEL_META_PACKAGE}`);
    log(`Downloading ${kernel} and busybox-static`);
    await run('apt-get', [...APT_OPTIONS, 'download', kernel, 'busybox-static'], { cwd: packages, signal });
  };
  await download().catch(async (first) => {
    if (signal?.aborted) throw first;
    await update();
    await download();
  });

  for (const file of await readdir(packages)) {
    await run('dpkg-deb', ['--extract', join(packages, file), root], { signal });
  }
  const [version] = await readdir(join(root, 'lib/modules'));
  if (version === undefined) throw new Error('The kernel package holds no lib/modules folder');
  return {
    kernel: join(root, 'boot', `vmlinuz-${version}`),
    modules: join(root, 'lib/modules', version),
    busybox: join(root, 'bin/busybox'),
  };
}
