/**
 * A host's agent, as the control plane asks it: the client of the agent API, which speaks to older agents too, with what a control plane must
 * be able to ask again without harm. What an older agent cannot say is missing and never made up.
 */
import { AgentClient, ApiError } from '@drover/client';
import type {
  CreateInstanceBody,
  InstanceView,
  MigrationViewV3,
  OwnershipV3,
  Preflight,
  PreflightBody,
  ResolveMigrationBodyV3,
  StartMigrationBody,
  VmmViewV3,
} from '@drover/protocol';
import { DroverError, type Host } from '@drover/types';

export type { StartMigrationBody } from '@drover/protocol';
export type VmmView = VmmViewV3;

export interface AskOptions {
  readonly signal: AbortSignal;
}

export class Agent {
  readonly url: string;
  #client: AgentClient;
  /** Of the agent, when it was last asked who it is. */
  #release: string | null = null;

  /** Errors: `agent-url-invalid`. */
  constructor(url: string) {
    this.url = url.replace(/\/+$/, '');
    this.#client = new AgentClient({ url });
  }

  async getHost(options: AskOptions): Promise<Host> {
    const host = await this.#client.getHost(options);
    // A client keeps to the version that it found; another release may serve a newer one.
    if (this.#release !== null && this.#release !== host.release) {
      this.#client = new AgentClient({ url: this.url });
    }
    this.#release = host.release;
    return host;
  }

  listVmms(options: AskOptions): Promise<VmmView[]> {
    return this.#client.listVmms(options);
  }

  /** Errors: `vmm-not-found`. */
  getVmm(id: string, options: AskOptions): Promise<VmmView> {
    return this.#client.getVmm(id, options);
  }

  async acknowledgeVmm(id: string, generation: string, options: AskOptions): Promise<void> {
    await this.#client.acknowledgeVmm(id, generation, options);
  }

  listInstances(options: AskOptions): Promise<InstanceView[]> {
    return this.#client.listInstances(options);
  }

  /** Null where it has none of that id. */
  async findInstance(id: string, options: AskOptions): Promise<InstanceView | null> {
    try {
      return await this.#client.getInstance(id, options);
    } catch (thrown) {
      if (thrown instanceof ApiError && thrown.code === 'instance-not-found') return null;
      throw thrown;
    }
  }

  getInstanceLog(id: string, tailBytes: number, { signal }: AskOptions): Promise<string> {
    return this.#client.getInstanceLog(id, { tailBytes, signal });
  }

  /** One that is there already is taken for what an earlier request made. */
  async createInstance(
    body: CreateInstanceBody & { id: string },
    options: AskOptions,
  ): Promise<InstanceView> {
    try {
      return await this.#client.createInstance(body, options);
    } catch (thrown) {
      if (!(thrown instanceof ApiError && thrown.code === 'instance-already-here')) throw thrown;
      return this.#client.getInstance(body.id, options);
    }
  }

  startInstance(id: string, options: AskOptions): Promise<InstanceView> {
    return this.#client.startInstance(id, options);
  }

  /** Only while `vmm` is the instance's VMM, so that a late request reaches no later one. Errors: `vmm-not-current`. */
  stopInstance(
    id: string,
    { force, vmm }: { readonly force: boolean; readonly vmm: string },
    { signal }: AskOptions,
  ): Promise<InstanceView> {
    return this.#onlyWhile(id, vmm, signal, (guard) =>
      this.#client.stopInstance(id, { force, signal, ...guard }),
    );
  }

  /** As {@link stopInstance}. One that is not there any more is as good. */
  async deleteInstance(id: string, vmm: string, { signal }: AskOptions): Promise<void> {
    try {
      await this.#onlyWhile(id, vmm, signal, (guard) =>
        this.#client.deleteInstance(id, { signal, ...guard }),
      );
    } catch (thrown) {
      if (!(thrown instanceof ApiError && thrown.code === 'instance-not-found')) throw thrown;
    }
  }

  /** Errors: `api-version-too-old`, of an agent that cannot be asked for it, or not with `cpu`. */
  checkPreflight(body: PreflightBody, options: AskOptions): Promise<Preflight> {
    return this.#client.checkPreflight(body, options);
  }

  /** Errors: `api-version-too-old`, of an agent that chooses ids itself, where `id` is given. */
  startMigration(body: StartMigrationBody, options: AskOptions): Promise<MigrationViewV3> {
    return this.#client.startMigration(body, options);
  }

  /** Newest first. */
  listMigrations(options: AskOptions): Promise<MigrationViewV3[]> {
    return this.#client.listMigrations(options);
  }

  getMigration(id: string, options: AskOptions): Promise<MigrationViewV3> {
    return this.#client.getMigration(id, options);
  }

  cancelMigration(id: string, options: AskOptions): Promise<MigrationViewV3> {
    return this.#client.cancelMigration(id, options);
  }

  /** Errors: `api-version-too-old`. */
  getOwnership(id: string, options: AskOptions): Promise<OwnershipV3> {
    return this.#client.getOwnership(id, options);
  }

  /** Errors: `api-version-too-old`. */
  resolveMigration(id: string, body: ResolveMigrationBodyV3, options: AskOptions): Promise<MigrationViewV3> {
    return this.#client.resolveMigration(id, body, options);
  }

  /** An agent that cannot be told which VMM is meant is asked for it first; a moment lies between the two. */
  async #onlyWhile<T>(
    id: string,
    vmm: string,
    signal: AbortSignal,
    ask: (guard: { vmm?: string }) => Promise<T>,
  ): Promise<T> {
    try {
      return await ask({ vmm });
    } catch (thrown) {
      if (!(thrown instanceof DroverError && thrown.code === 'api-version-too-old')) throw thrown;
    }
    const { state } = await this.#client.getInstance(id, { signal });
    if (state.vmmId === vmm) return ask({});
    throw new ApiError(
      { code: 'vmm-not-current', message: `Instance ${id} has VMM ${state.vmmId} now.`, retryable: true },
      409,
    );
  }
}
