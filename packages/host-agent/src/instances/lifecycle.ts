/**
 * What people do to instances: create, start, stop, delete. Each method either succeeds or leaves nothing of its own behind.
 *
 * | from | operation | to |
 * | --- | --- | --- |
 * | – | create | stopped |
 * | stopped, failed | start | starting → running; on failure stopped with the reason |
 * | running, paused | stop | stopped |
 * | stopped, failed | delete | – |
 * | running, paused | the VMM ends by itself | stopped (the guest powered off) or failed |
 */
import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { type InstanceSpec, toErrorBody } from '@drover/types';
import type { Vmm, VmmDrivers, VmmEvent } from '@drover/vmm';
import { hostAgentErrors } from '../errors.js';
import type { RunDirectory } from '../storage/run-directory.js';
import type { EndedVmms } from '../vmms/ended-vmms.js';
import type { InstanceSnapshot } from './document.js';
import type { Instance } from './instance.js';
import type { InstanceRegistry } from './registry.js';
import { endOf } from './vmm-end.js';

export interface LifecycleOptions {
  readonly registry: InstanceRegistry;
  readonly driver: VmmDrivers;
  readonly runDirectory: RunDirectory;
  readonly endedVmms: EndedVmms;
  /** The highest epoch that this host knows to be spent for an instance. */
  readonly knownEpoch: (instanceId: string) => bigint;
  /** How long a guest may take to power off, ms. */
  readonly powerDownTimeoutMs: number;
  /** The agent is stopping. */
  readonly shutdown: AbortSignal;
}

export class InstanceLifecycle {
  readonly #options: LifecycleOptions;

  constructor(options: LifecycleOptions) {
    this.#options = options;
  }

  /** Errors: `ram-mode-refused`, `instance-name-taken`, `instance-already-here`, the driver's own; with `start` also {@link start}'s. */
  async create(spec: InstanceSpec, options: { id: string | undefined; start: boolean }): Promise<Instance> {
    const { registry, driver } = this.#options;
    this.refuseBlocked(spec);
    const id = options.id ?? randomUUID();
    const epoch = this.#options.knownEpoch(id) + 1n;
    const instance = registry.add({ id, spec, snapshot: newSnapshot({ epoch, life: 'stopped' }) });
    const end = instance.begin('create');
    try {
      await driver.check(spec);
      await mkdir(instance.directory, { mode: 0o700 });
      await instance.publish({});
      if (options.start) await this.#launch(instance, instance.snapshot.vmmId);
    } catch (thrown) {
      registry.forget(instance);
      await instance.removeFiles();
      throw thrown;
    } finally {
      end();
    }
    instance.logger.info('instance created');
    this.#settleEnd(instance);
    return instance;
  }

  /** Errors: `instance-not-stopped`, `instance-busy`, `instance-in-doubt`, the driver's own. */
  async start(instance: Instance): Promise<void> {
    const end = instance.begin('start');
    try {
      requireStopped(instance, 'started');
      await this.#endOldVmm(instance);
      await this.#launch(instance, randomUUID());
    } finally {
      end();
    }
    this.#settleEnd(instance);
  }

