import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Claim, claimDue, releaseClaim, renewClaim } from '../../src/saga/claims.js';
import { SagaRunner, type SagaRunnerOptions } from '../../src/saga/runner.js';
import { now } from '../../src/store/clock.js';
import type { Database } from '../../src/store/database.js';
import { anyDatabase, databaseKinds, silent } from '../support/databases.js';
import { prepareDatabase, settings } from '../support/replica.js';

async function sagaOf(database: Database): Promise<string> {
  const id = randomUUID();
  await database.run((db) =>
    db
      .insertInto('drains')
      .values({
        id,
        host_id: randomUUID(),
        state: 'running',
        concurrency: 1,
        settings: JSON.stringify(settings()),
        attempts: 1,
        lease_owner: null,
        lease_until: null,
        run_at: now,
        created_at: new Date(),
        ended_at: null,
      })
      .execute(),
  );
  return id;
}

async function opened(create = anyDatabase): Promise<Database> {
  const database = await (await create()).open();
  await prepareDatabase(database);
  return database;
}

function runner(database: Database, change: Pick<SagaRunnerOptions, 'advance'> & Partial<SagaRunnerOptions>) {
  const made = new SagaRunner({
    database,
    table: 'drains',
    owner: randomUUID(),
    leaseMs: 600,
    pollMs: 20,
    concurrency: 4,
    logger: silent,
    ...change,
  });
  onTestFinished(() => made.close());
  made.start();
  return made;
}

async function until(condition: () => boolean): Promise<void> {
  for (let wait = 0; !condition(); wait++) {
    if (wait > 1_000) throw new Error(`it did not come about: ${condition}`);
    await pause(10);
  }
}

describe.each(databaseKinds)('claims on $name', ({ missing, create }) => {
  const suffix = missing === null ? '' : ` (skipped: ${missing})`;

  it.skipIf(missing !== null)(
    `are given to one of those that ask at once, and the late owner writes nothing any more${suffix}`,
    async () => {
      const database = await opened(create);
      const ids = [await sagaOf(database), await sagaOf(database), await sagaOf(database)];
      const claim = (leaseMs: number) =>
        database.run((db) => claimDue(db, 'drains', { owner: randomUUID(), leaseMs, limit: 10 }));
      const claims = await Promise.all([claim(1), claim(1), claim(1)]);
      const first = claims.flat().filter(({ id }) => id === ids[0]);
      await pause(20);
      const again = (await claim(60_000)).filter(({ id }) => id === ids[0]);
      expect(again).toHaveLength(1);
      expect(await claim(60_000)).toEqual([]);
      for (const old of first) {
        await expect(database.run((db) => renewClaim(db, old, 1_000))).rejects.toMatchObject({
          code: 'saga-claim-lost',
        });
        await database.run((db) => releaseClaim(db, old, 0));
      }
      // The late release let nothing go.
      expect(await claim(60_000)).toEqual([]);
      const [held] = again;
      if (held) await database.run((db) => releaseClaim(db, held, 0));
      expect((await claim(60_000)).map(({ id }) => id)).toEqual([ids[0]]);
    },
  );
});

describe('a replica at work', () => {
  it('keeps its claim for as long as it works', async () => {
    const database = await opened();
    await sagaOf(database);
    const seen: Claim[] = [];
    let done = false;
    const advance = async (claim: Claim) => {
      seen.push(claim);
      await pause(2_000);
      done = true;
      return 60_000;
    };
    runner(database, { advance });
    runner(database, { advance });
    await until(() => done);
    expect(seen).toHaveLength(1);
  });

  it('is told to stop where its claim was lost', async () => {
    const database = await opened();
    const id = await sagaOf(database);
    let reason: unknown = null;
    runner(database, {
      leaseMs: 300,
      async advance(claim, signal) {
        // Another took it, which thought this one dead.
        await database.run((db) =>
          db
            .updateTable('drains')
            .set({ generation: String(BigInt(claim.generation) + 1n), run_at: null })
            .where('id', '=', id)
            .execute(),
        );
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
        reason = signal.reason;
        throw signal.reason;
      },
    });
    await until(() => reason !== null);
    expect(reason).toMatchObject({ code: 'saga-claim-lost' });
  });

  it('looks again at once where somebody wanted that while it worked, and after a failure by itself', async () => {
    const database = await opened();
    const id = await sagaOf(database);
    let looks = 0;
    runner(database, {
      async advance() {
        looks += 1;
        if (looks === 1) {
          await database.run((db) =>
            db.updateTable('drains').set({ run_at: now }).where('id', '=', id).execute(),
          );
          return 3_600_000;
        }
        if (looks === 2) throw new Error('a bug');
        return 3_600_000;
      },
    });
    await until(() => looks === 3);
  });
});
