import { instanceSpecSchema, writeInstanceSpec } from '@drover/types';
import type { Prepare } from '../../src/check-prepare.js';

export const MIGRATION_ID = '0d4b7d2c-6a3c-4c6b-9a2e-5d8b0f6a1c01';
export const INSTANCE_ID = '6f1e2d3c-4b5a-4978-8a6b-1c2d3e4f5a02';
/** Bytes of the one region. */
export const SIZE = 4 << 20;

/** A PREPARE that a destination accepts; the source holds epoch 5. */
export function prepareMessage(): Prepare {
  const spec = instanceSpecSchema.parse({
    name: 'guest-a',
    cpus: 1,
    memoryMiB: 4,
    boot: { from: 'kernel', kernel: '/vmlinuz' },
  });
  return {
    migrationId: MIGRATION_ID,
    instanceId: INSTANCE_ID,
    epoch: '5',
    spec: { ...writeInstanceSpec(spec) },
    vmm: {
      driver: 'qemu',
      version: '7.2.22',
      machineType: 'pc-q35-7.2',
      accelerator: 'tcg',
      ramMode: 'external',
    },
    regions: [{ id: 'ram0', sizeBytes: String(SIZE) }],
    populate: [
      [0, '0', '8192'],
      [0, '16384', '4096'],
    ],
    connections: 2,
    verify: false,
  };
}
