import type { InstanceSpec } from '@drover/types';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { placeDevices } from '../src/qemu/slots.js';
import { spec } from './support/specs.js';

/** Every kind that takes a slot; the driver does not rely on the document rules, which allow one vsock. */
const kinds = [
  { kind: 'virtio-disk', backend: 'b' },
  { kind: 'nvme-disk', backend: 'b', serial: 'S', writeCache: true },
  { kind: 'virtio-nic', backend: 'b', mac: '52:54:00:00:00:01' },
  { kind: 'pvpanic' },
  { kind: 'rng' },
  { kind: 'vsock', cid: 3 },
] as const;
const devices = fc
  .array(
    fc.record({ kind: fc.constantFrom(...kinds), pciSlot: fc.option(fc.integer({ min: 1, max: 31 })) }),
    {
      maxLength: 35,
    },
  )
  .map((given) =>
    Object.fromEntries(
      given.map(({ kind, pciSlot }, index) => [
        `d${String(index).padStart(2, '0')}`,
        pciSlot === null ? kind : { ...kind, pciSlot },
      ]),
    ),
  );
const machines = fc.constantFrom('pc-q35-7.2', 'pc-i440fx-7.2');

/** The rule, naively: named slots first; then, by id, the lowest that is free. Null where it cannot be done. */
function oracle(components: InstanceSpec['components'], bridge: number): Map<string, number> | null {
  const places = new Map<string, number>();
  const entries = Object.entries(components) as [string, { pciSlot?: number }][];
  const free = (slot: number) => slot !== bridge && ![...places.values()].includes(slot);
  for (const [id, { pciSlot }] of entries) {
    if (pciSlot === undefined) continue;
    if (!free(pciSlot)) return null;
    places.set(id, pciSlot);
  }
  for (const [id] of entries.filter(([id]) => !places.has(id))) {
    const slot = Array.from({ length: 29 }, (_, index) => index + 2).find(free);
    if (slot === undefined) return null;
    places.set(id, slot);
  }
  return places;
}

describe('slots', () => {
  it('are the ones that the spec names, then the lowest free ones in the order of the ids', () => {
    const seen = { placed: 0, refused: 0 };
    fc.assert(
      fc.property(devices, machines, (components, machineType) => {
        const expected = oracle(components, machineType === 'pc-q35-7.2' ? 31 : 1);
        const place = () => placeDevices({ ...spec(), components }, machineType);
        if (expected === null) {
          seen.refused++;
          expect(place).toThrow(expect.objectContaining({ code: 'spec-unsupported-by-qemu' }));
        } else {
          seen.placed++;
          expect(new Map(place().map(({ id, slot }) => [id, slot]))).toEqual(
            new Map([...expected].sort(([a], [b]) => (a < b ? -1 : 1))),
          );
        }
      }),
      { numRuns: 500 },
    );
    expect(Math.min(seen.placed, seen.refused)).toBeGreaterThan(20);
  });

  it('are none on MMIO, where the order of the ids is the place', () => {
    const components = { b: kinds[4], a: kinds[2] };
    expect(placeDevices({ ...spec(), components }, 'microvm')).toMatchObject([
      { id: 'a', slot: null },
      { id: 'b', slot: null },
    ]);
  });
});
