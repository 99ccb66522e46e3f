/**
 * Takes a place among the migrations, room at the destination and a part of the bandwidth, all in the transaction that records the step. Who
 * reserves takes turns on one row, over all replicas, so that nothing is given away twice.
 */
import type { Transaction } from 'kysely';
import { z } from 'zod';
import { holdTurn, releaseRoom, reserveRoom } from '../../placement/reservations.js';
import { type Finding, refusalOf } from '../../preflight/finding.js';
import type { Schema } from '../../store/schema.js';
import type { MigrationRecord } from '../records.js';
import type { Step, StepOutcome } from '../step.js';
import { placeFor } from '../turns.js';
import { preflightResult } from './preflight.js';

export const reserveResult = z.object({
  destinationId: z.string(),
  /** Bytes a second; null for no limit. */
  bandwidth: z.number().nullable(),
});

/** Between two looks for a place, ms. */
const PLACE_MS = 1_000;

export const reserve: Step = async ({ migration, options, placement }) => ({
  kind: 'decide',
  async decide(transaction) {
    const { destinations } = preflightResult.parse(migration.steps.preflight.result);
    await holdTurn(transaction);
    const instance = await transaction
      .selectFrom('instances')
      .select(['id', 'name', 'cpus', 'memory_bytes', 'anti_affinity'])
      .where('id', '=', migration.instanceId)
      .executeTakeFirst();
    if (instance === undefined) return gone();
    const against: Finding[] = [];
    let busy = false;
    for (const hostId of destinations) {
      const bandwidth = await placeFor(transaction, migration, hostId, options);
      if (bandwidth === 'none-left') {
        busy = true;
        continue;
      }
      const finding = await reserveRoom(
        transaction,
        {
          id: migration.id,
          instance: {
            id: instance.id,
            name: instance.name,
            cpus: instance.cpus,
            memoryBytes: Number(instance.memory_bytes),
            antiAffinity: instance.anti_affinity,
          },
          hostId,
        },
        placement,
      );
      if (finding !== null) {
        against.push(finding);
        continue;
      }
      const result: z.output<typeof reserveResult> = { destinationId: hostId, bandwidth };
      return { kind: 'done', result, change: { ...result, state: 'running', error: null } };
    }
    if (busy) return { kind: 'wait', inMs: PLACE_MS * (0.75 + Math.random() / 2) };
    const error = refusalOf(against);
    if (error === null) throw new Error('no destination took the guest, and none said why');
    return { kind: 'failed', error };
  },
});

/** Within the transaction that records that the step is undone. */
export function undoReserve(transaction: Transaction<Schema>, { id }: MigrationRecord): Promise<void> {
  return releaseRoom(transaction, id);
}

function gone(): StepOutcome {
  return {
    kind: 'failed',
    error: { code: 'instance-not-found', message: 'The instance was deleted.', retryable: false },
  };
}
