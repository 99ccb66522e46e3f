import { expect, it } from 'vitest';
import { describeQemu, launch, nothingLeftOf } from '../support/qemu.js';

describeQemu('device state', () => {
  it('that is not device state, or never comes, is refused with the reason (R6)', async () => {
    for (const [text, timeoutMs, reason] of [
      ['rubbish'.repeat(100), 5000, /Not a migration stream|load of migration failed/],
      [null, 50, /within 50 ms/],
    ] as const) {
      const { vmm } = await launch({}, { incoming: true });
      const path = await vmm.prepareLoad();
      if (text !== null) {
        const { createConnection } = await import('node:net');
        const socket = createConnection(path, () => socket.end(text));
        socket.on('error', () => {});
      }
      await expect(vmm.loaded(timeoutMs)).rejects.toMatchObject({
        code: 'qemu-load-failed',
        message: expect.stringMatching(reason),
      });
      await expect(vmm.resume()).rejects.toMatchObject({ code: 'qemu-not-loaded' });
      await vmm.destroy();
      nothingLeftOf(vmm);
    }
  });
});
