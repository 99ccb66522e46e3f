/** Device state out of a QEMU that goes on afterwards. */
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { describeQemu, launch, until } from '../support/qemu.js';
import { neverAborted, sink } from '../support/state.js';
import { temporaryDirectory } from '../support/temporary.js';

describeQemu('device state', () => {
  it('can be saved again and again, the guest revived in between (R2)', async () => {
    const { vmm, log } = await launch();
    const { path, bytes } = await sink();
    await vmm.prepareSave(path);
    let before = 0;
    for (let round = 0; round < 3; round++) {
      await vmm.resume();
      const printed = log().length;
      await until('the guest goes on', () => log().length > printed + 2);
      await vmm.pause();
      await vmm.saveState(path, neverAborted());
      await until('all of it came', () => bytes() > before + 10_000);
      before = bytes();
    }
    // QEMU itself asks for a resume in between.
    await expect(vmm.saveState(path, neverAborted())).rejects.toMatchObject({ code: 'qemu-save-failed' });
    await vmm.resume();
    expect(await vmm.status()).toBe('running');
  });

  it('is not saved of a running guest, nor loaded where nothing is awaited', async () => {
    const { vmm } = await launch();
    await vmm.resume();
    await vmm.prepareSave('/nowhere.sock');
    await expect(vmm.saveState('/nowhere.sock', neverAborted())).rejects.toMatchObject({
      code: 'vmm-running',
    });
    await expect(vmm.prepareLoad()).rejects.toMatchObject({ code: 'qemu-not-loaded' });
    await expect(vmm.loaded(10)).rejects.toMatchObject({ code: 'qemu-not-loaded' });
  });

  it("that nobody takes fails with QEMU's words, and the guest can be resumed (R2)", async () => {
    const { vmm } = await launch();
    await vmm.prepareSave('/tmp/drv-nobody.sock');
    await expect(vmm.saveState('/tmp/drv-nobody.sock', neverAborted())).rejects.toMatchObject({
      code: 'qemu-save-failed',
      message: expect.stringContaining('/tmp/drv-nobody.sock'),
    });
    await vmm.resume();
    expect(await vmm.status()).toBe('running');
  });

  it('can be cancelled while it is written, and the guest resumed (R2, R12)', async () => {
    const { vmm, log } = await launch();
    const path = join(temporaryDirectory(), 'stuck.sock');
    const held: Socket[] = [];
    const server = createServer({ pauseOnConnect: true }, (socket) => held.push(socket));
    await new Promise<void>((resolve) => server.listen(path, resolve));
    onTestFinished(() => {
      for (const socket of held) socket.destroy();
      server.close();
    });
    await vmm.prepareSave(path);
    const abort = new AbortController();
    const saving = vmm.saveState(path, abort.signal);
    setTimeout(() => abort.abort(), 100);
    await expect(saving).rejects.toMatchObject({ code: 'qemu-save-cancelled' });
    await expect(vmm.saveState(path, abort.signal)).rejects.toMatchObject({ code: 'qemu-save-cancelled' });
    await vmm.resume();
    await until('the guest prints', () => log().startsWith('A..'));
    await vmm.pause();
    const { path: open } = await sink();
    await vmm.saveState(open, neverAborted());
  });
});
