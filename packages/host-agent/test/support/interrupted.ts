import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { InstanceView } from '@drover/protocol';
import { OwnershipJournal } from '../../src/journal/ownership-journal.js';
import type { OwnershipState, Role } from '../../src/journal/states.js';
import { newMigrationView } from '../../src/migrations/store.js';
import type { TestAgent } from './agent.js';

/** A peer that nobody listens on. */
const NOBODY = '127.0.0.1:9';

/**
 * While no agent runs: makes the files say that the instance was in a migration which had come as far as `states`. Returns
 * the migration's id.
 */
export async function interruptedAt(
  test: TestAgent,
  instance: InstanceView,
  role: Role,
  states: readonly (readonly [OwnershipState, bigint])[],
  { migrationId = randomUUID() as string, peer = NOBODY } = {},
): Promise<string> {
  const state = join(test.root, 'state');
  const { hostId } = JSON.parse(readFileSync(join(state, 'host.json'), 'utf8'));
  const journal = await OwnershipJournal.open(join(state, 'journal', 'ownership.log'), { hostId });
  for (const [each, epoch] of states) {
    await journal.write({ role, migrationId, instanceId: instance.id, state: each, epoch });
  }
  await journal.close();
  const file = join(state, 'instances', instance.id, 'instance.json');
  const document = JSON.parse(readFileSync(file, 'utf8'));
  document.body.migration = { id: migrationId, role };
  document.body.life = role === 'source' ? 'migrating-out' : 'migrating-in';
  writeFileSync(file, JSON.stringify(document));
  const view = newMigrationView({
    id: migrationId,
    instanceId: instance.id,
    instanceName: instance.name,
    role,
    peer,
    phase: 'handover',
  });
  writeFileSync(join(state, 'migrations', `${migrationId}.json`), JSON.stringify(view));
  return migrationId;
}
