/**
 * The control messages of peer protocol version 1. `SPEC.md` beside this file says who sends what when; numbers are in
 * `registry.ts`. Objects are loose: a field that a reader does not know is kept out of its way; a field that it needs
 * and misses is named. 64-bit numbers are decimal strings.
 */
import { fitsU64, migrationReportV1 } from '@drover/types';
import { z } from 'zod';

const u64 = z
  .string()
  .regex(/^(0|[1-9][0-9]{0,19})$/, { error: 'is not an unsigned decimal number as a string', abort: true })
  .refine(fitsU64, 'does not fit 64 bits');
const digest = z.string().regex(/^[0-9a-f]{32}$/);
const windows = z.array(z.int().min(1).max(65_535)).min(1).max(64);

/** Both directions, first: who speaks, and what it accepts. */
export const helloV1 = z.looseObject({
  release: z.string().max(64),
  host: z.string().max(253),
  /** Instance spec versions that the speaker reads. */
  instanceSpec: windows,
  /** Device state versions that the speaker reads. For driver qemu the VMM's own stream, version 1. */
  deviceState: windows,
  pageSize: z.int(),
  maxConnections: z.int().min(1).max(64),
});

/** Source: make this, paused. Nothing exists at the destination before this message was accepted (R7). */
export const prepareV1 = z.looseObject({
  migrationId: z.uuid(),
  instanceId: z.uuid(),
  /** The epoch that the source holds; the handover makes it one more. */
  epoch: u64,
  /** {schema, version, body}, in the newest version that the destination accepts and the instance converts to. */
  spec: z.looseObject({ schema: z.string(), version: z.int(), body: z.unknown() }),
  /** What was decided at first launch and must be the same for life. */
  vmm: z.looseObject({
    driver: z.string(),
    version: z.string(),
    machineType: z.string(),
    accelerator: z.enum(['kvm', 'tcg']),
    ramMode: z.string(),
  }),
  regions: z.array(z.looseObject({ id: z.string().min(1).max(63), sizeBytes: u64 })).max(64),
  /** Where the source has data now: the destination populates there, ahead of the bytes. Index into `regions`. */
  populate: z.array(z.tuple([z.int().min(0).max(63), u64, u64])).max(4096),
  connections: z.int().min(1).max(64),
  verify: z.boolean(),
});

/** Destination: the VMM is there and paused; open the bulk channels with this token. */
export const preparedV1 = z.looseObject({
  /** 32 bytes, hexadecimal. */
  bulkToken: z.string().regex(/^[0-9a-f]{64}$/),
  vmmId: z.uuid(),
});

/** Either side, any time before the handover: no, and why. The sender has left nothing behind. */
export const refuseV1 = z.looseObject({
  code: z.string().max(64),
  message: z.string().max(4096),
  retryable: z.boolean(),
});

/** Source, after a round: so that the destination can show progress too. */
export const roundDoneV1 = z.looseObject({ round: z.int().min(0), wireBytes: u64, pagesRemaining: u64 });

/** Source: the guest is paused, `lastRound` carries the rest; load the state once it has ended. */
export const switchoverV1 = z.looseObject({ lastRound: z.int().min(0), verify: z.boolean() });

/** Destination: all memory is here and this is its digest. Only when verify was asked for, before the state is loaded. */
export const digestV1 = z.looseObject({ digest });

/** Source, after digest: they agree; load. Otherwise it aborts. */
export const verifiedV1 = z.looseObject({ digest });

/** Destination: everything is loaded, the VMM is paused, READY is in the journal; it will wait for COMMIT or ABORT. */
export const readyV1 = z.looseObject({ loadMs: z.number().min(0) });

/** Source: RELINQUISHED is in its journal. From here only the destination may run the guest. */
export const commitV1 = z.looseObject({ migrationId: z.uuid(), epoch: u64 });

/** Destination: OWNED is in its journal and the guest runs. */
export const runningV1 = z.looseObject({ journalMs: z.number().min(0), resumeMs: z.number().min(0) });

/** Source: the migration is off; tear down. Never after COMMIT. Like COMMIT it may come on a fresh control connection. */
export const abortV1 = z.looseObject({
  migrationId: z.uuid(),
  code: z.string().max(64),
  message: z.string().max(4096),
});

/** Destination: everything that the migration made is gone and ABORTED is in its journal. */
export const abortedV1 = z.looseObject({});

/** Source, last: the report, for the destination to keep. */
export const reportV1 = z.looseObject({ report: migrationReportV1.loose() });

/** Source, on a fresh control connection, when it does not know how a handover ended. */
export const outcomeQueryV1 = z.looseObject({ migrationId: z.uuid(), instanceId: z.uuid() });

/** Destination: what its journal says. */
export const outcomeV1 = z.looseObject({
  outcome: z.enum(['owned', 'aborted', 'ready', 'preparing', 'unknown']),
  epoch: u64,
});

/** Either side: nothing to say, still here. */
export const keepaliveV1 = z.looseObject({});
