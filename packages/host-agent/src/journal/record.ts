/**
 * One line of the journal: eight hex digits of CRC32 over the rest, a space, a JSON document, a newline. The first line
 * says what the file is; sequence numbers count from there without a gap.
 */
import { crc32 } from 'node:zlib';
import { z } from 'zod';
import type { OwnershipEntry } from './states.js';

/** Longest line, bytes; a torn tail is never longer. */
export const MAX_LINE_BYTES = 1024;

const decimal = z.string().regex(/^(0|[1-9][0-9]{0,19})$/);
const entryFields = {
  seq: z.int().min(1),
  at: z.iso.datetime(),
  migrationId: z.uuid(),
  instanceId: z.uuid(),
  epoch: decimal,
  /** Written by compaction: the state as it stood, not a step. */
  checkpoint: z.literal(true).optional(),
};

const SCHEMA = 'drover.ownership-journal';
/** Newest version of the format; all before it are read. */
export const JOURNAL_VERSION = 2;

/** What every version of the header has: enough to refuse by name what is not known. */
export const journalEnvelope = z.object({ schema: z.literal(SCHEMA), version: z.int().min(1) });

/**
 * | version | the host that the journal belongs to |
 * | --- | --- |
 * | 1 | in a {@link bindingEntry}, or nowhere where release 0.1 alone has written |
 * | 2 | in the header |
 *
 * A journal begins in version 1, which release 0.1 reads after a rollback, and becomes version 2 when it is compacted.
 */
export const journalHeader = z.discriminatedUnion('version', [
  z.strictObject({
    schema: z.literal(SCHEMA),
    version: z.literal(1),
    /** Sequence of the first entry in this file. */
    firstSequence: z.int().min(1),
  }),
  z.strictObject({
    schema: z.literal(SCHEMA),
    version: z.literal(2),
    hostId: z.uuid(),
    firstSequence: z.int().min(1),
  }),
]);

/** The header of a journal that begins. */
export function firstHeader(): object {
  return { schema: SCHEMA, version: 1, firstSequence: 1 };
}

/** The header of a journal that was compacted. */
export function compactedHeader(hostId: string, firstSequence: number): object {
  return { schema: SCHEMA, version: 2, hostId, firstSequence };
}

/** The instance of every {@link bindingEntry}; no guest ever has this id. */
export const BINDING_INSTANCE = '64726f76-6572-4000-8000-686f73746964';

/**
 * Binds a journal of version 1 to its host. To release 0.1 it is a migration that ended before it began, which it keeps for good
 * and which nobody asks about; so a journal that went back to that release and came again is still bound.
 */
export function bindingEntry(hostId: string): OwnershipEntry {
  return {
    role: 'destination',
    migrationId: hostId,
    instanceId: BINDING_INSTANCE,
    state: 'aborted',
    epoch: 0n,
  };
}

export const journalEntry = z.discriminatedUnion('role', [
  z.strictObject({
    ...entryFields,
    role: z.literal('source'),
    state: z.enum(['owned', 'relinquished', 'done', 'taken-back', 'aborted']),
  }),
  z.strictObject({
    ...entryFields,
    role: z.literal('destination'),
    state: z.enum(['preparing', 'ready', 'owned', 'aborted']),
  }),
]);
export type JournalEntry = z.output<typeof journalEntry>;

/** An entry as the line's document holds it. */
export function toDocument(entry: OwnershipEntry, sequence: number, at: string, checkpoint = false): object {
  const { role, migrationId, instanceId, state, epoch } = entry;
  return {
    seq: sequence,
    at,
    role,
    migrationId,
    instanceId,
    state,
    epoch: String(epoch),
    ...(checkpoint ? { checkpoint } : {}),
  };
}

export function encodeLine(document: object): Buffer {
  const body = Buffer.from(JSON.stringify(document));
  const checksum = crc32(body).toString(16).padStart(8, '0');
  return Buffer.concat([Buffer.from(`${checksum} `), body, Buffer.from('\n')]);
}

/** The document of one line, without its newline; null when the checksum does not hold. */
export function decodeLine(line: Buffer): unknown {
  if (line.length < 11 || line[8] !== 0x20) return null;
  const body = line.subarray(9);
  if (line.subarray(0, 8).toString('latin1') !== crc32(body).toString(16).padStart(8, '0')) return null;
  try {
    return JSON.parse(body.toString('utf8')) as unknown;
  } catch {
    return null;
  }
}
