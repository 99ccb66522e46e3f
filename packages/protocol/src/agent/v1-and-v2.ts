/**
 * Between agent API 1.0.0 and 2.0.0: how a server that knows 2.0.0 answers who asks by 1.0.0, and how a client that knows 2.0.0
 * talks to an agent of 1.0.0. Endpoints that are not in a table here are the same in both.
 *
 * What decides something is never left out of an answer: an instance whose spec or VMM 1.0.0 has no words for is refused by
 * name (R8). What only describes is left out: of a report the versions of device state and the capabilities, a report whose driver or
 * tracker 1.0.0 does not know, of a host the windows, drivers and RAM modes that it does not know. An answer is a view; the documents lose nothing.
 */
import {
  type HostV1,
  type HostV2,
  hostConversionV2,
  INSTANCE_SPEC_VERSIONS,
  type InstanceSpecV1,
  migrationReportConversionV2,
  missingInSpecVersions,
  readInstanceSpec,
  typesErrors,
  vmmStateConversionV2,
  writeInstanceSpec,
} from '@drover/types';
import type { z } from 'zod';
import { protocolErrors } from '../errors.js';
import type {
  AgentEndpointsV1,
  CreateInstanceBodyV1,
  InstanceViewV1,
  MigrationEventV1,
  MigrationViewV1,
  StartMigrationBodyV1,
} from './v1.js';
import type {
  AgentEndpointsV2,
  InstanceViewV2,
  MigrationEventV2,
  MigrationViewV2,
  StartMigrationBodyV2,
} from './v2.js';

/** What an endpoint answers with; never where that is not a document. */
type Answer<Response> = Response extends z.ZodType ? z.output<Response> : never;
type Body<Schema> = Schema extends z.ZodType ? z.output<Schema> : never;

type ChangedAnswer = {
  [K in keyof AgentEndpointsV1]: AgentEndpointsV1[K]['response'] extends AgentEndpointsV2[K]['response']
    ? never
    : K;
}[keyof AgentEndpointsV1];

/** Answers of 2.0.0 as 1.0.0 gives them. Errors: `api-version-too-old`. */
export const answersToV1: {
  readonly [K in ChangedAnswer]: (
    answer: Answer<AgentEndpointsV2[K]['response']>,
  ) => Answer<AgentEndpointsV1[K]['response']>;
} = {
  getHost: hostToV1,
  listInstances: ({ items }) => ({ items: items.map(instanceToV1) }),
  createInstance: instanceToV1,
  getInstance: instanceToV1,
  startInstance: instanceToV1,
  stopInstance: instanceToV1,
  startMigration: migrationToV1,
  listMigrations: ({ items }) => ({ items: items.map(migrationToV1) }),
  getMigration: migrationToV1,
  cancelMigration: migrationToV1,
};

/** Answers of an agent of 1.0.0 as 2.0.0 means them. Total. */
export const answersFromV1: {
  readonly [K in ChangedAnswer]: (
    answer: Answer<AgentEndpointsV1[K]['response']>,
  ) => Answer<AgentEndpointsV2[K]['response']>;
} = {
  getHost: hostFromV1,
  listInstances: ({ items }) => ({ items: items.map(instanceFromV1) }),
  createInstance: instanceFromV1,
  getInstance: instanceFromV1,
  startInstance: instanceFromV1,
  stopInstance: instanceFromV1,
  startMigration: migrationFromV1,
  listMigrations: ({ items }) => ({ items: items.map(migrationFromV1) }),
  getMigration: migrationFromV1,
  cancelMigration: migrationFromV1,
};

/** Bodies of 1.0.0 as 2.0.0 means them. Errors: `spec-version-unknown`. */
export const bodiesFromV1 = {
  createInstance(body: CreateInstanceBodyV1): Body<AgentEndpointsV2['createInstance']['body']> {
    const { version } = body.spec;
    // One that no release knows is the reader's to refuse.
    if (version === 1 || !INSTANCE_SPEC_VERSIONS.some((known) => known === version)) return body;
    throw typesErrors.error(
      'spec-version-unknown',
      `This is an instance spec of version ${version}, and agent API 1.0.0 takes version 1; send it with agent API 2.0.0.`,
    );
  },
  startMigration: (body: StartMigrationBodyV1): StartMigrationBodyV2 => ({ ...body, backends: {} }),
};

