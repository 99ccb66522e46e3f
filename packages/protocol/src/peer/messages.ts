import type { z } from 'zod';
import {
  abortedV1,
  abortV1,
  commitV1,
  digestV1,
  helloV1,
  keepaliveV1,
  outcomeQueryV1,
  outcomeV1,
  preparedV1,
  prepareV1,
  readyV1,
  refuseV1,
  reportV1,
  roundDoneV1,
  runningV1,
  switchoverV1,
  verifiedV1,
} from './messages-v1.js';
import { type ControlName, ControlType, OPTIONAL_BIT } from './registry.js';

/** One control message as both sides know it. */
export interface ControlMessageDefinition {
  readonly type: number;
  readonly schema: z.ZodType;
  /** A reader that does not know it skips it. */
  readonly optional: boolean;
  readonly sender: 'source' | 'destination' | 'either';
}

/**
 * Every control message of protocol version 1. A version that changes a message gets a table of its own beside this one; this one
 * stays as it is. When adding one: `registry.ts`, a schema, this table, SPEC.md's table, a golden vector.
 */
export const controlMessages = {
  hello: define('hello', helloV1, 'either'),
  prepare: define('prepare', prepareV1, 'source'),
  prepared: define('prepared', preparedV1, 'destination'),
  refuse: define('refuse', refuseV1, 'either'),
  switchover: define('switchover', switchoverV1, 'source'),
  digest: define('digest', digestV1, 'destination'),
  verified: define('verified', verifiedV1, 'source'),
  ready: define('ready', readyV1, 'destination'),
  commit: define('commit', commitV1, 'source'),
  running: define('running', runningV1, 'destination'),
  abort: define('abort', abortV1, 'source'),
  aborted: define('aborted', abortedV1, 'destination'),
  outcomeQuery: define('outcomeQuery', outcomeQueryV1, 'source'),
  outcome: define('outcome', outcomeV1, 'destination'),
  keepalive: define('keepalive', keepaliveV1, 'either'),
  roundDone: define('roundDone', roundDoneV1, 'source'),
  report: define('report', reportV1, 'source'),
} as const satisfies Readonly<Record<ControlName, ControlMessageDefinition>>;

type Schemas = { readonly [Name in ControlName]: (typeof controlMessages)[Name]['schema'] };

/** A message as received. */
export type ControlMessage<Name extends ControlName> = z.output<Schemas[Name]>;
/** A message as handed to `send`. */
export type ControlMessageInput<Name extends ControlName> = z.input<Schemas[Name]>;

/** Messages that are never waited for: the channel hands them to a listener. */
export type OptionalControlName = 'keepalive' | 'roundDone' | 'report';
/** Messages that one side waits for. */
export type MandatoryControlName = Exclude<ControlName, OptionalControlName>;

/** A message with its name, for a `switch` on the name. */
export type ReceivedMessage<Name extends ControlName = ControlName> = {
  readonly [Each in Name]: { readonly name: Each; readonly message: ControlMessage<Each> };
}[Name];

function define<Schema extends z.ZodType>(
  name: ControlName,
  schema: Schema,
  sender: ControlMessageDefinition['sender'],
) {
  const type: number = ControlType[name];
  return { type, schema, optional: (type & OPTIONAL_BIT) !== 0, sender };
}