  /**
   * Ends the VMM; without `force` the guest is asked to power off first. A stopped instance stays as it is. `vmm`: only while that is
   * the instance's VMM. Errors: `vmm-not-current`, `guest-did-not-stop`, `instance-busy`, `instance-in-doubt`.
   */
  async stop(instance: Instance, force: boolean, vmm?: string): Promise<void> {
    const end = instance.begin('stop');
    try {
      requireVmm(instance, vmm);
      if (instance.snapshot.life === 'stopped') return;
      await this.#endOldVmm(instance);
      const { vmm: running } = instance;
      if (running && !force && !(await running.powerDown(this.#options.powerDownTimeoutMs))) {
        throw hostAgentErrors.error(
          'guest-did-not-stop',
          `The guest of instance ${instance.name} did not power off within ${this.#options.powerDownTimeoutMs} ms; wait and ask again, or stop it with force.`,
        );
      }
      await running?.destroy();
      instance.detach();
      await instance.publish({ life: 'stopped', error: null, record: null });
      instance.logger.info({ force }, 'instance stopped');
    } finally {
      end();
    }
  }

  /** `vmm`: only while that is the instance's VMM. Errors: `vmm-not-current`, `instance-not-stopped`, `instance-busy`, `instance-in-doubt`. */
  async delete(instance: Instance, vmm?: string): Promise<void> {
    const { registry, endedVmms } = this.#options;
    const end = instance.begin('delete');
    try {
      requireVmm(instance, vmm);
      requireStopped(instance, 'deleted');
      await this.#endOldVmm(instance);
      const show = await endedVmms.record(instance, 'deleted');
      await instance.removeFiles();
      registry.forget(instance);
      show();
      instance.logger.info('instance deleted');
    } finally {
      end();
    }
  }

  /** Watches a VMM that this host owns, from now on. */
  attach(instance: Instance, vmm: Vmm): void {
    instance.attach(vmm, (event) => this.#onEvent(instance, vmm, event));
  }

  /** After an operation that held the instance: heeds what happened to the VMM in the meantime. */
  settle(instance: Instance): void {
    this.#settleEnd(instance);
  }

  /** Errors: `ram-mode-refused`. */
  refuseBlocked(spec: InstanceSpec): void {
    const blockers = this.#options.driver.specBlockers(spec);
    if (blockers.length === 0) return;
    throw hostAgentErrors.error(
      'ram-mode-refused',
      `Instance ${spec.name} cannot have its memory tracked in RAM mode external: ${blockers.map(({ code, message }) => `${message} [${code}]`).join('; ')}`,
    );
  }

  async #launch(instance: Instance, vmmId: string): Promise<void> {
    const { driver, runDirectory, shutdown, endedVmms } = this.#options;
    const replaced = instance.snapshot.vmmId !== vmmId;
    const show = replaced ? await endedVmms.record(instance, 'replaced') : () => undefined;
    await instance.publish({ vmmId, life: 'starting', error: null, record: null });
    show();
    let vmm: Vmm | null = null;
    try {
      vmm = await driver.launch({
        instanceId: instance.id,
        vmmId,
        spec: instance.spec,
        directory: runDirectory.vmm(vmmId),
        logFile: instance.logFile,
        incoming: false,
        identity: instance.snapshot.identity,
        signal: shutdown,
      });
      // On disk before the first instruction: an agent that restarts finds every guest that ever ran (R11).
      await instance.publish({ record: vmm.record, identity: vmm.record.identity });
      this.attach(instance, vmm);
      await vmm.resume();
      await instance.publish({ life: 'running' });
      instance.logger.info({ vmm: vmmId, pid: vmm.record.pid }, 'instance started');
    } catch (thrown) {
      instance.detach();
      await vmm?.destroy();
      const { code, message } = toErrorBody(thrown);
      await instance.publish({ life: 'stopped', error: { code, message }, record: null });
      throw thrown;
    }
  }

  /**
   * A record without a VMM is one that could not be adopted. It must be gone before another VMM of the instance starts (R1).
   */
  async #endOldVmm(instance: Instance): Promise<void> {
    const { record } = instance.snapshot;
    if (record === null || instance.vmm !== null) return;
    try {
      const vmm = await this.#options.driver.adopt(record, instance.spec);
      await vmm.destroy();
    } catch (thrown) {
      if (toErrorBody(thrown).code !== 'vmm-gone') throw thrown;
    }
    await instance.publish({ record: null });
  }

  #onEvent(instance: Instance, vmm: Vmm, event: VmmEvent): void {
    instance.logger.info({ vmm: vmm.record.vmmId, event: event.kind }, event.message);
    // While an operation holds the instance it answers for the VMM; `settle` looks again afterwards.
    if (event.kind === 'guest-reset' || instance.operation !== null) return;
    void this.#end(instance, vmm, event);
  }

  #settleEnd(instance: Instance): void {
    const { vmm } = instance;
    if (vmm === null || instance.operation !== null) return;
    void vmm
      .status()
      .catch(() => 'gone' as const)
      .then((status) => {
        const event = endOf(status);
        if (event && instance.vmm === vmm && instance.operation === null) {
          return this.#end(instance, vmm, event);
        }
        return undefined;
      });
  }

  async #end(instance: Instance, vmm: Vmm, event: VmmEvent): Promise<void> {
    let end: () => void;
    try {
      end = instance.begin('end');
    } catch {
      return;
    }
    try {
      if (instance.vmm !== vmm) return;
      await vmm.destroy();
      instance.detach();
      const change: Partial<InstanceSnapshot> =
        event.kind === 'guest-shutdown'
          ? { life: 'stopped', error: null }
          : {
              life: 'failed',
              error: {
                code: event.kind === 'guest-panicked' ? 'guest-panicked' : 'vmm-ended',
                message: event.message,
              },
            };
      await instance.publish({ ...change, record: null });
    } catch (error) {
      instance.logger.error({ err: error }, 'an ended VMM could not be cleaned up');
    } finally {
      end();
    }
  }
}

/** The first snapshot of an instance on this host. */
export function newSnapshot(
  change: Pick<InstanceSnapshot, 'epoch' | 'life'> & Partial<InstanceSnapshot>,
): InstanceSnapshot {
  return Object.freeze({
    vmmId: randomUUID(),
    generation: 0n,
    error: null,
    identity: null,
    record: null,
    migration: null,
    ...change,
  });
}

function requireStopped(instance: Instance, done: string): void {
  const { life } = instance.snapshot;
  if (life === 'stopped' || life === 'failed') return;
  throw hostAgentErrors.error(
    'instance-not-stopped',
    `Instance ${instance.name} is ${life} and only a stopped instance can be ${done}; stop it first.`,
  );
}

function requireVmm(instance: Instance, vmm: string | undefined): void {
  const { vmmId } = instance.snapshot;
  if (vmm === undefined || vmm === vmmId) return;
  throw hostAgentErrors.error(
    'vmm-not-current',
    `Instance ${instance.name} has the VMM ${vmmId}, not ${vmm}, and was left as it is; look at the instance again.`,
  );
}
