/** What sagas need of the part that keeps VMMs' states: to have what an agent says of its VMMs taken in as if it had rung. */
import type { VmmViewV3 } from '@drover/protocol';

export interface VmmRecords {
  /** Stores what a host's agent said, each by its generation (R10). */
  takeIn(hostId: string, vmms: readonly VmmViewV3[]): Promise<void>;
}
