/**
 * Every version of the agent API as this agent serves it. The handlers know only the newest; an older version is its own contract
 * and the way to and from the next one.
 */
import {
  type AgentApiVersion,
  agentApiV1,
  agentApiV2,
  answersToV1,
  bodiesFromV1,
  type Endpoints,
  eventToV1,
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

const newest: ServedContract = {
  version: agentApiV2.version,
  endpoints: agentApiV2.endpoints,
  body: (_endpoint, body) => body,
  answer: (_endpoint, answer) => answer,
  event: (event) => event,
  mayRefuse: false,
};

// The tables tie each endpoint to its types; over all endpoints at once that tie cannot be written as a type.
const bodies = bodiesFromV1 as Record<string, Convert>;
const answers = answersToV1 as Record<string, Convert>;

const v1: ServedContract = {
  version: agentApiV1.version,
  endpoints: agentApiV1.endpoints,
  body: (endpoint, body) => (bodies[endpoint] ? bodies[endpoint](body) : body),
  answer: (endpoint, answer) => (answers[endpoint] ? answers[endpoint](answer) : answer),
  event: eventToV1,
  mayRefuse: true,
};

export const servedContracts: readonly ServedContract[] = [v1, newest];
