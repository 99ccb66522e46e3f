/**
 * A host's agent, as the control plane asks it. Agents that are too old to know VMMs by their own ids list their instances instead; what they
 * cannot say is then missing and never made up.
 */
import { AgentClient, ApiError, clientErrors } from '@drover/client';
import {
  API_VERSION_HEADER,
  agentEndpointsV3,
  type CreateInstanceBody,
  errorResponse,
  type InstanceView,
  type MigrationView,
  type MigrationViewV3,
  type OwnershipV3,
  type PreflightBodyV3,
  type PreflightFindingV3,
  protocolErrors,
  type ResolveMigrationBodyV3,
  type startMigrationBodyV3,
  type VmmViewV3,
} from '@drover/protocol';
import { type Host, readHost } from '@drover/types';
import type { z } from 'zod';

export type VmmView = VmmViewV3;

export interface AskOptions {
  readonly signal: AbortSignal;
}

type Name =
  | 'getHost'
  | 'listVmms'
  | 'getVmm'
  | 'acknowledgeVmm'
  | 'checkPreflight'
  | 'startMigration'
  | 'listMigrations'
  | 'getMigration'
  | 'cancelMigration'
  | 'getOwnership'
  | 'resolveMigration';

/** As sent: defaults may be left out. */
export type StartMigrationBody = z.input<typeof startMigrationBodyV3>;

export class Agent {
  readonly url: string;
  /** Agent API 1.0.0 and 2.0.0, and what is the same in all. */
  readonly client: AgentClient;
  #old = false;

  constructor(url: string) {
    this.url = url.replace(/\/+$/, '');
    this.client = new AgentClient({ url });
  }

