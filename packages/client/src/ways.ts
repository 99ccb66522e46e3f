/** What is sent, and what is made of the answer, in each version of the agent API: a chain of the ways between neighbours. */
import {
  type AgentApiVersion,
  type AgentEndpointName,
  agentEndpoints,
  agentEndpointsV1,
  agentEndpointsV2,
  agentEndpointsV3,
  answersFromV1,
  answersFromV2,
  answersFromV3,
  bodiesToV1,
  bodiesToV2,
  bodiesToV3,
  type Endpoint,
  eventFromV1,
  eventFromV2,
  type MigrationEvent,
  migrationEvent,
  migrationEventV1,
  migrationEventV2,
} from '@drover/protocol/agent';
import { z } from 'zod';

export interface Way {
  body(body: unknown): unknown;
  /** Throws where the document is not the contract's. */
  answer(document: unknown): unknown;
}

// The tables tie each endpoint to its types; over all endpoints at once that tie cannot be written as a type.
type Bodies = Readonly<Record<string, ((body: never, agent: string) => unknown) | undefined>>;
type Answers = Readonly<Record<string, ((answer: never) => unknown) | undefined>>;

/** One step down from a version to the one before it, newest first. */
const steps: readonly { readonly to: AgentApiVersion; readonly bodies: Bodies; readonly answers: Answers }[] =
  [
    { to: '3.0.0', bodies: bodiesToV3 as Bodies, answers: answersFromV3 as Answers },
    { to: '2.0.0', bodies: bodiesToV2 as Bodies, answers: answersFromV2 as Answers },
    { to: '1.0.0', bodies: bodiesToV1 as Bodies, answers: answersFromV1 as Answers },
  ];

const endpoints: Readonly<Record<AgentApiVersion, Readonly<Record<string, Endpoint>>>> = {
  '1.0.0': agentEndpointsV1,
  '2.0.0': agentEndpointsV2,
  '3.0.0': agentEndpointsV3,
  '4.0.0': agentEndpoints,
};

/** `url` names the agent in sentences. */
export function wayTo(version: AgentApiVersion, name: AgentEndpointName, url: string): Way {
  const way = steps.slice(0, steps.findIndex(({ to }) => to === version) + 1);
  const agent = `the agent at ${url}`;
  return {
    body: (body) => way.reduce((older, { bodies }) => bodies[name]?.(older as never, agent) ?? older, body),
    answer: (document) =>
      way.reduceRight(
        (newer, { answers }) => answers[name]?.(newer as never) ?? newer,
        parse(endpoints[version][name]?.response, document),
      ),
  };
}

/** Throws where the document is not an event of that version. */
export function readEvent(version: AgentApiVersion, document: unknown): MigrationEvent {
  switch (version) {
    case '1.0.0':
      return eventFromV2(eventFromV1(migrationEventV1.parse(document)));
    case '2.0.0':
      return eventFromV2(migrationEventV2.parse(document));
    case '3.0.0':
    case '4.0.0':
      return migrationEvent.parse(document);
  }
}

function parse(response: unknown, document: unknown): unknown {
  if (response instanceof z.ZodType) return response.parse(document);
  throw new TypeError('this endpoint does not answer with a document');
}
