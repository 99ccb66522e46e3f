import { describe, expect, it } from 'vitest';
import { driver, whyNoQemu } from '../support/qemu.js';

const why = whyNoQemu();
const because = why === null ? '' : ` (skipped: ${why})`;

describe('the probe', () => {
  it.skipIf(why !== null)(`tells version, machine types and accelerators${because}`, async () => {
    const probe = await driver({ kvm: () => ({ kind: 'emulated', detail: '' }) }).probe();
    expect(probe).toMatchObject({
      version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
      unusable: null,
      accelerators: ['kvm', 'tcg'],
    });
    expect(probe.machineTypes).toEqual(
      expect.arrayContaining(['microvm', expect.stringMatching(/^pc-q35-\d+\.\d+$/)]),
    );
    // Aliases stand for another type after an upgrade.
    expect(probe.machineTypes).not.toContain('q35');
  });

  it.skipIf(why !== null)(`tells that there is no KVM${because}`, async () => {
    const kvm = () => ({ kind: 'no-permission', detail: '' }) as const;
    expect((await driver({ kvm }).probe()).accelerators).toEqual(['tcg']);
  });

  it.each([
    ['is not there', 'no-such-qemu', /no program no-such-qemu was found.*apt-get install/],
    ['is another program', '/bin/true', /does not start/],
  ])('says what to do where QEMU %s', async (_what, qemuBinary, message) => {
    const probe = await driver({ qemuBinary, shimLibrary: '/x' }).probe();
    expect(probe).toEqual({
      version: null,
      unusable: expect.stringMatching(message),
      machineTypes: [],
      accelerators: [],
    });
  });
});
