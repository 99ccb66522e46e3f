/**
 * Which device states a guest of this driver has, in which versions. Kinds are `qemu-stream`, the way in which QEMU's own stream is
 * carried, and `qemu/NAME` for each device class that describes its state (`-dump-vmstate`). What QEMU saves beside its device
 * classes, such as CPUs and timers, has no description there; the exact machine type stands for it.
 *
 * The names are those of the sections that QEMU 7.2 writes for what `command-line.ts` starts; a test compares them with the
 * stream of each kind of machine. A name is part of QEMU's stream format and stays; a class that a newer QEMU adds to a machine
 * belongs in the list here.
 */
import { DEVICE_STATE_KINDS } from '@drover/protocol';
import type { Component, DeviceStateVersions, InstanceSpec } from '@drover/types';
import type { VmmIdentity } from '../driver.js';
import type { StateDescriptions } from './state-descriptions.js';

const STREAM = 'qemu-stream';

const everyMachine = ['fw_cfg', 'i8254', 'i8259', 'ioapic', 'kvm-tpr-opt'];
const everyPc = [
  ...everyMachine,
  ...['PCIHost', 'dma', 'hpet', 'mc146818rtc', 'pckbd', 'pcspk', 'port92', 'ps2kbd', 'ps2mouse', 'vmmouse'],
];
const machineFamilies: readonly { readonly start: string; readonly states: readonly string[] }[] = [
  { start: 'pc-q35-', states: [...everyPc, 'ICH9LPC', 'ich9_ahci', 'ich9_smb', 'mch'] },
  { start: 'pc-i440fx-', states: [...everyPc, 'I440FX', 'PIIX3', 'fdc', 'piix4_pm'] },
  // QEMU leaves the real-time clock out under KVM.
  { start: 'microvm', states: [...everyMachine, 'acpi-ged', 'mc146818rtc'] },
];

const componentStates: Readonly<Record<Component['kind'], string | null>> = {
  'virtio-disk': 'virtio-blk',
  'nvme-disk': 'nvme',
  'virtio-nic': 'virtio-net',
  'serial-port': 'serial',
  pvpanic: 'pvpanic-pci',
  rng: 'virtio-rng',
  vsock: 'virtio-vhost_vsock',
  'file-storage': null,
  'block-storage': null,
  'blob-storage': null,
  'user-network': null,
  'tap-network': null,
  'vhost-user-network': null,
  'vfio-device': null,
  'vdpa-network': null,
};

/** Of one kind in a compatibility manifest. */
const MAX_VERSIONS = 64;

const KVM_CLOCK = 'kvmclock';

/** Every kind that this build of QEMU has for guests of ours, with the versions that it reads, ascending; it writes the last. */
export function readableDeviceStates(described: StateDescriptions): DeviceStateVersions {
  const names = new Set([
    ...machineFamilies.flatMap(({ states }) => states),
    ...Object.values(componentStates).filter((name) => name !== null),
    KVM_CLOCK,
  ]);
  const kinds: Record<string, readonly number[]> = { [STREAM]: DEVICE_STATE_KINDS[STREAM] };
  for (const name of [...names].sort()) {
    const found = described.get(name);
    if (found) kinds[kindOf(name)] = range(found.readsFrom, found.writes);
  }
  return kinds;
}

/** What saving a guest writes: kind and version. */
export function writtenDeviceStates(
  spec: InstanceSpec,
  identity: VmmIdentity,
  described: StateDescriptions,
): Readonly<Record<string, number>> {
  const kinds: Record<string, number> = { [STREAM]: Math.max(...DEVICE_STATE_KINDS[STREAM]) };
  for (const name of guestStates(spec, identity)) {
    const found = described.get(name);
    if (found) kinds[kindOf(name)] = found.writes;
  }
  return kinds;
}

/** Ids of the components whose state this build of QEMU would leave behind. */
export function unsavedComponents(spec: InstanceSpec, described: StateDescriptions): string[] {
  return Object.entries(spec.components).flatMap(([id, { kind }]) => {
    const name = componentStates[kind];
    return name === null || described.has(name) ? [] : [id];
  });
}

/** Names of the states of one guest, sorted. */
export function guestStates(
  spec: InstanceSpec,
  { machineType, accelerator }: Pick<VmmIdentity, 'machineType' | 'accelerator'>,
): string[] {
  const family = machineFamilies.find(({ start }) => machineType.startsWith(start));
  const names = new Set(family?.states ?? everyMachine);
  if (accelerator === 'kvm') {
    names.add(KVM_CLOCK);
    if (machineType === 'microvm') names.delete('mc146818rtc');
  }
  for (const { kind } of Object.values(spec.components)) {
    const name = componentStates[kind];
    if (name !== null) names.add(name);
  }
  return [...names].sort();
}

function kindOf(name: string): string {
  return `qemu/${name}`;
}

/** The newest ones, where there are more than a manifest lists. */
function range(first: number, last: number): number[] {
  const from = Math.max(first, last - MAX_VERSIONS + 1);
  return Array.from({ length: last - from + 1 }, (_, index) => from + index);
}
