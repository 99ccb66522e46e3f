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
import { helloV2, prepareV2, reportV2 } from './messages-v2.js';
import { type ControlName, ControlType, OPTIONAL_BIT, type PeerVersion } from './registry.js';

/** One control message as both sides know it. */
export interface ControlMessageDefinition {
  readonly type: number;
  readonly schema: z.ZodType;
  /** A reader that does not know it skips it. */
  readonly optional: boolean;
  readonly sender: 'source' | 'destination' | 'either';
}

type MessageTable = Readonly<Record<ControlName, ControlMessageDefinition>>;

/** Every control message of protocol version 1. It stays as it is. */
const messagesOfV1 = {
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
} as const satisfies MessageTable;

/** Every control message of protocol version 2. */
const messagesOfV2 = {
  hello: define('hello', helloV2, 'either'),
  prepare: define('prepare', prepareV2, 'source'),
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
  report: define('report', reportV2, 'source'),
} as const satisfies MessageTable;

/**
 * What each version says, in full: a version is a table of its own, never a change to another's. When adding a message: `registry.ts`, a
 * schema, the table of the version that gets it, SPEC.md's table, a golden vector.
 */
export const controlMessages = {
  1: messagesOfV1,
  2: messagesOfV2,
} as const satisfies Readonly<Record<PeerVersion, MessageTable>>;

type Tables = typeof controlMessages;
type Received = {
  readonly [V in PeerVersion]: { readonly [Name in ControlName]: z.output<Tables[V][Name]['schema']> };
};
type Sent = {
  readonly [V in PeerVersion]: { readonly [Name in ControlName]: z.input<Tables[V][Name]['schema']> };
};

/** A message as received on a channel of one of the versions `V`. */
export type ControlMessage<Name extends ControlName, V extends PeerVersion = PeerVersion> = Received[V][Name];

/** For each of the versions `V`, what takes its form of a message. */
type Takes<Name extends ControlName, V extends PeerVersion> = V extends PeerVersion
  ? (message: Sent[V][Name]) => void
  : never;
/** A message as handed to `send`: where the channel may be of several versions, it must suit each of them. */
export type ControlMessageInput<Name extends ControlName, V extends PeerVersion = PeerVersion> =
  Takes<Name, V> extends (message: infer Message) => void ? Message : never;

/** Messages that are never waited for: the channel hands them to a listener. */
export type OptionalControlName = 'keepalive' | 'roundDone' | 'report';
/** Messages that one side waits for. */
export type MandatoryControlName = Exclude<ControlName, OptionalControlName>;

/** A message with its name and the version that it is of, for a `switch` on either. */
export type ReceivedMessage<Name extends ControlName = ControlName, V extends PeerVersion = PeerVersion> = {
  readonly [Each in Name]: {
    readonly [Version in V]: {
      readonly name: Each;
      readonly version: Version;
      readonly message: ControlMessage<Each, Version>;
    };
  }[V];
}[Name];

function define<Schema extends z.ZodType>(
  name: ControlName,
  schema: Schema,
  sender: ControlMessageDefinition['sender'],
) {
  const type: number = ControlType[name];
  return { type, schema, optional: (type & OPTIONAL_BIT) !== 0, sender };
}
