/**
 * Every number of the machine protocol. SPEC.md beside this file says what they mean.
 *
 * To add a version: its number here, its messages in a module of its own, SPEC.md, and golden vectors. A machine outlives its agent's
 * upgrade, so agents keep speaking the two versions before.
 */

/** Versions that this release speaks, ascending. A machine speaks those of the release that started it. */
export const MACHINE_PROTOCOL_VERSIONS = [1, 2] as const;
export type MachineProtocolVersion = (typeof MACHINE_PROTOCOL_VERSIONS)[number];

/** What a reader holds of one line, bytes. */
export const MACHINE_LINE_BYTES = 64 * 1024;

/** The descriptor under which a machine inherits its guest's memory. */
export const MACHINE_MEMORY_FD = 3;

/** The kind under which hosts agree on how payloads are put in a row. */
export const MACHINE_STREAM_KIND = 'machine-stream';
/** Layouts of the state stream that this release reads, ascending; it writes the last. */
export const MACHINE_STREAM_VERSIONS = [1] as const;
/** First bytes of a state stream: "DMS\0". */
export const MACHINE_STREAM_MAGIC = 0x00534d44;

export const MachineStreamLimits = {
  /** All payloads together, bytes. */
  bodyBytes: 16 * 1024 * 1024,
  payloads: 4096,
  /** Data of one payload, bytes. */
  dataBytes: 1024 * 1024,
  /** Visible ASCII characters of an instance or a kind. */
  nameBytes: 64,
} as const;

/** What a refused request is refused with, beside the `native-…` codes of the core. */
export const machineRefusals = [
  'request-unknown',
  'request-invalid',
  'not-configured',
  'configured-already',
  'not-loaded',
  'not-awaiting',
  'state-refused',
  'state-not-written',
  'internal',
] as const;
export type MachineRefusal = (typeof machineRefusals)[number];
