/** An operator decides a migration in doubt, with the other host lost for good. */
import type { OperatorDecision } from '@drover/destination-agent';
import type { ResolveMigrationBodyV3 } from '@drover/protocol';
import type { Logger } from 'pino';
import { hostAgentErrors } from '../errors.js';
import type { Migration } from './migration.js';
import type { OutgoingMigrations } from './outgoing.js';
import type { MigrationStore } from './store.js';

/** Longest wait for the end that the decision brings about, ms; then it is shown as it is. */
const END_WAIT_MS = 30_000;

export interface ResolveParts {
  readonly store: MigrationStore;
  readonly outgoing: OutgoingMigrations;
  /** Tells the receiving half. */
  readonly decideArrival: (migrationId: string, decision: OperatorDecision, reason: string) => Promise<void>;
  readonly logger: Logger;
}

/**
 * Errors: `migration-not-found`, `migration-not-resolvable`, `lost-host-not-named`, `decision-not-possible`, `other-host-answers`, `source-can-be-asked`, and the
 * receiving half's own where the journal or the VMM fails.
 */
export async function resolveMigration(
  { store, outgoing, decideArrival, logger }: ResolveParts,
  id: string,
  { decision, lostHost, reason }: ResolveMigrationBodyV3,
): Promise<Migration> {
  const migration = await store.find(id);
  const { role, peer, state, instanceName } = migration.view;
  const { doubt } = migration;
  if (doubt === null) {
    throw hostAgentErrors.error(
      'migration-not-resolvable',
      `Migration ${id} of instance ${instanceName} is ${state} and not in doubt here; there is nothing to decide.`,
    );
  }
  if (lostHost !== peer) {
    throw hostAgentErrors.error(
      'lost-host-not-named',
      `Migration ${id} waits for ${peer}, and ${JSON.stringify(lostHost.slice(0, 80))} was declared lost; name the host that it waits for.`,
    );
  }
  logger.warn(
    { migration: id, decision, lostHost, reason, doubt },
    'an operator decides a migration in doubt',
  );
  if (role === 'source') {
    if (decision !== 'take-back') throw notPossible(id, decision, 'the source of it, which can take it back');
    await takeBack(outgoing, migration, reason);
  } else {
    if (decision === 'take-back') {
      throw notPossible(id, decision, 'the destination of it, which can take it over or give it up');
    }
    await decideArrival(id, decision, reason);
  }
  let timer: NodeJS.Timeout | undefined;
  const waited = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, END_WAIT_MS);
  });
  await Promise.race([migration.ended, waited]);
  clearTimeout(timer);
  return migration;
}

async function takeBack(outgoing: OutgoingMigrations, migration: Migration, reason: string): Promise<void> {
  const answer = await outgoing.takeBack(migration, reason);
  if (answer.kind === 'contradicted') {
    throw hostAgentErrors.error(
      'other-host-answers',
      `${answer.sentence}; it counts, and migration ${migration.view.id} is settled by it.`,
    );
  }
  if (answer.kind === 'over') {
    throw hostAgentErrors.error(
      'migration-not-resolvable',
      `Migration ${migration.view.id} was settled, or cannot be decided by asking, before the decision was heard; look at what it is now.`,
    );
  }
}

function notPossible(id: string, decision: string, what: string) {
  return hostAgentErrors.error(
    'decision-not-possible',
    `Migration ${id} cannot be decided by ${decision} here: this host is ${what}.`,
  );
}
