/** What happens to a QEMU by itself, as the driver's events. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isGuestReset, isGuestShutdown } from '@drover/protocol';
import type { VmmEvent } from '../driver.js';
import { readTail } from '../process/log-tail.js';
import type { VmmProcess } from '../process/vmm-process.js';
import type { QmpClient } from '../qmp/client.js';
import { queryRunState } from '../qmp/commands.js';
import type { VmmPaths } from './paths.js';
import { kvmFailure, lastMessage } from './process-log.js';
import { failurePhrase, statusOf } from './run-state.js';

/** After its monitor closed, how long the process may take to end before that counts as a failure of its own, ms. */
const END_TIMEOUT_MS = 10_000;

/** How long after a STOP the run state is asked for, ms: most come from a pause, whose moments are precious. */
const STOP_IS_OLD_MS = 100;

/** Listens until {@link close}. */
export class GuestEvents {
  readonly #listeners = new Set<(event: VmmEvent) => void>();
  readonly #process: VmmProcess;
  readonly #paths: VmmPaths;
  readonly #stopListening: (() => void)[];
  #closed = false;

  constructor(qmp: QmpClient, process: VmmProcess, paths: VmmPaths) {
    this.#process = process;
    this.#paths = paths;
    this.#stopListening = [
      qmp.onEvent((event) => {
        if (isGuestShutdown(event)) {
          this.#emit({ kind: 'guest-shutdown', message: 'The guest powered off.' });
        } else if (isGuestReset(event)) {
          this.#emit({ kind: 'guest-reset', message: 'The guest reset itself.' });
        } else if (event.name === 'GUEST_PANICKED') {
          this.#emit({ kind: 'guest-panicked', message: 'The guest reported a panic.' });
        } else if (event.name === 'STOP') {
          void this.#lookWhyItStopped(qmp);
        }
      }),
      qmp.onEnd(() => void this.#lookWhyItClosed()),
    ];
  }

  listen(listener: (event: VmmEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#closed = true;
    for (const stop of this.#stopListening) stop();
    this.#listeners.clear();
  }

  /** A STOP follows every pause as well; only the run state tells a failure from it. */
  async #lookWhyItStopped(qmp: QmpClient): Promise<void> {
    await sleep(STOP_IS_OLD_MS, undefined, { ref: false });
    if (this.#closed) return;
    const runState = await queryRunState(qmp).catch(() => null);
    if (runState === null || statusOf(runState) !== 'failed') return;
    const message = failurePhrase(runState, kvmFailure(readTail(this.#paths.processLog)));
    this.#emit({ kind: 'failed', message });
  }

  async #lookWhyItClosed(): Promise<void> {
    const ended = await this.#process.ended(END_TIMEOUT_MS);
    const said = lastMessage(readTail(this.#paths.processLog));
    const lastWords = said === '' ? '' : ` Its last words: ${said}`;
    this.#emit(
      ended
        ? {
            kind: 'exited',
            message: `QEMU (process ${this.#process.pid}) ${this.#process.endPhrase()}.${lastWords}`,
          }
        : {
            kind: 'failed',
            message: `QEMU (process ${this.#process.pid}) closed its monitor and still runs.${lastWords}`,
          },
    );
  }

  #emit(event: VmmEvent): void {
    if (this.#closed) return;
    for (const listener of [...this.#listeners]) listener(event);
  }
}
