/**
 * Every number that the peer protocol ever gave, in one place. A number that is no longer used moves to {@link RetiredNumbers} and is
 * never given again.
 *
 * To add one: take the next free number, add it here, in SPEC.md's tables, and to the golden vectors.
 */

/** First bytes of every connection, for ever: "DRVR". */
export const PREAMBLE_MAGIC = 0x52565244;
/** Layout of the preamble and of what follows it. */
export const PREAMBLE_FORMAT = 1;

/**
 * Protocol versions that this release speaks, oldest first, without gaps.
 *
 * To add one: its number here; `messages-vN.ts` with the messages that change, and a whole table in `messages.ts`; what it changes on the
 * bulk channels, in `bulk-frame.ts` and in the native core; its row and its section in SPEC.md; golden vectors in a file of its
 * own. The oldest goes when no release in the field needs it: out of this list and into {@link RetiredNumbers}.
 */
export const PEER_VERSIONS = [1, 2] as const;
export type PeerVersion = (typeof PEER_VERSIONS)[number];

export const Role = { control: 1, bulk: 2, fault: 3 } as const;
export type RoleName = keyof typeof Role;

/** Frames of the control channel. The top bit of a type marks it as optional: unknown optional frames are skipped. */
export const ControlType = {
  hello: 0x0001,
  prepare: 0x0002,
  prepared: 0x0003,
  refuse: 0x0004,
  switchover: 0x0005,
  digest: 0x0006,
  verified: 0x0007,
  ready: 0x0008,
  commit: 0x0009,
  running: 0x000a,
  abort: 0x000b,
  aborted: 0x000c,
  outcomeQuery: 0x000d,
  outcome: 0x000e,
  keepalive: 0x8001,
  roundDone: 0x8002,
  report: 0x8003,
} as const;
export type ControlName = keyof typeof ControlType;

/** Bit that marks an optional type. */
export const OPTIONAL_BIT = 0x8000;

/** Kinds of bulk connection, in the bulk hello. */
export const BulkKind = { pages: 1, state: 2 } as const;

/** Frames of the bulk channels; disjoint from {@link ControlType}. */
export const BulkType = {
  /** A run of pages with their bytes. */
  data: 0x0101,
  /** A run of pages that are zero. */
  zero: 0x0102,
  /** Source: nothing of this round follows on this channel. */
  roundEnd: 0x0103,
  /** Destination: a run whose checksum did not hold; sent before the acknowledgement of the round. */
  torn: 0x0104,
  /** Destination: every page of the round that came over this channel is in memory. */
  roundEndAck: 0x0105,
  /** A piece of the VMM's device state. */
  state: 0x0106,
  /** Source: the state is complete. */
  stateEnd: 0x0107,
  /** Destination: it has all of the state. */
  stateEndAck: 0x0108,
} as const;

/**
 * What two sides may agree on beyond the version, from version 2 on; SPEC.md says of each what it is for.
 *
 * To add one: the next free number and its name here, its paragraph in SPEC.md, and once it is implemented its number in
 * {@link IMPLEMENTED_CAPABILITIES}.
 */
export const Capability = { compression: 1, 'post-copy': 2, delta: 3 } as const;
export type CapabilityName = keyof typeof Capability;
/** The capabilities that this release has, and so offers. */
export const IMPLEMENTED_CAPABILITIES: readonly number[] = [];

/** Numbers that were given once and are not used any more, by what they numbered. They are never given again. */
export const RetiredNumbers = {
  peerVersion: [],
  role: [],
  controlType: [],
  bulkKind: [],
  bulkType: [],
  capability: [],
} as const satisfies Readonly<Record<string, readonly number[]>>;

/** Limits that a reader enforces before it takes memory. */
export const PeerLimits = {
  preambleBytes: 16,
  bulkHelloBytes: 48,
  controlHeaderBytes: 16,
  controlPayloadBytes: 1 << 20,
  bulkHeaderBytes: 32,
  /** Pages in one data frame. */
  dataRunPages: 256,
  /** Pages in one zero or torn run. */
  runPages: 1 << 20,
  stateFrameBytes: 1 << 20,
  /** Page channels of one migration. */
  channels: 64,
  /** Control messages received and not yet asked for. */
  queuedMessages: 16,
  /** Levels of arrays and objects in a control message. */
  jsonDepth: 32,
  /** Kinds of device state in a hello or a PREPARE. */
  deviceStateKinds: 256,
  /** Length of such a kind's name. */
  deviceStateName: 64,
} as const;
