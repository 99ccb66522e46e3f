/**
 * Every number of Cloud Hypervisor's migration wire that a release of it ever gave. They are not Drover's to give: a number is added here,
 * in SPEC.md and in the golden vectors once a release of Cloud Hypervisor has it.
 */

/** Wire versions that this library speaks, oldest first. A reader takes its newest and the one before, no others. */
export const CLOUD_HYPERVISOR_WIRE_VERSIONS = [0, 1] as const;

/** Request.command. */
export const Command = {
  /** Never sent; known, so that it gets an answer. */
  invalid: 0,
  start: 1,
  config: 2,
  state: 3,
  memory: 4,
  complete: 5,
  abandon: 6,
  memoryFd: 7,
  completePaused: 8,
  pageFault: 9,
} as const;
export type CommandName = keyof typeof Command;

/** Response.status. */
export const Status = { invalid: 0, ok: 1, error: 2 } as const;
export type StatusName = keyof typeof Status;

/** The first two bytes of every connection but the main one. */
export const ConnectionRole = { invalid: 0, precopyMemory: 1, fault: 2 } as const;
export type ConnectionRoleName = Exclude<keyof typeof ConnectionRole, 'invalid'>;

/** Bytes on the wire. */
export const Sizes = { request: 16, response: 16, role: 2, range: 16, slot: 4 } as const;

/** What a reader takes at most, all in bytes. It is checked before memory is taken. */
export interface WireLimits {
  /** Of the Config document. */
  readonly configBytes: number;
  /** Of the State document. */
  readonly stateBytes: number;
  /** Of the range table of one Memory request, its pages not counted. */
  readonly tableBytes: number;
}

/** About a thousand times what real guests send; 64 MiB of table are 4,194,304 ranges. */
export const WIRE_LIMITS: WireLimits = {
  configBytes: 4 << 20,
  stateBytes: 256 << 20,
  tableBytes: 64 << 20,
};

/** Most bytes that one PageFault may ask for: 1 GiB, the largest page there is. */
export const PAGE_FAULT_BYTES = 1n << 30n;

/** Most entries of `guest_ram_mappings`, and most descriptors of a local migration. */
export const RAM_MAPPINGS = 4096;
