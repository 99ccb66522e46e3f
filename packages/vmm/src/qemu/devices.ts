/** The guest's devices as QEMU options. */
import type { InstanceSpec } from '@drover/types';
import { diskOptions, type StorageDrivers } from './disks.js';
import { networkOptions } from './networks.js';
import { joinOptions } from './options.js';
import type { VmmPaths } from './paths.js';
import { type PlacedDevice, placeDevices, slotOption } from './slots.js';

export interface DevicesInput {
  readonly spec: InstanceSpec;
  /** Exact, never an alias. */
  readonly machineType: string;
  readonly storage: StorageDrivers;
  readonly paths: VmmPaths;
}

/** Options for every device with its backend, in the order of their ids. Throws `spec-unsupported-by-qemu`. */
export function deviceOptions(input: DevicesInput): string[] {
  return placeDevices(input.spec, input.machineType).flatMap((placed, index) =>
    optionsOf(placed, `disk${index}`, input),
  );
}

function optionsOf(
  { id, device, slot }: PlacedDevice,
  node: string,
  { spec, storage, paths }: DevicesInput,
): string[] {
  const addr = slotOption(slot);
  switch (device.kind) {
    case 'virtio-disk':
    case 'nvme-disk':
      return diskOptions(spec, device, { id, slot, node }, storage, paths);
    case 'virtio-nic':
      return networkOptions(spec, id, device, slot);
    case 'pvpanic':
      return ['-device', joinOptions('pvpanic-pci', { id, addr })];
    case 'rng': {
      const source = `${id}-source`;
      return [
        ...['-object', joinOptions('rng-random', { id: source, filename: '/dev/urandom' })],
        ...[
          '-device',
          joinOptions(slot === null ? 'virtio-rng-device' : 'virtio-rng-pci', { id, rng: source, addr }),
        ],
      ];
    }
    case 'vsock':
      return ['-device', joinOptions('vhost-vsock-pci', { id, 'guest-cid': device.cid, addr })];
  }
}
