/**
 * Versions of device state, by kind. A VMM's own kinds (`qemu/virtio-net`) come from the VMM, through its driver; this file has the
 * kinds that are Drover's own, and what a mismatch is refused with.
 */
import { type DeviceStateVersions, formatVersions } from '@drover/types';
import { protocolErrors } from '../errors.js';

/**
 * The kinds of device state that this release itself reads and writes, with their versions, ascending.
 *
 * `qemu-stream`: how QEMU's own stream is carried, a sequence of state frames with nothing of ours inside it.
 *
 * To add a version: its number here, what it changes in SPEC.md's section on device state, golden vectors.
 */
export const DEVICE_STATE_KINDS = { 'qemu-stream': [1] } as const satisfies DeviceStateVersions;

/** Kinds and versions in which one guest's device state will be written. */
export type WrittenDeviceStates = Readonly<Record<string, number>>;

/** A host for sentences. */
export interface HostName {
  readonly host: string;
  readonly release: string;
}

/** Kinds named in one refusal; the number of the others is said. */
const NAMED = 4;

/**
 * Throws `device-state-version-unsupported` unless `destination` reads every kind in exactly the version in which `source` writes it. The
 * sentence names the kinds, both sides' versions and which side to upgrade.
 */
export function checkDeviceStates(
  written: WrittenDeviceStates,
  source: HostName,
  read: DeviceStateVersions,
  destination: HostName,
): void {
  const problems = Object.entries(written).flatMap(([kind, version]) => {
    // Every object inherits something called "constructor".
    const window = Object.hasOwn(read, kind) ? (read[kind] ?? []) : [];
    return window.includes(version) ? [] : [{ kind, version, window }];
  });
  if (problems.length === 0) return;
  const sentences = problems.slice(0, NAMED).map(({ kind, version, window }) => {
    const reads =
      window.length === 0
        ? `${destination.host} has no such device`
        : `${destination.host} reads ${formatVersions(window)}`;
    const behind = window.length > 0 && window.every((each) => each > version) ? source : destination;
    return `${kind} state ${version} is written by ${source.host} (release ${source.release}); ${reads}; upgrade ${behind.host}`;
  });
  const more = problems.length - NAMED;
  throw protocolErrors.error(
    'device-state-version-unsupported',
    `${sentences.join('. ')}${more > 0 ? `. So it is with ${more} more` : ''}.`,
  );
}