  async getHost({ signal }: AskOptions): Promise<Host> {
    return this.#newOrOld(
      () => this.#ask('getHost', '/host', undefined, signal),
      async () =>
        readHost({ schema: 'drover.host', version: 2, body: await this.client.getHost({ signal }) }),
    );
  }

  async listVmms({ signal }: AskOptions): Promise<VmmView[]> {
    return this.#newOrOld(
      async () => (await this.#ask('listVmms', '/vmms', undefined, signal)).items,
      async () => (await this.client.listInstances({ signal })).map(asVmm),
    );
  }

  /** Errors: `vmm-not-found`. */
  async getVmm(id: string, { signal }: AskOptions): Promise<VmmView> {
    return this.#newOrOld(
      () => this.#ask('getVmm', `/vmms/${id}`, undefined, signal),
      async () => {
        const found = (await this.client.listInstances({ signal })).find(({ state }) => state.vmmId === id);
        if (found) return asVmm(found);
        throw new ApiError(
          { code: 'vmm-not-found', message: `The agent has no VMM ${id}.`, retryable: false },
          404,
        );
      },
    );
  }

  /** An agent that is too old keeps nothing to be acknowledged. */
  async acknowledgeVmm(id: string, generation: string, { signal }: AskOptions): Promise<void> {
    await this.#newOrOld(
      () => this.#ask('acknowledgeVmm', `/vmms/${id}/acknowledge`, { generation }, signal),
      async () => ({ forgotten: true }),
    );
  }

  /** The instance as it is there; one that is there already is taken for what an earlier request made. */
  async createInstance(
    body: CreateInstanceBody & { id: string },
    { signal }: AskOptions,
  ): Promise<InstanceView> {
    try {
      return await this.client.createInstance(body, { signal });
    } catch (thrown) {
      if (!(thrown instanceof ApiError && thrown.code === 'instance-already-here')) throw thrown;
      return this.client.getInstance(body.id, { signal });
    }
  }

  /** `vmm`: only if that is still the instance's VMM. */
  async stopInstance(
    id: string,
    { force, vmm }: { readonly force: boolean; readonly vmm: string | undefined },
    { signal }: AskOptions,
  ): Promise<InstanceView> {
    await this.#checkVmm(id, vmm, signal);
    return this.client.stopInstance(id, { force, signal });
  }

  /** Null once it is not there any more. */
  async deleteInstance(
    id: string,
    { vmm }: { readonly vmm: string | undefined },
    { signal }: AskOptions,
  ): Promise<InstanceView | null> {
    try {
      if (vmm === undefined) return await this.client.getInstance(id, { signal });
      await this.#checkVmm(id, vmm, signal);
      await this.client.deleteInstance(id, { signal });
    } catch (thrown) {
      if (!(thrown instanceof ApiError && thrown.code === 'instance-not-found')) throw thrown;
    }
    return null;
  }

  /** Errors: `api-version-too-old`, of an agent that cannot be asked for it. */
  async checkPreflight(body: PreflightBodyV3, { signal }: AskOptions): Promise<PreflightFindingV3[]> {
    return this.#newOrOld(
      async () => (await this.#ask('checkPreflight', '/preflights', body, signal)).findings,
      () => this.#refuse('A preflight'),
    );
  }

  /** Errors: `api-version-too-old`, of an agent that chooses ids itself, where `id` is given. */
  async startMigration(body: StartMigrationBody, { signal }: AskOptions): Promise<MigrationViewV3> {
    return this.#newOrOld(
      () => this.#ask('startMigration', '/migrations', body, signal),
      async () => {
        const { id, ...rest } = body;
        if (id !== undefined) return this.#refuse('A migration whose id the caller chooses');
        return withoutJournal(await this.client.startMigration(rest, { signal }));
      },
    );
  }

  /** Newest first. */
  async listMigrations({ signal }: AskOptions): Promise<MigrationViewV3[]> {
    return this.#newOrOld(
      async () => (await this.#ask('listMigrations', '/migrations', undefined, signal)).items,
      async () => (await this.client.listMigrations({ signal })).map(withoutJournal),
    );
  }

  async getMigration(id: string, { signal }: AskOptions): Promise<MigrationViewV3> {
    return this.#newOrOld(
      () => this.#ask('getMigration', `/migrations/${id}`, undefined, signal),
      async () => withoutJournal(await this.client.getMigration(id, { signal })),
    );
  }

  async cancelMigration(id: string, { signal }: AskOptions): Promise<MigrationViewV3> {
    return this.#newOrOld(
      () => this.#ask('cancelMigration', `/migrations/${id}/cancel`, undefined, signal),
      async () => withoutJournal(await this.client.cancelMigration(id, { signal })),
    );
  }

  /** Errors: `api-version-too-old`. */
  async getOwnership(id: string, { signal }: AskOptions): Promise<OwnershipV3> {
    return this.#newOrOld(
      () => this.#ask('getOwnership', `/migrations/${id}/ownership`, undefined, signal),
      () => this.#refuse('The ownership of a migration'),
    );
  }

  /** Errors: `api-version-too-old`. */
  async resolveMigration(
    id: string,
    body: ResolveMigrationBodyV3,
    { signal }: AskOptions,
  ): Promise<MigrationViewV3> {
    return this.#newOrOld(
      () => this.#ask('resolveMigration', `/migrations/${id}/resolve`, body, signal),
      () => this.#refuse('Deciding a migration in doubt'),
    );
  }

  async #refuse(what: string): Promise<never> {
    throw protocolErrors.error(
      'api-version-too-old',
      `${what} needs agent API 3.0.0, and the agent at ${this.url} serves less; upgrade that agent.`,
    );
  }

  /** For agents that cannot be told which VMM is meant: between this look and the request lies a moment. */
  async #checkVmm(id: string, vmm: string | undefined, signal: AbortSignal): Promise<void> {
    if (vmm === undefined) return;
    const { state } = await this.client.getInstance(id, { signal });
    if (state.vmmId === vmm) return;
    throw new ApiError(
      { code: 'vmm-not-current', message: `Instance ${id} has another VMM now.`, retryable: true },
      409,
    );
  }

  async #newOrOld<T>(asNew: () => Promise<T>, asOld: () => Promise<T>): Promise<T> {
    if (!this.#old) {
      try {
        return await asNew();
      } catch (thrown) {
        if (!(thrown instanceof ApiError && thrown.code === 'api-version-unknown')) throw thrown;
        this.#old = true;
      }
    }
    return asOld();
  }

  async #ask<K extends Name>(
    name: K,
    path: string,
    body: unknown,
    signal: AbortSignal,
  ): Promise<z.output<(typeof agentEndpointsV3)[K]['response']>> {
    const { method, response } = agentEndpointsV3[name];
    let answer: Response;
    try {
      answer = await fetch(`${this.url}${path}`, {
        method,
        signal,
        headers: { [API_VERSION_HEADER]: '3.0.0', ...(body ? { 'content-type': 'application/json' } : {}) },
        ...(body ? { body: JSON.stringify(body) } : {}),
      });
    } catch (cause) {
      signal.throwIfAborted();
      throw clientErrors.error('agent-unreachable', `No agent answers at ${this.url}.`, cause);
    }
    const document: unknown = await answer.json();
    if (!answer.ok) throw new ApiError(errorResponse.parse(document).error, answer.status);
    return response.parse(document) as z.output<(typeof agentEndpointsV3)[K]['response']>;
  }
}

/** An agent that is too old to show its journal. */
function withoutJournal(view: MigrationView): MigrationViewV3 {
  return { ...view, ownership: null, doubt: null };
}

function asVmm({ name, state }: InstanceView): VmmView {
  return { state, instanceName: name, migration: null, ended: null };
}
