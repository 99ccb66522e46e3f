import { formatBytes } from '@drover/types';
import { type Finding, fail, ok, warn } from './finding.js';
import type { HostFacts } from './host-facts.js';

/** PAGEMAP_SCAN and asynchronous write-protection came with Linux 6.7. */
const KERNEL_NEEDED = [6, 7] as const;

/** `sun_path` has 108 bytes and ends with a zero byte (unix(7)). */
const SOCKET_PATH_LIMIT = 107;

/** Below this a guest of ordinary size has no room. */
const MEMORY_WANTED_KIB = 1024 * 1024;

/** Every check in the order in which it is printed. To add one: a function here, a line in this list, a row in the test. */
const checks: readonly ((facts: HostFacts) => Finding)[] = [
  checkKernel,
  checkAddon,
  (facts) => checkTracking(facts, 'userfaultfd', 'userfaultfd'),
  (facts) => checkTracking(facts, 'async-write-protect', 'asyncWriteProtect'),
  (facts) => checkTracking(facts, 'pagemap-scan', 'pagemapScan'),
  checkKvm,
  checkQemu,
  checkShim,
  checkMemory,
  checkHugePages,
  checkSocketPaths,
];

export function examine(facts: HostFacts): readonly Finding[] {
  return checks.map((check) => check(facts));
}

function checkKernel({ kernel }: HostFacts): Finding {
  const [major = 0, minor = 0] = kernel.split('.').map((part) => Number.parseInt(part, 10));
  const [neededMajor, neededMinor] = KERNEL_NEEDED;
  if (major > neededMajor || (major === neededMajor && minor >= neededMinor)) {
    return ok('kernel', `Linux ${kernel}`);
  }
  // A distribution may have carried the calls back, so only their own checks below can fail the host.
  return warn(
    'kernel',
    `Linux ${kernel} is older than ${neededMajor}.${neededMinor}, which brought the calls that track a guest's memory`,
    'Install a newer kernel, on Debian 12 for example linux-image-amd64 from bookworm-backports.',
  );
}

function checkAddon({ addonProblem }: HostFacts): Finding {
  return addonProblem === null
    ? ok('addon', 'the native addon loads')
    : fail('addon', addonProblem, 'Build it with "npm run bootstrap" in the repository.');
}

type TrackingCall = keyof NonNullable<HostFacts['tracking']>;

function checkTracking({ tracking }: HostFacts, check: string, call: TrackingCall): Finding {
  if (tracking === null) return fail(check, 'not known without the addon', 'See the line "addon".');
  const { ok: works, detail } = tracking[call];
  if (works) return ok(check, 'works');
  return fail(check, detail, trackingRemedies[call]);
}

const trackingRemedies: Readonly<Record<TrackingCall, string>> = {
  userfaultfd:
    'Run as root or with CAP_SYS_PTRACE, and see that no seccomp or container profile forbids userfaultfd.',
  asyncWriteProtect: 'Run Linux 6.7 or newer with CONFIG_USERFAULTFD and CONFIG_PTE_MARKER_UFFD_WP.',
  pagemapScan: 'Run Linux 6.7 or newer with CONFIG_PROC_PAGE_MONITOR.',
};

function checkKvm({ kvm }: HostFacts): Finding {
  if (kvm === null) return warn('kvm', 'not known without the addon', 'See the line "addon".');
  switch (kvm.kind) {
    case 'full':
      return ok('kvm', 'runs guests');
    case 'emulated':
      return warn(
        'kvm',
        '/dev/kvm emulates instructions here: small flat guests run on it, operating systems run under TCG',
        'For full speed use a host with hardware virtualisation.',
      );
    case 'absent':
      return warn(
        'kvm',
        'there is no /dev/kvm: guests run under TCG, many times slower',
        'Switch virtualisation on in the firmware and load kvm_intel or kvm_amd.',
      );
    case 'no-permission':
      return warn(
        'kvm',
        '/dev/kvm cannot be opened: guests run under TCG, many times slower',
        'Run as root, or as a member of the group that owns /dev/kvm.',
      );
    case 'broken':
      return warn(
        'kvm',
        `/dev/kvm does not run a guest (${kvm.detail}): guests run under TCG`,
        "Look for KVM's messages with dmesg.",
      );
  }
}

function checkQemu({ qemu }: HostFacts): Finding {
  if (qemu.unusable === null) return ok('qemu', `QEMU ${qemu.version ?? 'of an unknown version'}`);
  // What the driver says has its remedy with it.
  return fail('qemu', qemu.unusable, 'Then look again, or name another QEMU with --qemu.');
}

function checkShim({ shimLibrary }: HostFacts): Finding {
  return shimLibrary === null
    ? fail(
        'shim',
        "the library that hands out a guest's userfaultfd is not built",
        'Build it with "npm run bootstrap" in the repository.',
      )
    : ok('shim', shimLibrary);
}

function checkMemory({ memoryAvailableKiB, memoryTotalKiB }: HostFacts): Finding {
  if (memoryAvailableKiB === null || memoryTotalKiB === null) {
    return warn('memory', 'free memory cannot be read from /proc/meminfo', 'See that /proc is mounted.');
  }
  const found = `${formatBytes(memoryAvailableKiB * 1024)} of ${formatBytes(memoryTotalKiB * 1024)} available`;
  return memoryAvailableKiB >= MEMORY_WANTED_KIB
    ? ok('memory', found)
    : warn('memory', found, 'Stop something, or give the host more memory: a guest needs all of its own.');
}

function checkHugePages({ sharedHugePages }: HostFacts): Finding {
  const remedy =
    'For a faster first pass: echo advise > /sys/kernel/mm/transparent_hugepage/shmem_enabled (optional).';
  if (sharedHugePages === null) {
    return warn(
      'huge-pages',
      'this kernel has no huge pages for shared memory',
      'Nothing needs doing; a kernel with CONFIG_TRANSPARENT_HUGEPAGE receives faster.',
    );
  }
  return sharedHugePages === 'never' || sharedHugePages === 'deny'
    ? warn('huge-pages', `off for shared memory ("${sharedHugePages}")`, remedy)
    : ok('huge-pages', `"${sharedHugePages}" for shared memory`);
}

function checkSocketPaths({ runDirectory, longestSocketPath }: HostFacts): Finding {
  if (longestSocketPath <= SOCKET_PATH_LIMIT) {
    return ok('socket-paths', `${runDirectory} leaves room for the sockets of VMMs`);
  }
  return fail(
    'socket-paths',
    `sockets below ${runDirectory} would have ${longestSocketPath} bytes, and a unix socket path ends at ${SOCKET_PATH_LIMIT}`,
    'Choose a shorter run directory with --run-dir.',
  );
}
