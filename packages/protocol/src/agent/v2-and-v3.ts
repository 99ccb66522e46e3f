/**
 * Between agent API 2.0.0 and 3.0.0, as `v1-and-v2.ts` is between the two before. Endpoints that are not in a table here are the same
 * in both.
 *
 * An answer by 2.0.0 leaves out what only describes: a host's processor and size, and of a migration what the journal says and the doubt
 * in words (its state says `in-doubt` in both). A request to an agent of 2.0.0 that it would understand as something else is refused by name:
 * an id that it would not keep, a VMM that it would not compare (R7).
 */
import { type HostV2, type HostV3, hostConversionV3, type VmmStateV2 } from '@drover/types';
import type { z } from 'zod';
import { olderAgent } from './older-agent.js';
import type { AgentEndpointsV2, InstanceViewV2, MigrationEventV2, MigrationViewV2 } from './v2.js';
import type { AgentEndpointsV3, MigrationEventV3, MigrationViewV3, VmmViewV3 } from './v3.js';

/** What an endpoint answers with; never where that is not a document. */
type Answer<Response> = Response extends z.ZodType ? z.output<Response> : never;

type ChangedAnswer = {
  [K in keyof AgentEndpointsV2]: AgentEndpointsV2[K]['response'] extends AgentEndpointsV3[K]['response']
    ? never
    : K;
}[keyof AgentEndpointsV2];

/** Answers of 3.0.0 as 2.0.0 gives them. Never refuse. */
export const answersToV2: {
  readonly [K in ChangedAnswer]: (
    answer: Answer<AgentEndpointsV3[K]['response']>,
  ) => Answer<AgentEndpointsV2[K]['response']>;
} = {
  getHost: hostToV2,
  startMigration: migrationToV2,
  listMigrations: ({ items }) => ({ items: items.map(migrationToV2) }),
  getMigration: migrationToV2,
  cancelMigration: migrationToV2,
};

/** Answers of an agent of 2.0.0 as 3.0.0 means them. Total. */
export const answersFromV2: {
  readonly [K in ChangedAnswer]: (
    answer: Answer<AgentEndpointsV2[K]['response']>,
  ) => Answer<AgentEndpointsV3[K]['response']>;
} = {
  getHost: hostFromV2,
  startMigration: migrationFromV2,
  listMigrations: ({ items }) => ({ items: items.map(migrationFromV2) }),
  getMigration: migrationFromV2,
  cancelMigration: migrationFromV2,
};

/** Bodies of 3.0.0 for an agent of 2.0.0, which `agent` names in sentences. Errors: `api-version-too-old`. */
export const bodiesToV2 = {
  startMigration(
    { id, ...body }: z.input<AgentEndpointsV3['startMigration']['body']>,
    agent: string,
  ): z.input<AgentEndpointsV2['startMigration']['body']> {
    if (id === undefined) return body;
    throw olderAgent('A migration whose id the caller chooses', '3.0.0', agent);
  },
  stopInstance(
    { vmm, ...body }: z.input<AgentEndpointsV3['stopInstance']['body']>,
    agent: string,
  ): z.input<AgentEndpointsV2['stopInstance']['body']> {
    if (vmm === undefined) return body;
    throw olderAgent('Stopping an instance only while it has a certain VMM', '3.0.0', agent);
  },
};

export function hostToV2(host: HostV3): HostV2 {
  return hostConversionV3.down(host).older;
}

export function hostFromV2(host: HostV2): HostV3 {
  return hostConversionV3.up(host);
}

export function migrationToV2({ ownership, doubt, ...view }: MigrationViewV3): MigrationViewV2 {
  return view;
}

export function migrationFromV2(view: MigrationViewV2): MigrationViewV3 {
  return { ...view, ownership: null, doubt: null };
}

export function eventToV2(event: MigrationEventV3): MigrationEventV2 {
  return event.kind === 'ended' ? { ...event, migration: migrationToV2(event.migration) } : event;
}

export function eventFromV2(event: MigrationEventV2): MigrationEventV3 {
  return event.kind === 'ended' ? { ...event, migration: migrationFromV2(event.migration) } : event;
}

/**
 * The VMMs of an agent of 2.0.0, from its instances and migrations: each instance has one, and those that ended are not kept there.
 */
export function vmmsFromV2(
  instances: readonly Pick<InstanceViewV2, 'name' | 'state'>[],
  migrations: readonly MigrationViewV2[],
): VmmViewV3[] {
  return instances.map(({ name, state }) => ({
    state,
    instanceName: name,
    migration: migrationOf(state, migrations),
    ended: null,
  }));
}

function migrationOf(state: VmmStateV2, migrations: readonly MigrationViewV2[]): VmmViewV3['migration'] {
  const part = migrations.find(
    ({ instanceId, endedAt }) => instanceId === state.instanceId && endedAt === null,
  );
  return part ? { id: part.id, role: part.role, state: part.state } : null;
}
