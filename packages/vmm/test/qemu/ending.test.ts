/** The ends of a QEMU, wanted and not. */
import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { VmmEvent } from '../../src/driver.js';
import { describeQemu, driver, launch, nothingLeftOf, owned, request } from '../support/qemu.js';

describeQemu('a QEMU', () => {
  it('leaves nothing when it is destroyed, running or paused, once or twice (R12)', async () => {
    const { vmm, launched } = await launch();
    await vmm.resume();
    const events: VmmEvent[] = [];
    vmm.onEvent((event) => events.push(event));
    await Promise.all([vmm.destroy(), vmm.destroy()]);
    await vmm.destroy();
    nothingLeftOf(vmm);
    expect(await vmm.status()).toBe('gone');
    expect(events).toEqual([]);
    expect(existsSync(launched.logFile)).toBe(true);
  });

  it('that was killed is reported, with the signal, and can still be destroyed', async () => {
    const { vmm } = await launch();
    const exited = new Promise<VmmEvent>((resolve) => vmm.onEvent(resolve));
    process.kill(vmm.record.pid, 'SIGKILL');
    expect(await exited).toMatchObject({ kind: 'exited', message: expect.stringContaining('SIGKILL') });
    expect(await vmm.status()).toBe('gone');
    await expect(vmm.pause()).rejects.toMatchObject({ code: 'qmp-closed' });
    await vmm.destroy();
    nothingLeftOf(vmm);
  });

  it('that does not answer is killed', async () => {
    const made = request();
    const vmm = owned(await driver({ tuning: { quitTimeoutMs: 100 } }).launch(made));
    process.kill(vmm.record.pid, 'SIGSTOP');
    await vmm.destroy();
    nothingLeftOf(vmm);
  });
});
