/**
 * Every version of the agent API as this agent serves it. The handlers know only the newest; an older version is its own contract
 * and the way to and from the next one.
 */
import {
  type AgentApiVersion,
  agentApiV1,
  agentApiV2,
  agentApiV3,
  agentApiV4,
  answersToV1,
  answersToV2,
  answersToV3,
  bodiesFromV1,
  bodiesFromV3,
  type Endpoints,
  eventToV1,
  eventToV2,
  type MigrationEvent,
} from '@drover/protocol';

export interface ServedContract {
  readonly version: AgentApiVersion;
  readonly endpoints: Endpoints;
  /** A body of this version as the newest means it. */
  body(endpoint: string, body: unknown): unknown;
  /** An answer of the newest version as this one gives it. */
  answer(endpoint: string, answer: unknown): unknown;
  event(event: MigrationEvent): object;
  /** True where an answer may be refused for what this version has no words for. */
  readonly mayRefuse: boolean;
}

type Convert = ((value: unknown) => unknown) | undefined;
// The tables tie each endpoint to its types; over all endpoints at once that tie cannot be written as a type.
type Table = Readonly<Record<string, Convert>>;

const v4: ServedContract = {
  version: agentApiV4.version,
  endpoints: agentApiV4.endpoints,
  body: (_endpoint, body) => body,
  answer: (_endpoint, answer) => answer,
  event: (event) => event,
  mayRefuse: false,
};

const v3: ServedContract = {
  version: agentApiV3.version,
  endpoints: agentApiV3.endpoints,
  body: (endpoint, body) => converted(bodiesFromV3 as Table, endpoint, body),
  answer: (endpoint, answer) => converted(answersToV3 as Table, endpoint, answer),
  event: (event) => event,
  mayRefuse: false,
};

/** Bodies of 2.0.0 mean the same in 3.0.0. */
const v2: ServedContract = {
  version: agentApiV2.version,
  endpoints: agentApiV2.endpoints,
  body: v3.body,
  answer: (endpoint, answer) => converted(answersToV2 as Table, endpoint, v3.answer(endpoint, answer)),
  event: eventToV2,
  mayRefuse: false,
};

const v1: ServedContract = {
  version: agentApiV1.version,
  endpoints: agentApiV1.endpoints,
  body: (endpoint, body) => v2.body(endpoint, converted(bodiesFromV1 as Table, endpoint, body)),
  answer: (endpoint, answer) => converted(answersToV1 as Table, endpoint, v2.answer(endpoint, answer)),
  event: (event) => eventToV1(eventToV2(event)),
  mayRefuse: true,
};

export const servedContracts: readonly ServedContract[] = [v1, v2, v3, v4];

function converted(table: Table, endpoint: string, value: unknown): unknown {
  return table[endpoint] ? table[endpoint](value) : value;
}
