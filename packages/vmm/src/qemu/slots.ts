/**
 * Where each device sits. That is part of what a guest sees, and source and destination compute it each for itself, so the order
 * and the slots made here must never change for a spec version.
 */
import type { Component, InstanceSpec } from '@drover/types';
import { vmmErrors } from '../errors.js';

/** Given to devices whose spec names no slot; free on every machine type. */
const FIRST_FREE_SLOT = 2;
const LAST_FREE_SLOT = 30;
/** The machine types' own bridges, beside slot 0: PIIX3 on pc, ICH9 on q35. */
const bridgeSlot = (machineType: string): number => (machineType.startsWith('pc-q35') ? 31 : 1);

/** A component that the guest finds on its bus. */
export type Device = Extract<Component, { pciSlot?: number | undefined }>;

export interface PlacedDevice {
  readonly id: string;
  readonly device: Device;
  /** Null on a machine type without PCI, whose virtio devices sit on MMIO in this order. */
  readonly slot: number | null;
}

/** Which devices QEMU has on PCI alone. A vsock on MMIO was never tried. */
const needsPci: Readonly<Record<Device['kind'], boolean>> = {
  'virtio-disk': false,
  'nvme-disk': true,
  'virtio-nic': false,
  pvpanic: true,
  rng: false,
  vsock: true,
};

/** True for the machine type without PCI. */
export function isMicrovm(machineType: string): boolean {
  return machineType === 'microvm';
}

/** Every device in the order of the ids. Throws `spec-unsupported-by-qemu`. */
export function placeDevices(spec: InstanceSpec, machineType: string): PlacedDevice[] {
  const devices = Object.entries(spec.components)
    .filter((entry): entry is [string, Device] => Object.hasOwn(needsPci, entry[1].kind))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  if (!isMicrovm(machineType)) {
    const slots = pciSlots(devices, bridgeSlot(machineType));
    return devices.map(([id, device]) => ({ id, device, slot: slots.get(id) ?? null }));
  }
  return devices.map(([id, device]) => {
    if (device.pciSlot === undefined && !needsPci[device.kind]) return { id, device, slot: null };
    throw vmmErrors.error(
      'spec-unsupported-by-qemu',
      `Component "${id}" needs PCI, which the machine type microvm does not have. Use q35 or pc.`,
    );
  });
}

/** QEMU reads slots as hexadecimal numbers, with or without the prefix. */
export function slotOption(slot: number | null): string | null {
  return slot === null ? null : `0x${slot.toString(16)}`;
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
