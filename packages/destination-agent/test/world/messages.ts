import type { ControlMessage } from '@drover/protocol';
import { instanceSpecSchema, writeInstanceSpec } from '@drover/types';
import type { Prepare } from '../../src/check-prepare.js';

export const MIGRATION_ID = '0d4b7d2c-6a3c-4c6b-9a2e-5d8b0f6a1c01';
export const INSTANCE_ID = '6f1e2d3c-4b5a-4978-8a6b-1c2d3e4f5a02';
/** Bytes of the one region. */
export const SIZE = 4 << 20;

/** What a source says first. */
export const HELLO_V1: ControlMessage<'hello', 1> = {
  release: '0.1.0',
  host: 'north',
  instanceSpec: [1],
  deviceState: [1],
  pageSize: 4096,
  maxConnections: 64,
};
export const HELLO_V2: ControlMessage<'hello', 2> = {
  release: '0.2.0',
  host: 'north',
  instanceSpec: [1, 2, 3],
  migrationReport: [1, 2],
  deviceStates: { 'qemu-stream': [1] },
  capabilities: [],
  pageSize: 4096,
  maxConnections: 64,
};

/** A PREPARE that a destination accepts; the source holds epoch 5. Version 1 leaves out the last two fields. */
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
    deviceStates: { 'qemu-stream': 1, 'qemu/virtio-net': 11 },
    capabilities: [],
  };
}
