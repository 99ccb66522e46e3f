import type { InstanceSpecInput } from '@drover/types';
import { describe, expect, it } from 'vitest';
import { refuseOnMachine, refuseUnsupported } from '../src/qemu/unsupported.js';
import { spec } from './support/specs.js';

describe('what QEMU cannot give', () => {
  it.each<[string, Partial<InstanceSpecInput>, RegExp]>([
    ['another VMM', { vmm: 'machine' }, /"web-1" asks for the VMM "machine"/],
    [
      'CPUID entries',
      {
        cpu: {
          model: 'qemu64',
          cpuid: [{ leaf: 0x4000_0000, subleaf: null, eax: 1, ebx: 2, ecx: 3, edx: 4 }],
        },
      },
      /cpu\.cpuid/,
    ],
    ['a clock that stands still', { clock: 'stopped' }, /clock "stopped"/],
  ])('is refused by name: %s', (_what, input, message) => {
    expect(() => refuseUnsupported(spec(input))).toThrow(
      expect.objectContaining({
        code: 'spec-unsupported-by-qemu',
        message: expect.stringMatching(message),
      }),
    );
  });

  it('is little: everything else passes', () => {
    const full = spec({ smbios: { product: 'P' }, components: { v: { kind: 'vsock', cid: 3 } } });
    refuseUnsupported(full);
    refuseOnMachine(full, 'pc-q35-7.2');
  });

  it.each([
    ['SMBIOS fields', { smbios: { product: 'P' } }, /no SMBIOS tables/],
    ['a PCI device', { components: { p: { kind: 'pvpanic' } } }, /"p" needs PCI/],
  ] as const)('depends on the machine type: a microvm with %s', (_what, input, message) => {
    refuseOnMachine(spec(input), 'pc-i440fx-7.2');
    expect(() => refuseOnMachine(spec(input), 'microvm')).toThrow(
      expect.objectContaining({
        code: 'spec-unsupported-by-qemu',
        message: expect.stringMatching(message),
      }),
    );
  });
});
