/** The guests of the fleet and where they are, for a plan; and what speaks against moving one between two hosts. */
import { type InstanceSpec, readInstanceSpec, type VmmState } from '@drover/types';
import { wishOf } from '../placement/fleet.js';
import { compareGuest } from '../preflight/compare-guest.js';
import type { Finding } from '../preflight/finding.js';
import type { Database } from '../store/database.js';
import type { GuestJudge, PlannedGuest } from './plan.js';

/** What a guest needs of a destination, beside its size. */
interface Needs {
  readonly spec: InstanceSpec;
  readonly vmm: VmmState;
  /** Guests of one key need the same. */
  readonly key: string;
}

/** Instances read at once. */
const BATCH = 1_000;

export interface PlannedFleet {
  readonly guests: readonly PlannedGuest[];
  readonly judge: GuestJudge;
}

export async function readGuests(database: Database): Promise<PlannedFleet> {
  const guests: PlannedGuest[] = [];
  const needs = new Map<string, Needs>();
  for (let after = ''; ; ) {
    const rows = await database.run((db) =>
      db
        .selectFrom('instances')
        .innerJoin('vmms', 'vmms.id', 'instances.vmm_id')
        .select([
          'instances.id',
          'instances.name',
          'instances.spec',
          'instances.placement',
          'vmms.host_id',
          'vmms.state',
        ])
        .where('vmms.ended_at', 'is', null)
        .where('instances.name', '>', after)
        .orderBy('instances.name')
        .limit(BATCH)
        .execute(),
    );
    for (const row of rows) {
      const spec = readInstanceSpec(row.spec);
      const vmm = JSON.parse(row.state) as VmmState;
      guests.push({
        wish: wishOf({ id: row.id, spec, placement: JSON.parse(row.placement) }),
        hostId: row.host_id,
      });
      needs.set(row.id, { spec, vmm, key: keyOf(row.spec, spec, vmm) });
    }
    const last = rows.at(-1);
    if (rows.length < BATCH || last === undefined) break;
    after = last.name;
  }
  return { guests, judge: judgeBy(needs) };
}

/** A stored spec is in the oldest version that says all of it: that version is what it needs to be read. */
function keyOf(
  stored: string,
  { cpu }: InstanceSpec,
  { driver, accelerator, machineType }: VmmState,
): string {
  const { version } = JSON.parse(stored) as { version: number };
  return JSON.stringify([version, cpu, driver, accelerator, machineType]);
}

/** Many guests and few kinds of them: what was said once of two hosts and a kind is not worked out again. */
function judgeBy(needs: ReadonlyMap<string, Needs>): GuestJudge {
  const said = new Map<string, readonly Finding[]>();
  return ({ instanceId }, from, to) => {
    const guest = needs.get(instanceId);
    if (guest === undefined || from.description === null || to.description === null) return [];
    const key = `${from.id} ${to.id} ${guest.key}`;
    const known = said.get(key);
    if (known) return known;
    const findings = compareGuest({
      spec: guest.spec,
      vmm: guest.vmm,
      source: from.description,
      destination: to.description,
    });
    said.set(key, findings);
    return findings;
  };
}
