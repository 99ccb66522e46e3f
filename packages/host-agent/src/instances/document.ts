/**
 * `instance.json`: what an agent keeps of an instance. Its version is real: an unknown one is refused by name. The spec in it is in the oldest
 * version that says all of it, so that the release before this one can read the file after a rollback.
 */
import type { InstanceSpec, VmmLife } from '@drover/types';
import { readInstanceSpec, vmmStateSchema, writeInstanceSpecForStorage } from '@drover/types';
import type { VmmIdentity, VmmRecord } from '@drover/vmm';
import { z } from 'zod';
import { hostAgentErrors } from '../errors.js';

const SCHEMA = 'drover.host-agent.instance';
const VERSION = 1;

const decimal = z.string().regex(/^(0|[1-9][0-9]{0,19})$/);

const identitySchema = z.strictObject({
  driver: z.enum(['qemu', 'machine']),
  version: z.string(),
  machineType: z.string(),
  accelerator: z.enum(['kvm', 'tcg']),
  acceleratorReason: z.string(),
});

const vmmRecordSchema = z.strictObject({
  vmmId: z.uuid(),
  instanceId: z.uuid(),
  identity: identitySchema,
  directory: z.string(),
  logFile: z.string(),
  pid: z.int().min(1),
  pidStartTime: z.string(),
  regions: z.array(z.strictObject({ id: z.string(), sizeBytes: decimal, vmmFd: z.int() })),
});

const envelopeSchema = z.strictObject({ schema: z.literal(SCHEMA), version: z.int(), body: z.unknown() });

const bodySchema = z.strictObject({
  id: z.uuid(),
  spec: z.unknown(),
  vmmId: z.uuid(),
  epoch: decimal,
  generation: decimal,
  life: vmmStateSchema.shape.life,
  error: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
  identity: identitySchema.nullable(),
  record: vmmRecordSchema.nullable(),
  migration: z.strictObject({ id: z.uuid(), role: z.enum(['source', 'destination']) }).nullable(),
});

/** An instance as it stands at one generation. Never changed; the next one replaces it. */
export interface InstanceSnapshot {
  readonly vmmId: string;
  readonly epoch: bigint;
  readonly generation: bigint;
  readonly life: VmmLife;
  readonly error: { readonly code: string; readonly message: string } | null;
  /** What was decided at the first start and stays so for life. */
  readonly identity: VmmIdentity | null;
  /** The process, where there is one. */
  readonly record: VmmRecord | null;
  /** The migration that the instance is part of; on disk before that migration's first step. */
  readonly migration: { readonly id: string; readonly role: 'source' | 'destination' } | null;
}

export interface StoredInstance {
  readonly id: string;
  readonly spec: InstanceSpec;
  readonly snapshot: InstanceSnapshot;
}

export function encodeInstance({ id, spec, snapshot }: StoredInstance): string {
  const body = {
    id,
    spec: writeInstanceSpecForStorage(spec),
    ...snapshot,
    epoch: String(snapshot.epoch),
    generation: String(snapshot.generation),
  };
  return `${JSON.stringify({ schema: SCHEMA, version: VERSION, body }, null, 2)}\n`;
}

/** Errors: `instance-record-damaged`, which names `path`. */
export function decodeInstance(text: string, path: string): StoredInstance {
  try {
    const envelope = envelopeSchema.parse(JSON.parse(text));
    if (envelope.version !== VERSION) {
      throw new Error(`it has version ${envelope.version}, this release reads version ${VERSION}`);
    }
    const { id, spec, epoch, generation, ...rest } = bodySchema.parse(envelope.body);
    return {
      id,
      spec: readInstanceSpec(spec),
      snapshot: Object.freeze({ ...rest, epoch: BigInt(epoch), generation: BigInt(generation) }),
    };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.replaceAll(/\s+/g, ' ') : String(cause);
    throw hostAgentErrors.error(
      'instance-record-damaged',
      `${path} cannot be read as the record of an instance (${reason}); restore the file, or move its directory away to give the instance up.`,
      cause,
    );
  }
}
