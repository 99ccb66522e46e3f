/** Which of its VMMs an instance lives in: pure. */

export interface VmmOfInstance {
  readonly id: string;
  readonly epoch: bigint;
  readonly life: string;
  readonly ended: boolean;
  readonly createdAt: number;
}

/**
 * The VMM with the highest epoch among those that may run the guest (R1: the journals see to it that one does); of two alike the present
 * one, else the older. One that is on its way in does not count: its epoch is only promised. Null where none is left.
 */
export function livingVmm(vmms: readonly VmmOfInstance[], presentId: string | null): VmmOfInstance | null {
  let best: VmmOfInstance | null = null;
  for (const vmm of vmms) {
    if (vmm.ended || vmm.life === 'migrating-in' || vmm.life === 'moved') continue;
    if (best === null || before(vmm, best, presentId)) best = vmm;
  }
  return best;
}

function before(a: VmmOfInstance, b: VmmOfInstance, presentId: string | null): boolean {
  if (a.epoch !== b.epoch) return a.epoch > b.epoch;
  if ((a.id === presentId) !== (b.id === presentId)) return a.id === presentId;
  if (a.createdAt !== b.createdAt) return a.createdAt < b.createdAt;
  return a.id < b.id;
}
