/**
 * The control messages that peer protocol version 2 changed; the others are those of `messages-v1.ts`, and the table in `messages.ts` says
 * which is which. What is new: device state has a version for each kind, capabilities are agreed on, and the report travels as a
 * document of its own version.
 */
import { z } from 'zod';
import { cpuDefinitionV1 } from '../cpu-definition.js';
import { prepareV1 } from './messages-v1.js';
import { PeerLimits } from './registry.js';

const versions = z.array(z.int().min(1).max(65_535)).min(1).max(64);

/** Kinds are named by whoever defines them: visible ASCII, `qemu-stream`, `qemu/virtio-net`. */
const kind = z
  .string()
  .regex(/^[!-~]{1,64}$/, `is not 1–${PeerLimits.deviceStateName} visible ASCII characters`);
/** QEMU counts the versions of a device class from 0. */
const stateVersion = z.int().min(0).max(0x7fff_ffff);

function byKind<Value extends z.ZodType>(value: Value) {
  return z
    .record(kind, value)
    .refine(
      (kinds) => Object.keys(kinds).length <= PeerLimits.deviceStateKinds,
      `has more than ${PeerLimits.deviceStateKinds} kinds`,
    );
}

/** Numbers of the registry, each once. A reader keeps to those that it knows. */
const capabilities = z
  .array(z.int().min(1).max(65_535))
  .max(64)
  .refine((numbers) => new Set(numbers).size === numbers.length, 'names a capability twice');

/** Both directions, first: who speaks, and what it accepts. */
export const helloV2 = z.looseObject({
  release: z.string().max(64),
  host: z.string().max(253),
  /** Instance spec versions that the speaker reads. */
  instanceSpec: versions,
  /** Migration report versions that the speaker reads. */
  migrationReport: versions,
  /**
   * By kind, the versions of device state that the speaker can load here. A source loads nothing: it lists only the kinds that are
   * the protocol's own.
   */
  deviceStates: byKind(z.array(stateVersion).min(1).max(64)),
  capabilities,
  pageSize: z.int(),
  maxConnections: z.int().min(1).max(64),
});

/** Source: make this, paused. Nothing exists at the destination before this message was accepted (R7). */
export const prepareV2 = prepareV1.extend({
  /** By kind, the version in which this guest's device state will be written. */
  deviceStates: byKind(stateVersion),
  /** What the source chose among the capabilities that both hellos have. */
  capabilities,
  /** What the guest was promised of its processors; null or left out where its VMM does not tell. */
  cpu: cpuDefinitionV1.nullable().optional(),
});

/** Source, last: the report as {schema, version, body}, in a version that the destination reads, for it to keep. */
export const reportV2 = z.looseObject({
  report: z.looseObject({ schema: z.string().max(64), version: z.int().min(1), body: z.unknown() }),
});
