import { describe, expect, it } from 'vitest';
import { renderFindings } from '../src/commands/doctor.js';
import { examine } from '../src/doctor/checks.js';
import { isReady } from '../src/doctor/finding.js';
import type { HostFacts } from '../src/doctor/host-facts.js';
import { drover } from './support/run-drover.js';

const good = { ok: true, detail: '' };
const ready: HostFacts = {
  kernel: '6.12.1-amd64',
  tracking: { userfaultfd: good, asyncWriteProtect: good, pagemapScan: good },
  kvm: { kind: 'full', detail: '' },
  addonProblem: null,
  qemu: { version: '7.2.22', unusable: null, machineTypes: ['pc-q35-7.2'], accelerators: ['kvm', 'tcg'] },
  shimLibrary: '/opt/drover/libdrover-shim.so',
  memoryTotalKiB: 16 * 1024 * 1024,
  memoryAvailableKiB: 8 * 1024 * 1024,
  sharedHugePages: 'advise',
  runDirectory: '/run/drover',
  longestSocketPath: 51,
};
const bad = { ok: false, detail: 'The call answers "Operation not permitted".' };

describe('drover doctor', () => {
  it('finds nothing to do on a host that has everything', () => {
    const findings = examine(ready);
    expect(isReady(findings)).toBe(true);
    expect(findings.filter(({ status, remedy }) => status !== 'ok' || remedy !== null)).toEqual([]);
  });

  it.each([
    ['an old kernel', { kernel: '6.1.0-28-amd64' }, 'kernel', 'warn'],
    ['6.6, the last one before the calls', { kernel: '6.6.99' }, 'kernel', 'warn'],
    ['7.0', { kernel: '7.0.0' }, 'kernel', 'ok'],
    ['no userfaultfd', { tracking: { ...ready.tracking, userfaultfd: bad } }, 'userfaultfd', 'fail'],
    [
      'no asynchronous write-protection',
      { tracking: { ...ready.tracking, asyncWriteProtect: bad } },
      'async-write-protect',
      'fail',
    ],
    ['no PAGEMAP_SCAN', { tracking: { ...ready.tracking, pagemapScan: bad } }, 'pagemap-scan', 'fail'],
    ['no /dev/kvm', { kvm: { kind: 'absent', detail: '' } }, 'kvm', 'warn'],
    ['an emulating /dev/kvm', { kvm: { kind: 'emulated', detail: '' } }, 'kvm', 'warn'],
    ['a /dev/kvm of others', { kvm: { kind: 'no-permission', detail: '' } }, 'kvm', 'warn'],
    ['a broken /dev/kvm', { kvm: { kind: 'broken', detail: 'EIO' } }, 'kvm', 'warn'],
    ['no QEMU', { qemu: { version: null, unusable: 'qemu-system-x86_64 is not there.' } }, 'qemu', 'fail'],
    ['no shim', { shimLibrary: null }, 'shim', 'fail'],
    ['little memory', { memoryAvailableKiB: 1000 }, 'memory', 'warn'],
    ['unreadable memory', { memoryAvailableKiB: null }, 'memory', 'warn'],
    ['huge pages switched off', { sharedHugePages: 'never' }, 'huge-pages', 'warn'],
    ['no huge pages', { sharedHugePages: null }, 'huge-pages', 'warn'],
    ['a long run directory', { longestSocketPath: 108 }, 'socket-paths', 'fail'],
    ['the longest run directory', { longestSocketPath: 107 }, 'socket-paths', 'ok'],
  ] as const)('with %s says so and what to do', (_, change, check, status) => {
    const findings = examine({ ...ready, ...change } as HostFacts);
    const found = findings.find((finding) => finding.check === check);
    expect(found?.status).toBe(status);
    if (status !== 'ok') expect(found?.remedy).toMatch(/.{10,}/);
    expect(isReady(findings)).toBe(status !== 'fail');
    const others = findings.filter((finding) => finding !== found);
    expect(others.every((finding) => finding.status === 'ok')).toBe(true);
  });

  it('still checks the rest without the addon', () => {
    const findings = examine({ ...ready, addonProblem: 'It is not built.', tracking: null, kvm: null });
    expect(findings.filter(({ status }) => status === 'fail').map(({ check }) => check)).toEqual([
      ...['addon', 'userfaultfd', 'async-write-protect', 'pagemap-scan'],
    ]);
    expect(findings.find(({ check }) => check === 'qemu')?.status).toBe('ok');
  });

  it('prints the remedy below its line and the verdict last', () => {
    expect(renderFindings(examine({ ...ready, shimLibrary: null }))).toMatchInlineSnapshot(`
      "ok    kernel               Linux 6.12.1-amd64
      ok    addon                the native addon loads
      ok    userfaultfd          works
      ok    async-write-protect  works
      ok    pagemap-scan         works
      ok    kvm                  runs guests
      ok    qemu                 QEMU 7.2.22
      fail  shim                 the library that hands out a guest's userfaultfd is not built
                                 → Build it with "npm run bootstrap" in the repository.
      ok    memory               8 GiB of 16 GiB available
      ok    huge-pages           "advise" for shared memory
      ok    socket-paths         /run/drover leaves room for the sockets of VMMs

      This host is not ready: 1 check failed.
      "
    `);
  });

  it('on this host exits 0 exactly where it says ready', async () => {
    const { code, stdout } = await drover(['doctor', '--json']);
    const { ready: said, findings } = JSON.parse(stdout);
    expect(findings.map(({ check }: { check: string }) => check)).toEqual(
      examine(ready).map(({ check }) => check),
    );
    expect(code).toBe(said ? 0 : 1);
  });
});
