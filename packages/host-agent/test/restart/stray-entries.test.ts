import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { OwnershipJournal } from '../../src/journal/ownership-journal.js';
import type { OwnershipEntry, OwnershipState, Role } from '../../src/journal/states.js';
import { startTestAgent, type TestAgent } from '../support/agent.js';

async function withJournal<T>(
  test: TestAgent,
  work: (journal: OwnershipJournal) => Promise<T> | T,
): Promise<T> {
  const state = join(test.root, 'state');
  const { hostId } = JSON.parse(readFileSync(join(state, 'host.json'), 'utf8'));
  const journal = await OwnershipJournal.open(join(state, 'journal', 'ownership.log'), { hostId });
  try {
    return await work(journal);
  } finally {
    await journal.close();
  }
}

/** Restarts the agent with a migration in its journal that no instance leads to, and answers with the journal's last word on it. */
async function afterRestart(
  role: Role,
  states: readonly (readonly [OwnershipState, bigint])[],
): Promise<OwnershipEntry | null> {
  const test = await startTestAgent();
  const entry = { role, migrationId: randomUUID(), instanceId: randomUUID() };
  await test.restart(() =>
    withJournal(test, async (journal) => {
      for (const [state, epoch] of states) await journal.write({ ...entry, state, epoch });
    }),
  );
  let last: OwnershipEntry | null = null;
  await test.restart(() =>
    withJournal(test, (journal) => {
      last = journal.find(role, entry.migrationId);
    }),
  );
  return last;
}

describe('a migration whose last word could not be journaled before its instance was let go', () => {
  it('is aborted at the next start where it was arriving (R12)', async () => {
    expect(await afterRestart('destination', [['preparing', 2n]])).toMatchObject({
      state: 'aborted',
      epoch: 2n,
    });
  });

  it('is aborted where it was leaving and never given up (R12)', async () => {
    expect(await afterRestart('source', [['owned', 1n]])).toMatchObject({ state: 'aborted', epoch: 1n });
  });

  it('is done where it had left: an instance is let go only after the destination had said so (R12)', async () => {
    const left = [
      ['owned', 1n],
      ['relinquished', 2n],
    ] as const;
    expect(await afterRestart('source', left)).toMatchObject({ state: 'done', epoch: 2n });
  });

  it('stays open where it was READY: only the source may end that (R4)', async () => {
    const ready = [
      ['preparing', 2n],
      ['ready', 2n],
    ] as const;
    expect(await afterRestart('destination', ready)).toMatchObject({ state: 'ready' });
  });
});
