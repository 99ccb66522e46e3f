/** Network devices and what they are backed by, as QEMU options. */
import type { Component, InstanceSpec } from '@drover/types';
import { backendOf, wrongBackend } from './backends.js';
import { joinOptions } from './options.js';
import { slotOption } from './slots.js';

type Nic = Extract<Component, { kind: 'virtio-nic' }>;

export function networkOptions(spec: InstanceSpec, id: string, nic: Nic, slot: number | null): string[] {
  const front = [
    '-device',
    joinOptions(slot === null ? 'virtio-net-device' : 'virtio-net-pci', {
      id,
      netdev: nic.backend,
      mac: nic.mac,
      addr: slotOption(slot),
      // An option ROM would add to the state that moves during the downtime.
      romfile: slot === null ? null : '',
    }),
  ];
  const backend = backendOf(spec, id, nic.backend);
  switch (backend.kind) {
    case 'user-network':
      return ['-netdev', joinOptions('user', { id: nic.backend }), ...front];
    case 'tap-network':
      // vhost=off: with it the kernel, not QEMU, would write the guest's memory.
      return [
        '-netdev',
        joinOptions('tap', {
          id: nic.backend,
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
