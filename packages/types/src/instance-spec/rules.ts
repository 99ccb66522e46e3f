/**
 * What the shape of a spec alone cannot say: that its components fit together.
 *
 * | rule | why |
 * | --- | --- |
 * | a device names a backend that exists and is of a kind it can use | QEMU would fail at start, with a message about its own arguments |
 * | a backend is used by exactly one device | two devices on one disk image destroy it; one that nobody uses is a typing error |
 * | PCI slots, MAC addresses, serial ports, tap interfaces, writable files are not given twice | the second one fails late, or works and corrupts |
 * | a MAC address is a unicast address other than zero | no network card may have another |
 * | the boot order names disk devices, each once | nothing else can be booted from |
 */
import type { RuleViolation } from '../document/kind.js';
import type { ComponentV1, InstanceSpecV1 } from './v1.js';

type Kind = ComponentV1['kind'];
type Device = Extract<ComponentV1, { backend: string }>;

/** Kinds of backend that each kind of device can use. */
export const backendsOfDevice: Readonly<Record<Device['kind'], readonly Kind[]>> = {
  'virtio-disk': ['file-storage'],
  'nvme-disk': ['file-storage'],
  'virtio-nic': ['user-network', 'tap-network', 'vhost-user-network', 'vdpa-network'],
};

const diskKinds: readonly Kind[] = ['virtio-disk', 'nvme-disk'];
/** Complete by themselves: nothing names them, and they name nothing. */
const standaloneKinds: readonly Kind[] = ['serial-port', 'vfio-device'];

export function checkInstanceSpecRules(spec: InstanceSpecV1): readonly RuleViolation[] {
  return [...checkBackends(spec), ...checkUnique(spec), ...checkMacs(spec), ...checkBootOrder(spec)];
}

function* checkBackends(spec: InstanceSpecV1): Iterable<RuleViolation> {
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
    if (isDevice(component) || standaloneKinds.includes(component.kind) || userOf.has(id)) continue;
    yield { path: ['components', id], message: `is a ${component.kind} that no device uses` };
  }
}

function* checkUnique(spec: InstanceSpecV1): Iterable<RuleViolation> {
  const seen = new Map<string, string>();
  for (const [id, component] of Object.entries(spec.components)) {
    for (const [field, value] of exclusiveFields(component)) {
      const key = `${field} ${value}`;
      const other = seen.get(key);
      if (other === undefined) seen.set(key, id);
      else yield { path: ['components', id, field], message: `is ${value}, which "${other}" already has` };
    }
  }
}

/** Fields of a component that no other component of the spec may have with the same value. */
function exclusiveFields(
  component: ComponentV1,
): readonly (readonly [field: string, value: string | number])[] {
  switch (component.kind) {
    case 'virtio-disk':
    case 'nvme-disk':
      return slotOf(component);
    case 'virtio-nic':
      return [...slotOf(component), ['mac', component.mac]];
    case 'serial-port':
      return [['port', component.port]];
    case 'file-storage':
      return component.readOnly ? [] : [['path', component.path]];
    case 'tap-network':
      return [['interface', component.interface]];
    case 'vhost-user-network':
      return [['socket', component.socket]];
    case 'vfio-device':
      return [['address', component.address]];
    case 'vdpa-network':
      return [['device', component.device]];
    case 'user-network':
      return [];
  }
}

function slotOf(device: { pciSlot?: number | undefined }): readonly (readonly [string, number])[] {
  return device.pciSlot === undefined ? [] : [['pciSlot', device.pciSlot]];
}

function* checkMacs(spec: InstanceSpecV1): Iterable<RuleViolation> {
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

function* checkBootOrder(spec: InstanceSpecV1): Iterable<RuleViolation> {
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

function isDevice(component: ComponentV1): component is Device {
  return 'backend' in component;
}

/** `hasOwn`, because "constructor" is a valid component id and every object inherits something of that name. */
function componentOf(spec: InstanceSpecV1, id: string): ComponentV1 | undefined {
  return Object.hasOwn(spec.components, id) ? spec.components[id] : undefined;
}

function orList(kinds: readonly Kind[]): string {
  return kinds.map((kind) => `a ${kind}`).join(' or ');
}
