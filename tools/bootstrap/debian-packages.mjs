import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { BootstrapError, run, say } from './step.mjs';

/**
 * What the build, the demo and the tests need from Debian: a file that proves it is there (looking at a file is what keeps
 * a bootstrap with nothing to do fast) and the package that brings it.
 */
const needed = [
  { proof: ['/usr/bin/g++'], package: 'g++', for: 'the native core' },
  { proof: ['/usr/bin/make'], package: 'make', for: 'the native core' },
  { proof: ['/usr/bin/python3'], package: 'python3', for: 'node-gyp' },
  { proof: ['/usr/bin/cmake'], package: 'cmake', for: 'the native core' },
  { proof: ['/usr/include/xxhash.h'], package: 'libxxhash-dev', for: 'the native core' },
  { proof: ['/usr/include/gtest/gtest.h'], package: 'libgtest-dev', for: "the native core's tests" },
  { proof: ['/usr/bin/clang-format'], package: 'clang-format', for: 'the lint' },
  { proof: ['/usr/bin/qemu-system-x86_64'], package: 'qemu-system-x86', for: 'guests' },
  { proof: ['/usr/bin/qemu-img'], package: 'qemu-utils', for: "the e2e suites' disk images" },
  { proof: ['/usr/share/seabios/bios-256k.bin'], package: 'seabios', for: 'guests' },
  { proof: ['/usr/bin/cpio'], package: 'cpio', for: 'the Linux test guest' },
  { proof: ['/sbin/ip', '/usr/sbin/ip'], package: 'iproute2', for: "the e2e suites' network namespaces" },
  { proof: ['/usr/bin/spin'], package: 'spin', for: 'the handover model' },
  {
    proof: ['/usr/lib/postgresql/15/bin/postgres'],
    package: 'postgresql-15',
    for: "the control plane's tests",
  },
  { proof: ['/usr/include/fuse3/fuse.h'], package: 'libfuse3-dev', for: "the e2e suites' slow disk" },
  { proof: ['/usr/bin/fusermount3'], package: 'fuse3', for: "the e2e suites' slow disk" },
  { proof: ['/usr/bin/xz'], package: 'xz-utils', for: 'release archives' },
  { proof: ['/usr/bin/pkg-config'], package: 'pkg-config', for: "the e2e suites' slow disk" },
];

/** Installs what is missing where this user may, else prints the exact line and stops. */
export function debianPackages() {
  const missing = needed.filter(({ proof }) => !proof.some((path) => existsSync(path)));
  if (missing.length === 0) return;
  const names = missing.map((item) => item.package);
  const line = `apt-get install -y --no-install-recommends ${names.join(' ')}`;
  const isRoot = process.getuid?.() === 0;
  if (!isRoot || !existsSync('/usr/bin/apt-get')) {
    const why = missing.map((item) => `${item.package} (for ${item.for})`).join(', ');
    throw new BootstrapError(`missing: ${why}. Run as root: ${line}`);
  }
  say(`installing ${names.join(' ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const known = spawnSync('apt-cache', ['show', ...names], { stdio: 'ignore' }).status === 0;
  if (!known) run('apt-get', ['update'], { remedy: 'Check the package sources of this machine.', env });
  run('apt-get', ['install', '-y', '--no-install-recommends', ...names], {
    remedy: `Run it by hand to see why: ${line}`,
    env,
  });
}
