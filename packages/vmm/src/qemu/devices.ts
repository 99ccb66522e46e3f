/**
 * The guest's devices as QEMU options. Where a device sits is part of what a guest sees, and source and destination compute it
 * each for itself, so the order and the slots made here must never change for a spec version.
 */
import type { Component, InstanceSpec } from '@drover/types';
import { vmmErrors } from '../errors.js';

/** Given to devices whose spec names no slot; free on every machine type. */
const FIRST_FREE_SLOT = 2;
const LAST_FREE_SLOT = 30;
/** The machine types' own bridges, beside slot 0: PIIX3 on pc, ICH9 on q35. */
const bridgeSlot = (machineType: string): number => (machineType.startsWith('pc-q35') ? 31 : 1);

type Device = Extract<Component, { kind: 'virtio-disk' | 'nvme-disk' | 'virtio-nic' }>;
type Storage = Extract<Component, { kind: 'file-storage' }>;

/** How QEMU's block layer opens each file of the spec, by component id; found by looking at the host's files. */
export type StorageDrivers = ReadonlyMap<string, 'file' | 'host_device'>;

/** QEMU reads a comma as the end of a value, and two as one comma. */
export function escapeValue(value: string): string {
  return value.replaceAll(',', ',,');
}

/** True for the machine type without PCI, whose virtio devices sit on MMIO. */
export function isMicrovm(machineType: string): boolean {
  return machineType === 'microvm';
}

/** Options for every disk and network device with its backend, in the order of their ids. */
export function deviceOptions(spec: InstanceSpec, machineType: string, storage: StorageDrivers): string[] {
  const devices = devicesOf(spec);
  const slots = isMicrovm(machineType) ? null : pciSlots(devices, bridgeSlot(machineType));
  return devices.flatMap(([id, device], index) => {
    const slot = slots?.get(id) ?? null;
    if (slots === null && (device.pciSlot !== undefined || device.kind === 'nvme-disk')) {
      throw vmmErrors.error(
        'spec-unsupported-by-qemu',
        `Component "${id}" needs PCI, which the machine type microvm does not have. Use q35 or pc.`,
      );
    }
    return device.kind === 'virtio-nic'
      ? networkOptions(spec, id, device, slot)
      : diskOptions(spec, id, device, slot, `disk${index}`, storage);
  });
}

function devicesOf(spec: InstanceSpec): [string, Device][] {
  return Object.entries(spec.components)
    .filter((entry): entry is [string, Device] =>
      ['virtio-disk', 'nvme-disk', 'virtio-nic'].includes(entry[1].kind),
    )
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Slots that the spec names stay; the others take the lowest free ones in the order of their ids. */
function pciSlots(devices: readonly [string, Device][], bridge: number): Map<string, number> {
  const slots = new Map<string, number>();
  const taken = new Set([bridge]);
  for (const [id, device] of devices) {
    if (device.pciSlot === undefined) continue;
    if (taken.has(device.pciSlot)) {
      throw vmmErrors.error(
        'spec-unsupported-by-qemu',
        `Component "${id}" asks for PCI slot ${device.pciSlot}, which another component or the machine type itself has. Choose another from ${FIRST_FREE_SLOT} to ${LAST_FREE_SLOT}.`,
      );
    }
    taken.add(device.pciSlot);
    slots.set(id, device.pciSlot);
  }
  let next = FIRST_FREE_SLOT;
  for (const [id] of devices) {
    if (slots.has(id)) continue;
    while (taken.has(next)) next++;
    if (next > LAST_FREE_SLOT) {
      throw vmmErrors.error(
        'spec-unsupported-by-qemu',
        `The spec has ${devices.length} PCI devices; ${LAST_FREE_SLOT - FIRST_FREE_SLOT + 1} fit.`,
      );
    }
    taken.add(next);
    slots.set(id, next);
  }
  return slots;
}

function diskOptions(
  spec: InstanceSpec,
  id: string,
  device: Extract<Device, { kind: 'virtio-disk' | 'nvme-disk' }>,
  slot: number | null,
  node: string,
  storage: StorageDrivers,
): string[] {
  const backend = backendOf(spec, id, device.backend);
  if (backend.kind !== 'file-storage') throw wrongBackend(id, backend);
  const model = device.kind === 'nvme-disk' ? 'nvme' : slot === null ? 'virtio-blk-device' : 'virtio-blk-pci';
  const bootIndex = spec.boot.from === 'disks' ? spec.boot.order.indexOf(id) : -1;
  return [
    '-blockdev',
    blockNode(node, backend, storage.get(device.backend) ?? 'file'),
    '-device',
    joinOptions(model, {
      id,
      drive: node,
      addr: slotOption(slot),
      serial: device.serial ?? null,
      bootindex: bootIndex < 0 ? null : bootIndex + 1,
    }),
  ];
}

function blockNode(node: string, backend: Storage, driver: 'file' | 'host_device'): string {
  const direct = backend.cache === 'none';
  const common = {
    'read-only': backend.readOnly,
    'auto-read-only': false,
    cache: { direct, 'no-flush': false },
  };
  return JSON.stringify({
    driver: backend.format,
    'node-name': node,
    ...common,
    file: { driver, filename: backend.path, aio: direct ? 'native' : 'threads', ...common },
  });
}

function networkOptions(
  spec: InstanceSpec,
  id: string,
  device: Extract<Device, { kind: 'virtio-nic' }>,
  slot: number | null,
): string[] {
  const backend = backendOf(spec, id, device.backend);
  // An option ROM would add to the state that moves during the downtime.
  const nic = (extra: Record<string, string | number | null>): string =>
    joinOptions(slot === null ? 'virtio-net-device' : 'virtio-net-pci', {
      id,
      netdev: device.backend,
      mac: device.mac,
      addr: slotOption(slot),
      ...extra,
    });
  const front = ['-device', nic(slot === null ? {} : { romfile: '' })];
  switch (backend.kind) {
    case 'user-network':
      return ['-netdev', joinOptions('user', { id: device.backend }), ...front];
    case 'tap-network':
      // vhost=off: with it the kernel, not QEMU, would write the guest's memory.
      return [
        '-netdev',
        joinOptions('tap', {
          id: device.backend,
          ifname: backend.interface,
          script: 'no',
          downscript: 'no',
          vhost: 'off',
        }),
        ...front,
      ];
    default:
      throw wrongBackend(id, backend);
  }
}

function backendOf(spec: InstanceSpec, device: string, backend: string): Component {
  const found = Object.hasOwn(spec.components, backend) ? spec.components[backend] : undefined;
  if (found) return found;
  throw vmmErrors.error(
    'spec-unsupported-by-qemu',
    `Component "${device}" names the backend "${backend}", which the spec does not have.`,
  );
}

function wrongBackend(device: string, backend: Component): Error {
  return vmmErrors.error(
    'spec-unsupported-by-qemu',
    `Component "${device}" cannot have a backend of kind ${backend.kind} under this driver.`,
  );
}

/** QEMU reads slots as hexadecimal numbers, with or without the prefix. */
function slotOption(slot: number | null): string | null {
  return slot === null ? null : `0x${slot.toString(16)}`;
}

/** `name,key=value,…`; a null value leaves its key out. */
export function joinOptions(name: string, values: Record<string, string | number | null>): string {
  const options = Object.entries(values).flatMap(([key, value]) =>
    value === null ? [] : [`${key}=${escapeValue(String(value))}`],
  );
  return [name, ...options].join(',');
}
