/**
 * What a drain does next, said from its rows and the fleet's. Pure; the engine reads, asks here, and records the answer in one transaction.
 *
 * | item | when | becomes |
 * | --- | --- | --- |
 * | – | a guest is on the host and has no item | waiting |
 * | waiting, stays | the guest is no longer on the host | moved |
 * | waiting | the host is lost | stays |
 * | waiting | another migration of the guest is under way | moving, by that one |
 * | waiting | its time has come and fewer than `concurrency` move | moving, by a new migration |
 * | moving | its migration completed | moved |
 * | moving | it failed, a retry may help and tries are left | waiting, for longer each time |
 * | moving | it failed otherwise, or was cancelled | stays |
 *
 * One failure never ends a drain. It ends when nothing waits, moves or is still on its way in. A drain that was cancelled starts nothing
 * more and follows what it began.
 */
import type { DrainView } from '@drover/protocol';
import type { ErrorBody } from '@drover/types';

export type DrainItemState = DrainView['items'][number]['state'];

export interface DrainItem {
  readonly instanceId: string;
  readonly state: DrainItemState;
  /** Migrations begun for it. */
  readonly attempts: number;
  readonly migrationId: string | null;
  readonly destinationId: string | null;
  readonly error: ErrorBody | null;
  /** Of a waiting one: not before. Unix time, ms; null for at once. */
  readonly retryAt: number | null;
}

export interface DrainSituation {
  readonly now: number;
  readonly cancelled: boolean;
  readonly concurrency: number;
  /** Migrations begun for each guest, at most. */
  readonly attempts: number;
  readonly items: readonly DrainItem[];
  /** The host is lost for good: what was on it cannot be moved any more. Null where it is not. */
  readonly lost: ErrorBody | null;
  /** Guests that are on the host now, with the migration that each is in. */
  readonly guests: readonly { readonly instanceId: string; readonly migrationId: string | null }[];
  /** Where other guests of the drain are now, by instance; one that is nowhere is not in it. */
  readonly elsewhere: ReadonlyMap<string, string>;
  /** By id, of those that items name. */
  readonly migrations: ReadonlyMap<string, DrainMigration>;
  /** Migrations under way to this host. */
  readonly incoming: number;
}

export interface DrainMigration {
  readonly outcome: 'under-way' | 'completed' | 'failed' | 'cancelled';
  readonly destinationId: string | null;
  readonly error: ErrorBody | null;
}

export interface DrainStep {
  /** Items as they are now; those that did not change are not among them. */
  readonly changed: readonly DrainItem[];
  /** Guests to begin a migration for. Their items become `moving` with its id, in the transaction that makes it. */
  readonly begin: readonly DrainItem[];
  readonly end: 'completed' | 'ended-with-remains' | null;
}

/** Wait before a guest is tried again, by the tries made, ms. */
export function retryDelayMs(attempts: number): number {
  return Math.min(60_000, 1_000 * 2 ** Math.max(0, attempts - 1));
}

export function drainStep(situation: DrainSituation): DrainStep {
  const { now, cancelled, concurrency, guests, incoming } = situation;
  const here = new Map(guests.map((guest) => [guest.instanceId, guest.migrationId]));
  const items = new Map<string, DrainItem>();
  const changed = new Map<string, DrainItem>();
  for (const item of situation.items) {
    const after = judge(item, here, situation);
    items.set(item.instanceId, after);
    if (after !== item) changed.set(item.instanceId, after);
  }
  for (const { instanceId, migrationId } of guests) {
    if (items.has(instanceId)) continue;
    const item: DrainItem = {
      instanceId,
      state: migrationId === null ? 'waiting' : 'moving',
      attempts: 0,
      migrationId,
      destinationId: null,
      error: null,
      retryAt: null,
    };
    items.set(instanceId, item);
    changed.set(instanceId, item);
  }
  const all = [...items.values()];
  const moving = all.filter(({ state }) => state === 'moving').length;
  const due = all.filter(({ state, retryAt }) => state === 'waiting' && (retryAt === null || retryAt <= now));
  const begin = cancelled ? [] : due.slice(0, Math.max(0, concurrency - moving));
  const open = all.some(({ state }) => state === 'moving' || (!cancelled && state === 'waiting'));
  if (open || incoming > 0) return { changed: [...changed.values()], begin, end: null };
  const remains = all.some(({ state }) => state !== 'moved');
  return { changed: [...changed.values()], begin, end: remains ? 'ended-with-remains' : 'completed' };
}

function judge(
  item: DrainItem,
  here: ReadonlyMap<string, string | null>,
  { now, attempts, migrations, lost, elsewhere }: DrainSituation,
): DrainItem {
  if (item.state === 'moved') return item;
  if (item.state !== 'moving') {
    if (lost !== null)
      return item.state === 'stays' ? item : { ...item, state: 'stays', error: lost, retryAt: null };
    const migrationId = here.get(item.instanceId);
    if (migrationId === undefined) {
      const destinationId = elsewhere.get(item.instanceId) ?? null;
      return { ...item, state: 'moved', destinationId, error: null, retryAt: null };
    }
    if (item.state === 'stays' || migrationId === null) return item;
    return { ...item, state: 'moving', migrationId, retryAt: null };
  }
  const migration = item.migrationId === null ? undefined : migrations.get(item.migrationId);
  if (migration === undefined || migration.outcome === 'under-way') return item;
  const { outcome, destinationId, error } = migration;
  if (outcome === 'completed') return { ...item, state: 'moved', destinationId, error: null };
  const again =
    outcome === 'failed' && error?.retryable === true && item.attempts < attempts && lost === null;
  if (!again) return { ...item, state: 'stays', error };
  return { ...item, state: 'waiting', error, retryAt: now + retryDelayMs(item.attempts) };
}
