/** What a guest has that RAM mode `external` cannot move. */
import { native, type TrackingProbe } from '@drover/native';
import type { InstanceSpec } from '@drover/types';
import type { Blocker } from '../driver.js';
import { vmmErrors } from '../errors.js';
import type { QmpClient } from '../qmp/client.js';
import { queryMigrate } from '../qmp/commands.js';
import { unsavedComponents } from './device-states.js';
import type { StateDescriptions } from './state-descriptions.js';
import type { QemuTuning } from './tuning.js';

type BlockerCode = Extract<keyof typeof vmmErrors.definitions, `blocker-${string}`>;

/**
 * These write guest memory past the tracker, and this driver has no other RAM mode: no VMM is started with them.
 *
 * vsock is none of them, though the kernel's vhost worker serves it: the worker writes through QEMU's own page tables
 * (copy_to_iter and put_user in drivers/vhost), where write protection sees it, and pins nothing; and before QEMU answers
 * `stop` it has taken the queues from the worker, under the lock that the worker writes under.
 */
const unstartable: readonly BlockerCode[] = ['blocker-vhost-user', 'blocker-vfio', 'blocker-vdpa'];

/** Everything about the spec itself, in the order of its components. */
export function specBlockers(spec: InstanceSpec, tuning: Pick<QemuTuning, 'allowDirectIo'>): Blocker[] {
  const blockers: Blocker[] = [];
  const add = (code: BlockerCode, message: string): void => {
    blockers.push({ code, message });
  };
  for (const [id, component] of Object.entries(spec.components)) {
    switch (component.kind) {
      case 'vhost-user-network':
        add(
          'blocker-vhost-user',
          `Component "${id}" is a vhost-user network: another process writes guest memory, which cannot be tracked from outside. Use a tap network.`,
        );
        break;
      case 'vfio-device':
        add(
          'blocker-vfio',
          `Component "${id}" gives host device ${component.address} to the guest (VFIO): it writes guest memory by itself, which cannot be tracked from outside. Remove it.`,
        );
        break;
      case 'vdpa-network':
        add(
          'blocker-vdpa',
          `Component "${id}" is a vDPA network: the device writes guest memory by itself, which cannot be tracked from outside. Use a tap network.`,
        );
        break;
      case 'nvme-disk':
        add(
          'blocker-nvme',
          `Component "${id}" is an NVMe disk, whose controller state QEMU cannot save. Use a virtio-disk.`,
        );
        break;
      case 'file-storage':
      case 'block-storage':
        if (component.cache === 'none' && !tuning.allowDirectIo) {
          add(
            'blocker-direct-io',
            `Component "${id}" is opened with O_DIRECT (cache=none), and this host is set to refuse such guests. Use cache=writeback.`,
          );
        }
        break;
    }
  }
  return blockers;
}

/** Throws the first blocker without which no VMM can be started at all. */
export function refuseUnstartable(spec: InstanceSpec): void {
  const blocker = specBlockers(spec, { allowDirectIo: true }).find(({ code }) =>
    unstartable.some((known) => known === code),
  );
  if (blocker) throw vmmErrors.error(blocker.code as BlockerCode, blocker.message);
}

/** True when devices may pin guest pages while they are re-armed. */
export function hasDirectIo(spec: InstanceSpec): boolean {
  return Object.values(spec.components).some(
    (component) =>
      (component.kind === 'file-storage' || component.kind === 'block-storage') && component.cache === 'none',
  );
}

/** What this build of QEMU would leave behind: without its state a device is dead, or another, after a move (R3). */
export async function stateBlockers(
  spec: InstanceSpec,
  described: Promise<StateDescriptions>,
): Promise<Blocker[]> {
  try {
    return unsavedComponents(spec, await described).map((id) => ({
      code: 'blocker-device-state',
      message: `Component "${id}" is a ${spec.components[id]?.kind} device, whose state the QEMU that runs the guest cannot save. Use a newer QEMU, or a guest without it.`,
    }));
  } catch (error) {
    return [
      {
        code: 'blocker-device-state',
        message: error instanceof Error ? error.message : String(error),
      },
    ];
  }
}

/** What the running QEMU reports. */
/** What the tracker needs of this host's kernel; nothing of one guest. */
export function trackingBlockers(probe: TrackingProbe = native().probeTracking()): Blocker[] {
  const missing = [probe.userfaultfd, probe.asyncWriteProtect, probe.pagemapScan].find(({ ok }) => !ok);
  if (missing === undefined) return [];
  const message = `This host cannot track what its guests write: ${missing.detail}`;
  return [{ code: 'blocker-tracking' satisfies BlockerCode, message }];
}

export async function qemuBlockers(qmp: QmpClient): Promise<Blocker[]> {
  const { blockedReasons } = await queryMigrate(qmp);
  return blockedReasons.map((reason) => ({
    code: 'blocker-qemu',
    message: `QEMU says that this guest cannot be migrated: ${reason}`,
  }));
}
