/** The host's side of a spec: each check throws one error with what, where and what to do, and makes nothing. */
import { constants } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import type { Component, InstanceSpec } from '@drover/types';
import { vmmErrors } from '../errors.js';
import { availableMemory } from './host-memory.js';
import { findMachine } from './identity.js';
import type { QemuFacts } from './probe.js';

const MIB = 1024 * 1024;

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

export async function checkBootFiles(spec: InstanceSpec): Promise<void> {
  if (spec.boot.from !== 'kernel') return;
  const files = { kernel: spec.boot.kernel, initrd: spec.boot.initrd };
  for (const [what, path] of Object.entries(files)) {
    if (path === undefined) continue;
    const found = await tryOpen(path, constants.O_RDONLY);
    if (found.kind === 'file') continue;
    const why = found.kind === 'unusable' ? found.why : 'it is a block device';
    throw vmmErrors.error(
      'boot-file-unreadable',
      `The ${what} ${path} of instance "${spec.name}" cannot be used on this host: ${why}. Put it there, or correct the path.`,
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
        `Component "${id}" of instance "${spec.name}" needs ${device}, and ${phrase(codeOf(cause))}. Load the kernel module with "modprobe vhost_vsock".`,
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

/** Guest memory is taken as the guest touches it; a guest that could never have all of it is refused. */
export async function checkMemory(spec: InstanceSpec): Promise<void> {
  const available = await availableMemory();
  if (spec.memoryMiB * MIB <= available.bytes) return;
  throw vmmErrors.error(
    'memory-insufficient',
    `Instance "${spec.name}" has ${spec.memoryMiB} MiB of memory; ${Math.floor(available.bytes / MIB)} MiB are available here (${available.limitedBy}). Free memory, or choose another host.`,
  );
}

type Opened =
  | { readonly kind: 'file' | 'block-device' }
  | { readonly kind: 'unusable'; readonly why: string; readonly code: string | null };

/** O_NONBLOCK: a FIFO must not hold the check up. */
async function tryOpen(path: string, flags: number): Promise<Opened> {
  try {
    const file = await open(path, flags | constants.O_NONBLOCK);
    try {
      const stat = await file.stat();
      if (stat.isFile()) return { kind: 'file' };
      if (stat.isBlockDevice()) return { kind: 'block-device' };
      return { kind: 'unusable', why: 'it is neither a file nor a block device', code: null };
    } finally {
      await file.close();
    }
  } catch (cause) {
    const code = codeOf(cause);
    return { kind: 'unusable', why: phrase(code), code };
  }
}

function openFlags(storage: Storage): number {
  return (
    (storage.readOnly ? constants.O_RDONLY : constants.O_RDWR) |
    (storage.cache === 'none' ? constants.O_DIRECT : 0)
  );
}

function codeOf(cause: unknown): string | null {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : null;
}

function phrase(code: string | null): string {
  switch (code) {
    case 'ENOENT':
      return 'it does not exist';
    case 'EACCES':
    case 'EPERM':
      return 'this user may not open it';
    case 'EROFS':
      return 'it lies on a read-only file system';
    case 'EISDIR':
      return 'it is a directory';
    default:
      return `opening it failed (${code ?? 'unknown error'})`;
  }
}

function remedy(storage: Storage, code: string | null): string {
  if (code === 'EINVAL' && storage.cache === 'none') {
    return ' It may not know O_DIRECT: use cache=writeback.';
  }
  return ' Put it there, correct the path, or set readOnly.';
}
