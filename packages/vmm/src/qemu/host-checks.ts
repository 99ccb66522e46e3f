/** The host's side of a spec: each check throws one error with what, where and what to do, and makes nothing. */
import { constants } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import type { Component, InstanceSpec } from '@drover/types';
import { vmmErrors } from '../errors.js';
import { codeOf, type Opened, openingFailed, tryOpen } from '../host/open-file.js';
import { whyNotQcow2 } from './disk-image.js';
import { findMachine } from './identity.js';
import type { QemuFacts } from './probe.js';

type Storage = Extract<Component, { kind: 'file-storage' | 'block-storage' }>;

/** Machine type, number of CPUs and CPU model. */
export function checkAgainstQemu(spec: InstanceSpec, facts: QemuFacts): void {
  const machine = findMachine(facts, spec.machineType);
  if (spec.cpus > machine.maxCpus) {
    throw vmmErrors.error(
      'too-many-cpus',
      `Instance "${spec.name}" has ${spec.cpus} CPUs; the machine type ${machine.name} takes at most ${machine.maxCpus}.`,
    );
  }
  if (!facts.cpuModels.includes(spec.cpu.model)) {
    throw vmmErrors.error(
      'cpu-model-unknown',
      `QEMU ${facts.version} on this host has no CPU model "${spec.cpu.model}". "qemu-system-x86_64 -cpu help" lists those it has.`,
    );
  }
}

/** Opens every disk once and says how QEMU's block layer must open it. */
export async function checkDisks(spec: InstanceSpec): Promise<Map<string, 'file' | 'host_device'>> {
  const drivers = new Map<string, 'file' | 'host_device'>();
  for (const [id, component] of Object.entries(spec.components)) {
    if (component.kind !== 'file-storage' && component.kind !== 'block-storage') continue;
    const found = asNeeded(component, await tryOpen(component.path, openFlags(component)));
    if (found.kind === 'unusable') {
      throw vmmErrors.error(
        'disk-unusable',
        `The disk "${id}" of instance "${spec.name}" (${component.path}) cannot be used on this host: ${found.why}.${remedy(component, found.code)}`,
      );
    }
    const why =
      component.kind === 'file-storage' &&
      component.format === 'qcow2' &&
      (await whyNotQcow2(component.path));
    if (why) {
      throw vmmErrors.error(
        'disk-image-unusable',
        `The disk "${id}" of instance "${spec.name}" (${component.path}) cannot be used on this host as the qcow2 image that it should be: ${why}.`,
      );
    }
    drivers.set(id, found.kind === 'file' ? 'file' : 'host_device');
  }
  return drivers;
}

/** A file where a block device belongs is most often a device that was not there when somebody wrote to its path. */
function asNeeded(storage: Storage, found: Opened): Opened {
  if (storage.kind !== 'block-storage' || found.kind !== 'file') return found;
  return { kind: 'unusable', why: 'it is a file and no block device', code: null };
}

/** The kernel's end of a vsock device. */
export async function checkVsock(spec: InstanceSpec, device = '/dev/vhost-vsock'): Promise<void> {
  for (const [id, component] of Object.entries(spec.components)) {
    if (component.kind !== 'vsock') continue;
    try {
      await (await open(device, constants.O_RDWR)).close();
    } catch (cause) {
      throw vmmErrors.error(
        'vsock-unusable',
        `Component "${id}" of instance "${spec.name}" needs ${device}, and ${openingFailed(codeOf(cause))}. Load the kernel module with "modprobe vhost_vsock".`,
        cause,
      );
    }
  }
}

export async function checkNetworks(spec: InstanceSpec): Promise<void> {
  // The interfaces of this process's own network namespace, whatever /sys was mounted in.
  const table = await readFile('/proc/self/net/dev', 'utf8');
  for (const [id, component] of Object.entries(spec.components)) {
    if (component.kind !== 'tap-network') continue;
    const there = table.split('\n').some((line) => line.trimStart().startsWith(`${component.interface}:`));
    if (there) continue;
    throw vmmErrors.error(
      'network-interface-missing',
      `The network "${id}" of instance "${spec.name}" needs the interface ${component.interface}, which this host does not have. Create it with "ip tuntap add ${component.interface} mode tap".`,
    );
  }
}

function openFlags(storage: Storage): number {
  return (
    (storage.readOnly ? constants.O_RDONLY : constants.O_RDWR) |
    (storage.cache === 'none' ? constants.O_DIRECT : 0)
  );
}

function remedy(storage: Storage, code: string | null): string {
  if (code === 'EINVAL' && storage.cache === 'none') {
    return ' It may not know O_DIRECT: use cache=writeback.';
  }
  return ' Put it there, correct the path, or set readOnly.';
}
