/** Asks one side of a migration for its word. It never rejects: silence is a word as well. */
import type { MigrationViewV3 } from '@drover/protocol';
import { DroverError, toErrorBody } from '@drover/types';
import type { CallOptions, SagaAgent } from './agents.js';
import {
  type DestinationEntry,
  destinationEntryOf,
  type SourceEntry,
  sourceEntryOf,
  type Word,
} from './outcome.js';

export function askSource(agent: SagaAgent, id: string, options: CallOptions): Promise<Word<SourceEntry>> {
  return ask(agent, id, 'source', sourceEntryOf, options);
}

export function askDestination(
  agent: SagaAgent,
  id: string,
  options: CallOptions,
): Promise<Word<DestinationEntry>> {
  return ask(agent, id, 'destination', destinationEntryOf, options);
}

async function ask<Role extends 'source' | 'destination'>(
  agent: SagaAgent,
  id: string,
  role: Role,
  amountsTo: (view: MigrationViewV3) => EntryOf<Role>,
  options: CallOptions,
): Promise<Word<EntryOf<Role>>> {
  try {
    const view = await agent.getMigration(id, options);
    return { kind: 'answered', entry: entryOf(view, amountsTo), view };
  } catch (thrown) {
    if (!neverHeardOf(thrown)) return { kind: 'silent', error: toErrorBody(thrown) };
  }
  // A journal may know what no list does: that a migration can never begin there.
  try {
    const ownership = await agent.getOwnership(id, options);
    return { kind: 'answered', entry: (ownership[role]?.state ?? null) as EntryOf<Role> | null, view: null };
  } catch (thrown) {
    if (neverHeardOf(thrown) || isOlder(thrown)) return { kind: 'answered', entry: null, view: null };
    return { kind: 'silent', error: toErrorBody(thrown) };
  }
}

type EntryOf<Role> = Role extends 'source' ? SourceEntry : DestinationEntry;

/** What a side that still works on it has journaled last; once it has ended, what it ended with, for then it is settled there. */
function entryOf<Entry extends string>(
  view: MigrationViewV3,
  amountsTo: (view: MigrationViewV3) => Entry,
): Entry {
  const journaled = view.ownership?.state;
  if (view.endedAt !== null || journaled === undefined) return amountsTo(view);
  // Journaled, and not yet done with: the guest is still to be resumed, the report to be written.
  const settling = view.role === 'source' && SETTLED.has(journaled);
  return settling ? amountsTo({ ...view, state: 'running' }) : (journaled as Entry);
}

const SETTLED: ReadonlySet<string> = new Set(['aborted', 'taken-back', 'done']);

function neverHeardOf(thrown: unknown): boolean {
  return thrown instanceof DroverError && thrown.code === 'migration-not-found';
}

/** An agent that does not show its journal has said all it knows with its list. */
function isOlder(thrown: unknown): boolean {
  return thrown instanceof DroverError && thrown.code === 'api-version-too-old';
}
