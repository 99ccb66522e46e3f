/** Disks and what they are backed by, as QEMU options. */
import type { Component, InstanceSpec } from '@drover/types';
import { backendOf, wrongBackend } from './backends.js';
import { joinOptions } from './options.js';
import { blobPath, type VmmPaths } from './paths.js';
import { slotOption } from './slots.js';

type Disk = Extract<Component, { kind: 'virtio-disk' | 'nvme-disk' }>;

/** How QEMU's block layer opens each `file-storage` of the spec, by component id; found by looking at the host's files. */
export type StorageDrivers = ReadonlyMap<string, 'file' | 'host_device'>;

export interface DiskPlace {
  readonly id: string;
  readonly slot: number | null;
  /** Name of the disk's block node. */
  readonly node: string;
}

/** What QEMU's block layer opens. */
interface Image {
  readonly driver: 'file' | 'host_device';
  readonly path: string;
  readonly format: 'raw' | 'qcow2';
  readonly cache: 'writeback' | 'none';
  readonly readOnly: boolean;
}

export function diskOptions(
  spec: InstanceSpec,
  disk: Disk,
  { id, slot, node }: DiskPlace,
  storage: StorageDrivers,
  paths: VmmPaths,
): string[] {
  const image = imageOf(id, disk.backend, backendOf(spec, id, disk.backend), storage, paths);
  const model = disk.kind === 'nvme-disk' ? 'nvme' : slot === null ? 'virtio-blk-device' : 'virtio-blk-pci';
  const bootIndex = spec.boot.from === 'disks' ? spec.boot.order.indexOf(id) : -1;
  return [
    '-blockdev',
    blockNode(node, image),
    '-device',
    joinOptions(model, {
      id,
      drive: node,
      addr: slotOption(slot),
      serial: disk.serial ?? null,
      // QEMU's own default is on. Off: every write is on the disk before it is answered, and the controller's feature "volatile
      // write cache" starts as disabled.
      'write-cache': disk.kind === 'nvme-disk' && !disk.writeCache ? 'off' : null,
      bootindex: bootIndex < 0 ? null : bootIndex + 1,
    }),
  ];
}

function imageOf(
  device: string,
  id: string,
  backend: Component,
  storage: StorageDrivers,
  paths: VmmPaths,
): Image {
  switch (backend.kind) {
    case 'file-storage':
      return { ...backend, driver: storage.get(id) ?? 'file' };
    case 'block-storage':
      return { ...backend, driver: 'host_device', format: 'raw' };
    case 'blob-storage':
      return {
        driver: 'file',
        path: blobPath(paths, id),
        format: 'raw',
        cache: 'writeback',
        readOnly: true,
      };
    default:
      throw wrongBackend(device, backend);
  }
}

function blockNode(node: string, { driver, path, format, cache, readOnly }: Image): string {
  const direct = cache === 'none';
  const common = {
    'read-only': readOnly,
    'auto-read-only': false,
    cache: { direct, 'no-flush': false },
  };
  return JSON.stringify({
    driver: format,
    'node-name': node,
    ...common,
    file: { driver, filename: path, aio: direct ? 'native' : 'threads', ...common },
  });
}
