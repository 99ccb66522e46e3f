/** Coming back to a QEMU that an earlier agent started. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { processStat } from '../../src/process/vmm-process.js';
import { describeQemu, driver, launch, nothingLeftOf, owned, until } from '../support/qemu.js';

describeQemu('a QEMU', () => {
  it('is found again by another agent, guest untouched (R11)', async () => {
    const { vmm, log, launched } = await launch();
    await vmm.resume();
    await until('the guest prints', () => log().startsWith('A..'));
    vmm.release();
    vmm.release();
    const printed = log().length;
    await until('the guest goes on without an agent', () => log().length > printed);
    const again = owned(await driver().adopt(JSON.parse(JSON.stringify(vmm.record)), launched.spec));
    expect(await again.status()).toBe('running');
    expect(again.memory.dataPages()).toBeGreaterThan(1024);
    const tracker = again.tracker();
    await tracker.start();
    tracker.stop();
    await again.pause();
    await again.destroy();
    nothingLeftOf(again);
  });

  it('that has ended is gone, and its directory with it', async () => {
    const { vmm, launched } = await launch();
    vmm.release();
    process.kill(vmm.record.pid, 'SIGKILL');
    await until('it ends', () => processStat(vmm.record.pid)?.state !== 'S');
    await expect(driver().adopt(vmm.record, launched.spec)).rejects.toMatchObject({ code: 'vmm-gone' });
    nothingLeftOf(vmm);
  });

  it('under a reused pid is not adopted', async () => {
    const { launched } = await launch();
    const record = { ...(await launch()).vmm.record, directory: join(launched.directory, 'none') };
    await expect(driver().adopt({ ...record, pidStartTime: '1' }, launched.spec)).rejects.toMatchObject({
      code: 'vmm-gone',
    });
    await expect(
      driver().adopt({ ...record, regions: [{ id: 'ram0', sizeBytes: '4096', vmmFd: 3 }] }, launched.spec),
    ).rejects.toMatchObject({
      code: 'vmm-not-adoptable',
      message: expect.stringContaining('67108864 bytes'),
    });
    await expect(
      driver().adopt({ ...record, regions: [{ id: 'ram0', sizeBytes: '4096', vmmFd: 1 }] }, launched.spec),
    ).rejects.toMatchObject({ code: 'vmm-not-adoptable', message: expect.stringContaining('qemu.log') });
    expect(processStat(record.pid)).not.toBeNull();
  });

  it('is taken once: an adopted VMM knows whether it has it', async () => {
    const { vmm, launched } = await launch({}, { incoming: true });
    vmm.release();
    const again = owned(await driver().adopt(vmm.record, launched.spec));
    await expect(again.resume()).rejects.toMatchObject({ code: 'qemu-not-loaded' });
    expect(await again.prepareLoad()).toContain('state.sock');
  });
});
