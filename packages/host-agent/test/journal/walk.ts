/** Walks through the table of steps, and what a journal that took one must say: a naive list. */
import { randomUUID } from 'node:crypto';
import { OWNERSHIP_STEPS, type OwnershipEntry, type Role } from '../../src/journal/states.js';

const INSTANCES = [randomUUID(), randomUUID()];

export type Model = Map<string, OwnershipEntry>;
export const keyOf = (role: Role, migrationId: string) => `${role} ${migrationId}`;

/** A walk through the table: what `choices` pick is always allowed. */
export function walk(choices: readonly number[]): OwnershipEntry[] {
  const model: Model = new Map();
  const migrations = [randomUUID(), randomUUID(), randomUUID()];
  const taken: OwnershipEntry[] = [];
  let spent = 1n;
  for (const choice of choices) {
    const which = choice % migrations.length;
    const migrationId = migrations[which] ?? '';
    const instanceId = INSTANCES[which % INSTANCES.length] ?? '';
    const role: Role = which === 0 ? 'source' : 'destination';
    const current = model.get(keyOf(role, migrationId));
    const open = OWNERSHIP_STEPS.filter(
      (each) => each.role === role && each.from === (current?.state ?? null),
    );
    const next = open[Math.floor(choice / 7) % open.length];
    if (!next) {
      migrations[which] = randomUUID();
      continue;
    }
    const before = current?.epoch ?? 0n;
    if (current === undefined || next.epoch === 'greater') spent += 2n;
    const epoch =
      current === undefined || next.epoch === 'greater'
        ? spent
        : next.epoch === 'one-more'
          ? before + 1n
          : before;
    if (epoch > spent) spent = epoch;
    const entry: OwnershipEntry = { role, migrationId, instanceId, state: next.to, epoch };
    model.set(keyOf(role, migrationId), entry);
    taken.push(entry);
  }
  return taken;
}

export function modelOf(entries: readonly OwnershipEntry[]): Model {
  return new Map(entries.map((entry) => [keyOf(entry.role, entry.migrationId), entry]));
}
