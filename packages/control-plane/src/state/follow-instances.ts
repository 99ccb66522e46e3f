/**
 * After VMMs changed: which one each of their instances lives in now. An instance whose migration a saga carries is left to that saga, which
 * learns the outcome from both journals.
 */
import { type Selectable, sql, type Transaction } from 'kysely';
import { controlPlaneErrors } from '../errors.js';
import type { Changes } from '../events/change-log.js';
import type { InstanceTable, Schema } from '../store/schema.js';
import { livingVmm, type VmmOfInstance } from './living-vmm.js';

type Row = Pick<Selectable<InstanceTable>, 'id' | 'name' | 'vmm_id' | 'migration_id' | 'desired'>;

export async function followInstances(
  transaction: Transaction<Schema>,
  changes: Changes,
  instanceIds: readonly string[],
): Promise<void> {
  if (instanceIds.length === 0) return;
  const ids = [...new Set(instanceIds)].toSorted();
  const instances = await transaction
    .selectFrom('instances')
    .select(['id', 'name', 'vmm_id', 'migration_id', 'desired'])
    .where('id', 'in', ids)
    .where('migration_id', 'is', null)
    .execute();
  if (instances.length === 0) return;
  const vmms = await transaction
    .selectFrom('vmms')
    .select(['id', 'instance_id', 'epoch', 'life', 'ended_reason', 'created_at'])
    .where(
      'instance_id',
      'in',
      instances.map(({ id }) => id),
    )
    .where((where) => where.or([where('ended_at', 'is', null), where('id', 'in', presentIds(instances))]))
    .execute();
  for (const instance of instances) {
    const own = vmms.filter((vmm) => vmm.instance_id === instance.id);
    const present = own.find(({ id }) => id === instance.vmm_id);
    const living = livingVmm(own.map(asVmm), instance.vmm_id);
    if (living) await live(transaction, changes, instance, living.id);
    else if (present && present.ended_reason !== null && present.ended_reason !== 'moved') {
      await lose(transaction, changes, instance, present.ended_reason);
    }
  }
}

function presentIds(instances: readonly Row[]): string[] {
  const ids = instances.flatMap(({ vmm_id }) => vmm_id ?? []);
  return ids.length > 0 ? ids : ['00000000-0000-0000-0000-000000000000'];
}

function asVmm(row: {
  id: string;
  epoch: string;
  life: string;
  ended_reason: string | null;
  created_at: Date;
}): VmmOfInstance {
  return {
    id: row.id,
    epoch: BigInt(row.epoch),
    life: row.life,
    ended: row.ended_reason !== null,
    createdAt: row.created_at.getTime(),
  };
}

async function live(
  transaction: Transaction<Schema>,
  changes: Changes,
  instance: Row,
  vmmId: string,
): Promise<void> {
  if (instance.vmm_id === vmmId) return;
  const switched = await transaction
    .updateTable('instances')
    .set({ vmm_id: vmmId, generation: sql<string>`generation + 1` })
    .where('id', '=', instance.id)
    .where('migration_id', 'is', null)
    .where(sql<boolean>`vmm_id is not distinct from ${instance.vmm_id}::uuid`)
    .returning('id')
    .execute();
  if (switched.length > 0) changes.changed('instance', instance.id);
  // What was promised for making it is taken now, and counted with its VMM.
  await transaction.deleteFrom('reservations').where('id', '=', instance.id).execute();
}

/** Its VMM has ended and there is no other. */
async function lose(
  transaction: Transaction<Schema>,
  changes: Changes,
  instance: Row,
  reason: string,
): Promise<void> {
  if (instance.desired === 'deleted') {
    await transaction.deleteFrom('reservations').where('id', '=', instance.id).execute();
    const removed = await transaction
      .deleteFrom('instances')
      .where('id', '=', instance.id)
      .where('vmm_id', '=', instance.vmm_id)
      .returning('id')
      .execute();
    if (removed.length > 0) changes.gone(instance.id, { what: 'instance', name: instance.name });
    return;
  }
  const problem =
    reason === 'host-lost'
      ? controlPlaneErrors.error(
          'host-lost',
          `The host of instance ${instance.name} is lost for good; start the instance to make it anew on another host.`,
        )
      : controlPlaneErrors.error(
          'instance-vanished',
          `The host of instance ${instance.name} no longer has its VMM (${reason}); start the instance to make it anew, or delete it.`,
        );
  await transaction
    .updateTable('instances')
    .set({
      vmm_id: null,
      problem: JSON.stringify(problem.toBody()),
      run_at: null,
      generation: sql<string>`generation + 1`,
    })
    .where('id', '=', instance.id)
    .where('migration_id', 'is', null)
    .where('vmm_id', '=', instance.vmm_id)
    .execute();
  changes.changed('instance', instance.id);
}
