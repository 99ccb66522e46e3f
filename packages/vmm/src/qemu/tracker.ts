/** The dirty tracker of a QEMU: write protection from outside, over a userfaultfd that the shim hands out. */
import { type DirtyBitmap, type GuestMemory, native, type PagemapScanTracker } from '@drover/native';
import type { DirtyTracker } from '../driver.js';

export interface QemuTrackerOptions {
  readonly memory: GuestMemory;
  readonly pid: number;
  readonly shimSocket: string;
  readonly timeoutMs: number;
  readonly needsQuiescedRounds: boolean;
}

export class QemuTracker implements DirtyTracker {
  readonly name = 'pagemap-scan';
  readonly needsQuiescedRounds: boolean;
  readonly #scan: PagemapScanTracker;

  constructor({ needsQuiescedRounds, ...scan }: QemuTrackerOptions) {
    this.needsQuiescedRounds = needsQuiescedRounds;
    this.#scan = native().createPagemapScanTracker(scan);
  }

  start(): Promise<void> {
    return this.#scan.start();
  }

  collect(into: DirtyBitmap): ReturnType<PagemapScanTracker['collect']> {
    return this.#scan.collect(into);
  }

  stop(): void {
    this.#scan.stop();
  }
}
