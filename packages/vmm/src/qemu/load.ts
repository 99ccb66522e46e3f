/** Device state into an incoming QEMU, which stays paused when it has it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { migrationEnd } from '@drover/protocol';
import { vmmErrors } from '../errors.js';
import { type QmpClient, QmpErrorReply } from '../qmp/client.js';
import { enableCapabilities, queryMigrate } from '../qmp/commands.js';

/** Longer than any migration: how long QEMU waits for the state is the agent's affair, by {@link StateLoad.loaded}. */
const LISTEN_MS = 2 ** 31 - 1;

/** How long QEMU may take to exit after a failed load, ms. */
const EXIT_MS = 1_000;

/** One incoming state. */
export class StateLoad {
  readonly #stop = new AbortController();
  readonly #end: Promise<'completed' | 'failed' | 'cancelled'>;
  readonly #qmp: QmpClient;

  private constructor(qmp: QmpClient) {
    this.#qmp = qmp;
    this.#end = qmp.next('end of loading device state', migrationEnd, {
      timeoutMs: LISTEN_MS,
      signal: this.#stop.signal,
    });
    this.#end.catch(() => {});
  }

  /**
   * Makes QEMU listen on `socketPath`. late-block-activate: disks are opened for writing, and their locks taken, only when
   * the guest is resumed here, so that the source can always take back (R2).
   */
  static async listen(qmp: QmpClient, socketPath: string): Promise<StateLoad> {
    await enableCapabilities(qmp, ['x-ignore-shared', 'events', 'late-block-activate']);
    const load = new StateLoad(qmp);
    try {
      await qmp.execute('migrate-incoming', { uri: `unix:${socketPath}` });
    } catch (error) {
      load.close();
      const why = error instanceof Error && error.cause instanceof QmpErrorReply ? error.cause.message : null;
      if (why === null) throw error;
      throw vmmErrors.error('qemu-load-failed', `QEMU could not listen for device state: ${why}.`, error);
    }
    return load;
  }

  /** Resolves when the state is loaded. Rejects with `qemu-load-failed`: QEMU 7.2 exits on a state that it cannot load. */
  async loaded(timeoutMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(
        () => reject(failed(`nothing, or not all of it, came within ${timeoutMs} ms`)),
        timeoutMs,
      );
    });
    try {
      const outcome = await Promise.race([this.#end, late]).catch((error: unknown) => {
        throw isLoadFailure(error)
          ? error
          : failed(error instanceof Error ? error.message : String(error), error);
      });
      if (outcome !== 'completed') throw failed(await this.#reason());
    } finally {
      clearTimeout(timer);
    }
  }

  /** QEMU says that it failed, then writes why, then exits. */
  async #reason(): Promise<string> {
    const deadline = performance.now() + EXIT_MS;
    while (this.#qmp.ended === null && performance.now() < deadline) await sleep(5);
    return this.#qmp.ended?.message ?? (await queryMigrate(this.#qmp)).error ?? 'it gave no reason';
  }

  close(): void {
    this.#stop.abort();
  }
}

function isLoadFailure(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'qemu-load-failed';
}

function failed(why: string, cause?: unknown): Error {
  return vmmErrors.error('qemu-load-failed', `QEMU did not load the device state: ${why}.`, cause);
}
