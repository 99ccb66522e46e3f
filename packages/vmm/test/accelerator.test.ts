import type { KvmProbe } from '@drover/native';
import { describe, expect, it } from 'vitest';
import { chooseAccelerator } from '../src/qemu/accelerator.js';
import type { KernelKind } from '../src/qemu/kernel-image.js';

const REFUSED = 'refused';
type Row = readonly [
  asked: 'auto' | 'kvm' | 'tcg',
  settled: 'kvm' | 'tcg' | null,
  kvm: KvmProbe['kind'],
  kernel: KernelKind | null,
  expected: 'kvm' | 'tcg' | typeof REFUSED,
];

const table: readonly Row[] = [
  ['auto', null, 'full', 'linux', 'kvm'],
  ['auto', null, 'full', null, 'kvm'],
  ['auto', null, 'emulated', 'pvh-flat', 'kvm'],
  ['auto', null, 'emulated', 'linux', 'tcg'],
  ['auto', null, 'emulated', 'other', 'tcg'],
  ['auto', null, 'emulated', null, 'tcg'],
  ['auto', null, 'absent', 'pvh-flat', 'tcg'],
  ['auto', null, 'no-permission', 'pvh-flat', 'tcg'],
  ['auto', null, 'broken', 'pvh-flat', 'tcg'],
  ['kvm', null, 'full', 'linux', 'kvm'],
  ['kvm', null, 'emulated', 'linux', 'kvm'],
  ['kvm', null, 'absent', 'pvh-flat', REFUSED],
  ['kvm', null, 'no-permission', 'linux', REFUSED],
  ['kvm', null, 'broken', null, REFUSED],
  ['tcg', null, 'full', 'pvh-flat', 'tcg'],
  // A destination provides what the instance has, or refuses.
  ['auto', 'tcg', 'full', 'pvh-flat', 'tcg'],
  ['auto', 'tcg', 'absent', 'linux', 'tcg'],
  ['auto', 'kvm', 'full', 'linux', 'kvm'],
  ['auto', 'kvm', 'emulated', 'pvh-flat', 'kvm'],
  ['auto', 'kvm', 'emulated', 'linux', REFUSED],
  ['auto', 'kvm', 'emulated', null, REFUSED],
  ['kvm', 'kvm', 'emulated', null, 'kvm'],
  ['auto', 'kvm', 'absent', 'pvh-flat', REFUSED],
  ['kvm', 'kvm', 'broken', 'linux', REFUSED],
];

describe('the choice of the accelerator', () => {
  it.each(table)(
    'asked %s, settled %s, /dev/kvm %s, kernel %s: %s',
    (asked, settled, kind, kernel, expected) => {
      const choose = () => chooseAccelerator({ asked, settled, kvm: { kind, detail: 'detail' }, kernel });
      if (expected === REFUSED) {
        expect(choose).toThrow(expect.objectContaining({ code: 'accelerator-unusable' }));
        return;
      }
      const { accelerator, reason } = choose();
      expect(accelerator).toBe(expected);
      expect(reason).toMatch(/^[A-Z].+\.$/);
    },
  );
});
