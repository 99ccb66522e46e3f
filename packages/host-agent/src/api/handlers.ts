/**
 * The endpoints that answer with one document, as functions over the agent. Types come from the newest contract; `contracts.ts` stands
 * between them and who asks by an older one.
 */
import { AGENT_API_VERSIONS, type agentEndpoints, type PathParameter } from '@drover/protocol';
import { RELEASE, readInstanceSpec, writeCompatibility } from '@drover/types';
import type { z } from 'zod';
import { hostAgentErrors } from '../errors.js';
import type { AgentParts } from '../host-agent.js';
import { resolveMigration } from '../migrations/resolve.js';
import { describeCompatibility, describeHost } from './host.js';
import { readTail } from './log-tail.js';
import { readOwnership } from './ownership.js';
import { checkPreflight } from './preflight.js';
import { vmmHandlers } from './vmms.js';

type Endpoints = typeof agentEndpoints;
type Parsed<T> = T extends z.ZodType ? z.output<T> : null;

/** A request after validation. */
export interface Call<K extends keyof Endpoints> {
  readonly path: Readonly<Record<PathParameter<Endpoints[K]['path']>, string>>;
  readonly body: Parsed<Endpoints[K]['body']>;
  readonly query: Parsed<Endpoints[K]['query']>;
}

type Answer<K extends keyof Endpoints> = Endpoints[K]['response'] extends z.ZodType
  ? z.input<Endpoints[K]['response']>
  : Endpoints[K]['response'] extends 'text'
    ? string
    : never;

/** Endpoints that are a stream have modules of their own. */
export type DocumentEndpoint = {
  [K in keyof Endpoints]: Answer<K> extends never ? never : K;
}[keyof Endpoints];

export type Handlers = { readonly [K in DocumentEndpoint]: (call: Call<K>) => Promise<Answer<K>> };

/** Longest wait of a cancel for the migration's end, ms; then the answer shows it as it is. */
const CANCEL_WAIT_MS = 30_000;

export function createHandlers(agent: AgentParts): Handlers {
  const { registry, lifecycle, outgoing, store } = agent;
  return {
    getHost: () => describeHost(agent),
    async getCompatibility() {
      const body = await describeCompatibility(agent);
      // Written first, so that what is served is what a reader of the document accepts.
      writeCompatibility(body);
      return { schema: 'drover.compatibility', version: 1, body };
    },
    ...vmmHandlers(agent),
    listInstances: async () => ({ items: registry.list().map((instance) => instance.view()) }),
    getInstance: async ({ path }) => registry.find(path.instance).view(),
    async createInstance({ body }) {
      agent.refuseWhenStopping();
      const spec = readInstanceSpec(body.spec);
      const instance = await lifecycle.create(spec, { id: body.id, start: body.start });
      return instance.view();
    },
    async startInstance({ path }) {
      agent.refuseWhenStopping();
      const instance = registry.find(path.instance);
      await lifecycle.start(instance);
      return instance.view();
    },
    async stopInstance({ path, body }) {
      const instance = registry.find(path.instance);
      await lifecycle.stop(instance, body.force, body.vmm);
      return instance.view();
    },
    async deleteInstance({ path, query }) {
      // An older version has no query.
      await lifecycle.delete(registry.find(path.instance), query?.vmm);
      return { deleted: true };
    },
    getInstanceLog: async ({ path, query }) =>
      readTail(registry.find(path.instance).logFile, query.tailBytes),
    async startMigration({ body }) {
      agent.refuseWhenStopping();
      agent.journal.refuseWhenFailed();
      const migration = await outgoing.start(body);
      return migration.view;
    },
    checkPreflight: ({ body }) => checkPreflight(agent, body),
    listMigrations: async () => ({ items: store.list() }),
    getMigration: async ({ path }) => (await store.find(path.migration)).view,
    getOwnership: ({ path }) => readOwnership(agent, path.migration),
    resolveMigration: async ({ path, body }) => (await resolveMigration(agent, path.migration, body)).view,
    async cancelMigration({ path }) {
      const migration = await store.find(path.migration);
      if (migration.view.endedAt !== null) return migration.view;
      if (migration.view.role === 'destination') {
        throw hostAgentErrors.error(
          'migration-cancel-at-source',
          `Migration ${migration.view.id} comes to this host from ${migration.view.peer}; cancel it at the source's agent.`,
        );
      }
      migration.cancel();
      let timer: NodeJS.Timeout | undefined;
      const waited = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, CANCEL_WAIT_MS);
      });
      await Promise.race([migration.ended, waited]);
      clearTimeout(timer);
      return migration.view;
    },
  };
}

/** What the root path answers: enough to know what one has reached. */
export function greeting() {
  return { service: 'drover-host-agent', release: RELEASE, apiVersions: [...AGENT_API_VERSIONS] };
}
