/**
 * VMMs that ended: each stays readable, over restarts of the agent too, until a control plane has stored its last generation
 * (R10). A host without a control plane keeps none, for nobody would ever ask.
 *
 * `vmms/<id>.json` in the state directory, one document for each: `{"schema": "drover.host-agent.ended-vmm", "version": 1, "body": …}`.
 */
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type VmmView, vmmView } from '@drover/protocol';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { Instance } from '../instances/instance.js';
import { isTemporaryName, writeFileAtomic } from '../storage/atomic-file.js';
import { endedView } from './view.js';

const SCHEMA = 'drover.host-agent.ended-vmm';
const VERSION = 1;
/** Most that are kept. A control plane that does not answer for longer than it takes to end so many VMMs loses the oldest. */
export const ENDED_VMMS = 4096;

const documentSchema = z.strictObject({
  schema: z.literal(SCHEMA),
  version: z.literal(VERSION),
  body: vmmView,
});

export interface EndedVmmsOptions {
  /** `vmms` in the state directory. */
  readonly directory: string;
  /** False where no control plane is configured. */
  readonly kept: boolean;
  readonly limit?: number;
  readonly logger: Logger;
  /** Called with the id of each VMM whose last state has just become readable. */
  readonly onEnded: (vmmId: string) => void;
}

export class EndedVmms {
  readonly #options: EndedVmmsOptions;
  /** Oldest first. */
  readonly #byId = new Map<string, VmmView>();

  constructor(options: EndedVmmsOptions) {
    this.#options = options;
  }

  /**
   * Reads what earlier agents left; a file that cannot be read is logged and left as it is. Without a control plane all of it goes, and so
   * does what was never shown: a record of a VMM that an instance still has, by `isCurrent`.
   */
  async load(isCurrent: (view: VmmView) => boolean): Promise<void> {
    const { directory, kept, logger } = this.#options;
    const views: VmmView[] = [];
    for (const name of await readdir(directory)) {
      const path = join(directory, name);
      if (isTemporaryName(name) || !kept) {
        await rm(path, { force: true });
        continue;
      }
      try {
        views.push(documentSchema.parse(JSON.parse(await readFile(path, 'utf8'))).body);
      } catch (err) {
        logger.error({ err, path }, 'the last state of an ended VMM cannot be read');
      }
    }
    views.sort((a, b) => String(a.ended?.at).localeCompare(String(b.ended?.at)));
    for (const view of views) {
      if (isCurrent(view)) await rm(this.#path(view.state.vmmId), { force: true });
      else this.#byId.set(view.state.vmmId, Object.freeze(view));
    }
  }

  /** Oldest first. */
  list(): VmmView[] {
    return [...this.#byId.values()];
  }

  get(vmmId: string): VmmView | undefined {
    return this.#byId.get(vmmId);
  }

  /**
   * Writes the last state of the VMM that `instance` has. To be called while the instance's own record is on disk; what it returns shows the
   * state, and is to be called when that record is of another VMM or gone. A crash between the two leaves the VMM as it was.
   */
  async record(instance: Instance, reason: NonNullable<VmmView['ended']>['reason']): Promise<() => void> {
    const { kept, onEnded } = this.#options;
    if (!kept) return () => undefined;
    await instance.flushed();
    const view = Object.freeze(endedView(instance, reason));
    const { vmmId } = view.state;
    const document = { schema: SCHEMA, version: VERSION, body: view };
    await writeFileAtomic(this.#path(vmmId), `${JSON.stringify(document)}\n`);
    return () => {
      this.#byId.set(vmmId, view);
      this.#forgetOldest();
      onEnded(vmmId);
    };
  }

  /** True when the VMM is not kept any longer; a generation below its last one leaves it. */
  async acknowledge(vmmId: string, generation: bigint): Promise<boolean> {
    const view = this.#byId.get(vmmId);
    if (!view || generation < BigInt(view.state.generation)) return false;
    await rm(this.#path(vmmId), { force: true });
    this.#byId.delete(vmmId);
    return true;
  }

  #forgetOldest(): void {
    const { limit = ENDED_VMMS, logger } = this.#options;
    for (const [vmmId, { state }] of this.#byId) {
      if (this.#byId.size <= limit) return;
      logger.error(
        { vmm: vmmId, instance: state.instanceId, limit },
        'too many ended VMMs wait for the control plane; the oldest is forgotten, and the control plane will find it missing',
      );
      this.#byId.delete(vmmId);
      void rm(this.#path(vmmId), { force: true }).catch((err: unknown) => {
        logger.error({ err, vmm: vmmId }, 'the record of an ended VMM could not be removed');
      });
    }
  }

  #path(vmmId: string): string {
    return join(this.#options.directory, `${vmmId}.json`);
  }
}
