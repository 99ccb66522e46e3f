import { existsSync, readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect, it } from 'vitest';
import { describeQemu, driver, launch, request } from '../support/qemu.js';

describeQemu('a launch that fails', () => {
  /** Nothing but the request's own root is left. */
  function nothingLeftBy(directory: string): void {
    expect(readdirSync(dirname(directory))).toEqual([]);
  }

  it("tells QEMU's own last message and leaves nothing (R12)", async () => {
    const made = request({ cpu: { model: 'qemu64', features: { 'no-such-feature': true } } });
    await expect(driver().launch(made)).rejects.toMatchObject({
      code: 'qemu-start-failed',
      message: expect.stringContaining('no-such-feature'),
    });
    nothingLeftBy(made.directory);
  });

  it('ends at its deadline when QEMU does not answer, and leaves nothing', async () => {
    const made = request();
    await expect(driver({ tuning: { launchTimeoutMs: 1 } }).launch(made)).rejects.toMatchObject({
      code: 'qemu-start-failed',
    });
    nothingLeftBy(made.directory);
  });

  it('can be cancelled, and leaves nothing', async () => {
    for (const delay of [0, 15, 40]) {
      const abort = new AbortController();
      const made = request({}, { signal: abort.signal });
      const launching = driver().launch(made);
      setTimeout(() => abort.abort(), delay);
      const outcome = await launching.then(
        (vmm) => vmm.destroy(),
        (error: Error) => error,
      );
      if (outcome) expect(outcome).toMatchObject({ code: 'qmp-cancelled' });
      expect(existsSync(made.directory)).toBe(false);
    }
  });

  it('without the shim is refused: its memory could not be tracked', async () => {
    const made = request();
    await expect(driver({ shimLibrary: '/nowhere.so' }).launch(made)).rejects.toMatchObject({
      code: 'shim-missing',
    });
    nothingLeftBy(made.directory);
  });

  it('does not touch a directory that is in use', async () => {
    const { launched, vmm } = await launch();
    await expect(driver().launch({ ...request(), directory: launched.directory })).rejects.toMatchObject({
      code: 'vmm-directory-in-use',
    });
    expect(await vmm.status()).toBe('paused');
  });

  it.each([
    ['a missing kernel', { boot: { from: 'kernel', kernel: '/nowhere/vmlinuz' } }, 'boot-file-unreadable'],
    ['an unknown machine type', { machineType: 'pc-q35-99.0' }, 'machine-type-unknown'],
    ['too much memory', { memoryMiB: 16 * 1024 * 1024 }, 'memory-insufficient'],
    ['another VMM', { vmm: 'machine' }, 'spec-unsupported-by-qemu'],
    ['a clock that stands still', { clock: 'stopped' }, 'spec-unsupported-by-qemu'],
    [
      'a device that its machine type cannot have',
      { machineType: 'microvm', components: { oops: { kind: 'pvpanic' } } },
      'spec-unsupported-by-qemu',
    ],
    ['vhost-user', { components: { n: { kind: 'vhost-user-network', socket: '/s' } } }, 'blocker-vhost-user'],
  ] as const)('is refused before anything is made: %s', async (_what, input, code) => {
    const made = request(input);
    await expect(driver().launch(made)).rejects.toMatchObject({ code });
    await expect(driver().check(made.spec)).rejects.toMatchObject({ code });
    nothingLeftBy(made.directory);
  });

  it('is refused where the instance runs under an accelerator that is not there (R7)', async () => {
    const { vmm } = await launch();
    const kvm = () => ({ kind: 'absent', detail: '' }) as const;
    const made = request({}, { identity: { ...vmm.record.identity, accelerator: 'kvm' }, incoming: true });
    await expect(driver({ kvm }).launch(made)).rejects.toMatchObject({ code: 'accelerator-unusable' });
    nothingLeftBy(made.directory);
  });
});
