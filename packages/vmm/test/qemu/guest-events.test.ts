import { native } from '@drover/native';
import { expect, it } from 'vitest';
import type { VmmEvent } from '../../src/driver.js';
import { describeQemu, launch, type, until, whyNoQemu } from '../support/qemu.js';

const kvm = whyNoQemu() === null ? native().probeKvm().kind : 'absent';

describeQemu('a guest that does something by itself', () => {
  it('powers off: a status, an event, and the process stays to be asked', async () => {
    const { vmm, log } = await launch();
    const events: VmmEvent[] = [];
    vmm.onEvent((event) => events.push(event));
    await vmm.resume();
    await until('the guest prints', () => log().startsWith('A..'));
    expect(await vmm.powerDown(100)).toBe(false);
    await type(vmm, 'p');
    await until('the guest is off', async () => (await vmm.status()) === 'guest-stopped');
    expect(events.map(({ kind }) => kind)).toEqual(['guest-shutdown']);
    expect(await vmm.powerDown(100)).toBe(true);
    await expect(vmm.pause()).rejects.toMatchObject({ code: 'vmm-not-pausable' });
    await expect(vmm.resume()).rejects.toMatchObject({ code: 'qmp-command-failed' });
  });

  it('resets: an event, and it goes on', async () => {
    const { vmm, log } = await launch();
    const events: VmmEvent[] = [];
    vmm.onEvent((event) => events.push(event));
    await vmm.resume();
    await until('the guest prints', () => log().startsWith('A..'));
    await type(vmm, 'r');
    await until('the guest starts again', () => log().indexOf('A..', 3) > 0);
    // SeaBIOS may turn one reset into more.
    expect(new Set(events.map(({ kind }) => kind))).toEqual(new Set(['guest-reset']));
  });

  const because = kvm === 'emulated' ? '' : ` (skipped: /dev/kvm is ${kvm})`;
  it.skipIf(because !== '')(
    `cannot be emulated: failed, with the place${because}`,
    { timeout: 120_000 },
    async () => {
      // Firmware is what takes long on such a host; microvm's is the shortest.
      const { vmm, log } = await launch({
        accelerator: 'auto',
        machineType: 'microvm',
        cpu: { model: 'qemu64', features: { cx16: false } },
      });
      expect(vmm.record.identity.accelerator).toBe('kvm');
      const events: VmmEvent[] = [];
      vmm.onEvent((event) => events.push(event));
      await vmm.resume();
      await until('the guest prints', () => log().startsWith('A..'), 100);
      await type(vmm, 'x');
      await until('the guest failed', async () => (await vmm.status()) === 'failed');
      await until('the event', () => events.length > 0);
      expect(events).toEqual([
        { kind: 'failed', message: expect.stringMatching(/KVM internal error.*EIP=0010/) },
      ]);
    },
  );
});