/**
 * Bodies of 2.0.0 for an agent of 1.0.0, which `agent` names in sentences. Errors: `spec-not-convertible`, `api-version-too-old`, and
 * those of {@link readInstanceSpec}.
 */
export const bodiesToV1 = {
  createInstance: (
    body: z.input<AgentEndpointsV2['createInstance']['body']>,
    agent: string,
  ): z.input<AgentEndpointsV1['createInstance']['body']> => ({
    ...body,
    spec: writeInstanceSpec(readInstanceSpec(body.spec), [1], agent),
  }),
  startMigration(
    { backends = {}, ...body }: z.input<AgentEndpointsV2['startMigration']['body']>,
    agent: string,
  ): z.input<AgentEndpointsV1['startMigration']['body']> {
    const [id] = Object.keys(backends);
    if (id === undefined) return body;
    throw protocolErrors.error(
      'api-version-too-old',
      `Another backend ${id} at the destination needs agent API 2.0.0, and ${agent} serves 1.0.0; upgrade that agent.`,
    );
  },
};

/** Never refuses: see above. */
export function hostToV1({ compatibility, drivers, ...host }: HostV2): HostV1 {
  const { peerProtocol, instanceSpec, vmmState } = compatibility;
  return {
    ...host,
    accepts: { peerProtocol, instanceSpec, vmmState },
    drivers: drivers.flatMap(({ name, ramModes, ...driver }) =>
      name === 'qemu' ? [{ ...driver, name, ramModes: ramModes.filter((mode) => mode === 'external') }] : [],
    ),
  };
}

export function hostFromV1(host: HostV1): HostV2 {
  return hostConversionV2.up(host);
}

/** Errors: `api-version-too-old`, which names what stands in the way. */
export function instanceToV1({ spec, state, ...view }: InstanceViewV2): InstanceViewV1 {
  const missing = missingInSpecVersions(spec, [1]) ?? [];
  const { older, losses } = vmmStateConversionV2.down(state);
  const inTheWay = [
    ...missing.map(({ feature, needs }) => `${feature} needs instance spec ${needs}`),
    ...losses.map(({ feature }) => `${feature} needs VMM state 2`),
  ];
  if (inTheWay.length > 0) {
    throw protocolErrors.error(
      'api-version-too-old',
      `Instance ${view.name} cannot be shown in agent API 1.0.0: ${inTheWay.join(', ')}; ask for agent API 2.0.0.`,
    );
  }
  return { ...view, spec: writeInstanceSpec(spec, [1]).body as InstanceSpecV1, state: older };
}

export function instanceFromV1({ spec, state, ...view }: InstanceViewV1): InstanceViewV2 {
  return {
    ...view,
    spec: readInstanceSpec({ schema: 'drover.instance-spec', version: 1, body: spec }),
    state: vmmStateConversionV2.up(state),
  };
}

/** Of a report, what 1.0.0 can do without. */
const EXTRA: readonly PropertyKey[] = ['deviceStates', 'capabilities'];

/** Never refuses: a report that 1.0.0 cannot say is not shown, and everything else of the migration is. */
export function migrationToV1({ report, ...view }: MigrationViewV2): MigrationViewV1 {
  if (report === null) return { ...view, report };
  const { older, losses } = migrationReportConversionV2.down(report);
  return { ...view, report: losses.every(({ path: [field = ''] }) => EXTRA.includes(field)) ? older : null };
}

export function migrationFromV1({ report, ...view }: MigrationViewV1): MigrationViewV2 {
  return { ...view, report: report && migrationReportConversionV2.up(report) };
}

export function eventToV1(event: MigrationEventV2): MigrationEventV1 {
  return event.kind === 'ended' ? { ...event, migration: migrationToV1(event.migration) } : event;
}

export function eventFromV1(event: MigrationEventV1): MigrationEventV2 {
  return event.kind === 'ended' ? { ...event, migration: migrationFromV1(event.migration) } : event;
}
