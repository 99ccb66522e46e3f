/**
 * Migration report, version 2: more drivers, RAM modes and trackers, the versions that the device state went in, and the
 * capabilities used. Frozen; see `instance-spec/v1.ts` for what that means. Settings and progress are version 1's.
 */
import { z } from 'zod';
import type { Conversion, Loss } from '../document/versions.js';
import { type MigrationReportV1, migrationReportV1 } from './v1.js';

export const migrationReportV2 = z.strictObject({
  ...migrationReportV1.shape,
  driver: z.enum(['qemu', 'machine', 'cloud-hypervisor']),
  ramMode: z.enum(['external', 'relay']),
  /** Null where the VMM moves its own memory. */
  tracker: z.enum(['pagemap-scan', 'kvm-dirty-log', 'kvm-dirty-ring', 'soft-dirty', 'bhyve-npt']).nullable(),
  /** By kind: `qemu-stream`, `qemu/virtio-blk`. */
  deviceStates: z.record(
    z.string().regex(/^[!-~]{1,64}$/, 'is not 1–64 visible ASCII characters'),
    z.int().min(0).max(0x7fff_ffff),
  ),
  /** By name, as the peer protocol's registry lists them. */
  capabilities: z.array(z.string().min(1).max(64)).max(64),
});
export type MigrationReportV2 = z.output<typeof migrationReportV2>;

/** What every migration used before reports said so, and all that version 1 can mean. */
const DEVICE_STATES_V1: Readonly<Record<string, number>> = { 'qemu-stream': 1 };

export const conversionV2: Conversion<MigrationReportV1, MigrationReportV2> = {
  up: (report) => ({ ...report, deviceStates: { ...DEVICE_STATES_V1 }, capabilities: [] }),
  down: ({ driver, ramMode, tracker, deviceStates, capabilities, ...report }) => {
    const losses: Loss[] = [];
    if (driver !== 'qemu') losses.push({ path: ['driver'], feature: `driver=${driver}` });
    if (ramMode !== 'external') losses.push({ path: ['ramMode'], feature: `ramMode=${ramMode}` });
    if (tracker !== 'pagemap-scan')
      losses.push({ path: ['tracker'], feature: `tracker=${tracker ?? 'none'}` });
    if (!isStateOfV1(deviceStates)) losses.push({ path: ['deviceStates'], feature: 'deviceStates' });
    if (capabilities.length > 0) losses.push({ path: ['capabilities'], feature: 'capabilities' });
    const older: MigrationReportV1 = {
      ...report,
      driver: 'qemu',
      ramMode: 'external',
      tracker: 'pagemap-scan',
    };
    return { older, losses };
  },
};

function isStateOfV1(states: Readonly<Record<string, number>>): boolean {
  const kinds = Object.keys({ ...states, ...DEVICE_STATES_V1 });
  return kinds.every((kind) => Object.hasOwn(states, kind) && states[kind] === DEVICE_STATES_V1[kind]);
}
