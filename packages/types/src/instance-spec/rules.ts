/**
 * What the shape of a spec alone cannot say: that its components fit together.
 *
 * | rule | why |
 * | --- | --- |
 * | a device names a backend that exists and is of a kind it can use | QEMU would fail at start, with a message about its own arguments |
 * | a backend is used by exactly one device | two devices on one disk image destroy it; one that nobody uses is a typing error |
 * | PCI slots, MAC addresses, serial ports, tap interfaces, writable files and block devices are not given twice | the second one fails late, or works and corrupts |
 * | there is one pvpanic and one vsock at most | a guest's driver takes the first and ignores the second |
 * | a CPUID leaf is given once for each subleaf, or once for all | two answers to one question |
 * | a MAC address is a unicast address other than zero | no network card may have another |
 * | the boot order names disk devices, each once | nothing else can be booted from |
 */
import type { RuleViolation } from '../document/kind.js';
import type { Component, InstanceSpec } from './latest.js';

type Kind = Component['kind'];
type Device = Extract<Component, { backend: string }>;
/** What the host provides for a device, and what may differ from host to host. */
export type Backend = Extract<Component, { kind: (typeof storageKinds | typeof networkKinds)[number] }>;

const storageKinds = ['file-storage', 'block-storage', 'blob-storage'] as const;
const networkKinds = ['user-network', 'tap-network', 'vhost-user-network', 'vdpa-network'] as const;

/** Kinds of backend that each kind of device can use. */
export const backendsOfDevice: Readonly<Record<Device['kind'], readonly Kind[]>> = {
  'virtio-disk': storageKinds,
  'nvme-disk': storageKinds,
  'virtio-nic': networkKinds,
};

const diskKinds: readonly Kind[] = ['virtio-disk', 'nvme-disk'];
const backendKinds: readonly Kind[] = [...storageKinds, ...networkKinds];
/** Devices of which a guest has one at most. */
const singleKinds: readonly Kind[] = ['pvpanic', 'vsock'];

export function checkInstanceSpecRules(spec: InstanceSpec): readonly RuleViolation[] {
  return [
    ...checkBackends(spec),
    ...checkUnique(spec),
    ...checkMacs(spec),
    ...checkCpuid(spec),
    ...checkBootOrder(spec),
  ];
}

function* checkBackends(spec: InstanceSpec): Iterable<RuleViolation> {
  const userOf = new Map<string, string>();
  for (const [id, component] of Object.entries(spec.components)) {
    if (!isDevice(component)) continue;
    const path = ['components', id, 'backend'];
    const backend = componentOf(spec, component.backend);
    const usable = backendsOfDevice[component.kind];
    const other = userOf.get(component.backend);
    if (backend === undefined) {
      yield { path, message: `names "${component.backend}", which is not among the components` };
    } else if (!usable.includes(backend.kind)) {
      const message = `names "${component.backend}", a ${backend.kind}; a ${component.kind} needs ${orList(usable)}`;
      yield { path, message };
    } else if (other !== undefined) {
      yield { path, message: `names "${component.backend}", which "${other}" already uses` };
    } else {
      userOf.set(component.backend, id);
    }
  }
  for (const [id, component] of Object.entries(spec.components)) {
    if (!isBackend(component) || userOf.has(id)) continue;
    yield { path: ['components', id], message: `is a ${component.kind} that no device uses` };
  }
}

function* checkUnique(spec: InstanceSpec): Iterable<RuleViolation> {
  const seen = new Map<string, string>();
  for (const [id, component] of Object.entries(spec.components)) {
    for (const [field, value] of exclusiveFields(component)) {
      const key = `${field} ${value}`;
      const other = seen.get(key);
      if (other === undefined) seen.set(key, id);
      else yield { path: ['components', id, field], message: `is ${value}, which "${other}" already has` };
    }
    if (!singleKinds.includes(component.kind)) continue;
    const other = seen.get(component.kind);
    if (other === undefined) seen.set(component.kind, id);
    else yield { path: ['components', id], message: `is a second ${component.kind}, after "${other}"` };
  }
}

/** Fields of a component that no other component of the spec may have with the same value. */
function exclusiveFields(
  component: Component,
): readonly (readonly [field: string, value: string | number])[] {
  switch (component.kind) {
    case 'virtio-disk':
    case 'nvme-disk':
    case 'pvpanic':
    case 'rng':
    case 'vsock':
      return slotOf(component);
    case 'virtio-nic':
      return [...slotOf(component), ['mac', component.mac]];
    case 'serial-port':
      return [['port', component.port]];
    case 'file-storage':
    case 'block-storage':
      return component.readOnly ? [] : [['path', component.path]];
    case 'tap-network':
      return [['interface', component.interface]];
    case 'vhost-user-network':
      return [['socket', component.socket]];
    case 'vfio-device':
      return [['address', component.address]];
    case 'vdpa-network':
      return [['device', component.device]];
    case 'blob-storage':
    case 'user-network':
      return [];
  }
}

function slotOf(device: { pciSlot?: number | undefined }): readonly (readonly [string, number])[] {
  return device.pciSlot === undefined ? [] : [['pciSlot', device.pciSlot]];
}

function* checkMacs(spec: InstanceSpec): Iterable<RuleViolation> {
  for (const [id, component] of Object.entries(spec.components)) {
    if (component.kind !== 'virtio-nic') continue;
    const path = ['components', id, 'mac'];
    // The lowest bit of the first byte marks a group address (IEEE 802).
    if ((Number.parseInt(component.mac.slice(0, 2), 16) & 1) === 1) {
      yield { path, message: `is ${component.mac}, a multicast address; its first byte must be even` };
    } else if (component.mac === '00:00:00:00:00:00') {
      yield { path, message: 'is all zero' };
    }
  }
}

function* checkCpuid(spec: InstanceSpec): Iterable<RuleViolation> {
  const seen = new Map<number, Set<number | null>>();
  for (const [index, { leaf, subleaf }] of spec.cpu.cpuid.entries()) {
    const subleaves = seen.get(leaf) ?? new Set();
    if (subleaves.has(subleaf) || subleaves.has(null) || (subleaf === null && subleaves.size > 0)) {
      const message = `is leaf 0x${leaf.toString(16)} a second time; give each subleaf once, or null once for all`;
      yield { path: ['cpu', 'cpuid', index], message };
    }
    seen.set(leaf, subleaves.add(subleaf));
  }
}

function* checkBootOrder(spec: InstanceSpec): Iterable<RuleViolation> {
  if (spec.boot.from !== 'disks') return;
  for (const [index, id] of spec.boot.order.entries()) {
    const path = ['boot', 'order', index];
    const component = componentOf(spec, id);
    if (component === undefined) yield { path, message: `names "${id}", which is not among the components` };
    else if (!diskKinds.includes(component.kind)) {
      yield { path, message: `names "${id}", a ${component.kind}; it must be ${orList(diskKinds)}` };
    } else if (spec.boot.order.indexOf(id) < index) yield { path, message: `names "${id}" a second time` };
  }
}

function isDevice(component: Component): component is Device {
  return 'backend' in component;
}

export function isBackend(component: Component): component is Backend {
  return backendKinds.includes(component.kind);
}

/** `hasOwn`, because "constructor" is a valid component id and every object inherits something of that name. */
export function componentOf(spec: InstanceSpec, id: string): Component | undefined {
  return Object.hasOwn(spec.components, id) ? spec.components[id] : undefined;
}

function orList(kinds: readonly Kind[]): string {
  return kinds.map((kind) => `a ${kind}`).join(' or ');
}
