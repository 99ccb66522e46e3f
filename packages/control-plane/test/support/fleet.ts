/** Hosts and guests for tests of what is pure. */
import { readFileSync } from 'node:fs';
import { type Host, type InstanceSpec, instanceSpecSchema, readHost } from '@drover/types';
import type { PlacementHost, PlacementWish } from '../../src/placement/fleet.js';

const text = readFileSync(
  new URL('../../../types/testdata/host/v3/every-driver.json', import.meta.url),
  'utf8',
);

/** A host's description as a release of today gives it. */
export function description(name = 'north', change: Partial<Host> = {}): Host {
  const host = readHost(text);
  return {
    ...host,
    name,
    ...change,
    compatibility: { ...host.compatibility, host: name, ...change.compatibility },
  };
}

export function spec(change: Record<string, unknown> = {}): InstanceSpec {
  return instanceSpecSchema.parse({
    name: 'guest',
    cpus: 1,
    memoryMiB: 64,
    boot: { from: 'kernel', kernel: '/boot/guest.elf' },
    ...change,
  });
}

export function host(change: Partial<PlacementHost> = {}): PlacementHost {
  const name = change.name ?? 'north';
  return {
    id: change.id ?? `id-of-${name}`,
    name,
    state: 'active',
    labels: {},
    description: description(name),
    room: { cpus: 8, memoryBytes: 1 << 30, cpusUsed: 0, memoryBytesUsed: 0 },
    guests: 0,
    groups: {},
    ...change,
  };
}

export function wish(change: Partial<PlacementWish> = {}): PlacementWish {
  return {
    instanceId: 'instance-1',
    name: 'guest',
    spec: spec(),
    cpus: 1,
    memoryBytes: 64 << 20,
    labels: {},
    antiAffinity: null,
    strategy: 'spread',
    notOn: null,
    ...change,
  };
}
