/**
 * Brings the tables to what this release needs. Replicas that start at once take turns by a lease in a row; each migration holds that
 * row to its commit, so that a replica whose lease ran out changes nothing beside its successor.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { DroverError } from '@drover/types';
import { sql, type Transaction } from 'kysely';
import { controlPlaneErrors } from '../errors.js';
import { fromNow, now } from './clock.js';
import type { Database, Queries } from './database.js';
import { schemaMigrations } from './migrations/index.js';
import type { SchemaMigration } from './migrations/migration.js';
import { databaseTrouble } from './retry.js';
import type { Schema } from './schema.js';

/** How long one migration may take before another replica may try, ms. */
const LEASE_MS = 120_000;
/** How long this replica waits for its turn, ms. */
const PATIENCE_MS = 180_000;

export interface MigrateOptions {
  readonly migrations?: readonly SchemaMigration[];
  readonly patienceMs?: number;
  readonly signal?: AbortSignal;
}

/** Returns the names of what it applied. Errors: `database-migration-failed`, `database-migration-locked`; what the database answers. */
export async function migrateSchema(
  database: Database,
  { migrations = schemaMigrations, patienceMs = PATIENCE_MS, signal }: MigrateOptions = {},
): Promise<string[]> {
  await makeBooks(database);
  if ((await missing(database, migrations)).length === 0) return [];
  const owner = randomUUID();
  await takeTurn(database, owner, patienceMs, signal);
  const applied: string[] = [];
  try {
    for (const migration of await missing(database, migrations)) {
      await apply(database, owner, migration);
      applied.push(migration.name);
    }
  } finally {
    await giveUpTurn(database, owner);
  }
  return applied;
}

/** The two tables that this module itself needs. Making them at once in several replicas fails in all but one, which is as good. */
async function makeBooks(database: Database): Promise<void> {
  const statements = [
    'create table if not exists schema_migrations (name text primary key, applied_at timestamptz not null)',
    'create table if not exists schema_lock (id int4 primary key, owner uuid, until timestamptz)',
    'insert into schema_lock (id) values (1) on conflict (id) do nothing',
  ];
  for (const statement of statements) {
    try {
      await database.run((db) => sql.raw(statement).execute(db));
    } catch (thrown) {
      if (!madeByAnother(thrown)) throw thrown;
    }
  }
}

/** unique_violation in the catalogue, duplicate_table, duplicate_object. */
function madeByAnother(thrown: unknown): boolean {
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
  return code === '23505' || code === '42P07' || code === '42710';
}

async function missing(
  database: Database,
  migrations: readonly SchemaMigration[],
): Promise<SchemaMigration[]> {
  const rows = await database.run((db) => db.selectFrom('schema_migrations').select('name').execute());
  const there = new Set(rows.map(({ name }) => name));
  return migrations.filter(({ name }) => !there.has(name));
}

async function takeTurn(
  database: Database,
  owner: string,
  patienceMs: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const start = performance.now();
  for (;;) {
    if (await database.run((db) => holdTurn(db, owner, null))) return;
    if (performance.now() - start > patienceMs) {
      throw controlPlaneErrors.error(
        'database-migration-locked',
        `Another replica has been changing the tables for ${Math.round(patienceMs / 1000)} s; see its log, and start this one again.`,
      );
    }
    await pause(50 + Math.random() * 200, undefined, signal ? { signal } : undefined);
  }
}

/** Takes the lease (`held` null: where nobody has it), or renews one's own. */
async function holdTurn(db: Queries, owner: string, held: string | null): Promise<boolean> {
  const rows = await db
    .updateTable('schema_lock')
    .set({ owner, until: fromNow(LEASE_MS) })
    .where('id', '=', 1)
    .where((where) =>
      held === null
        ? where.or([where('until', 'is', null), where('until', '<', now)])
        : where('owner', '=', held),
    )
    .returning('id')
    .execute();
  return rows.length === 1;
}

async function giveUpTurn(database: Database, owner: string): Promise<void> {
  await database.run((db) =>
    db
      .updateTable('schema_lock')
      .set({ owner: null, until: null })
      .where('id', '=', 1)
      .where('owner', '=', owner)
      .execute(),
  );
}

async function apply(database: Database, owner: string, migration: SchemaMigration): Promise<void> {
  try {
    await database.transaction(async (transaction) => {
      if (!(await holdTurn(transaction, owner, owner))) throw new Error('the lease of this replica ran out');
      await run(transaction, migration);
    });
  } catch (cause) {
    if (cause instanceof DroverError || databaseTrouble(cause)) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw controlPlaneErrors.error(
      'database-migration-failed',
      `The migration ${migration.name} of the database failed: ${why}.`,
      cause,
    );
  }
}

async function run(transaction: Transaction<Schema>, { name, statements }: SchemaMigration): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(transaction);
  await transaction.insertInto('schema_migrations').values({ name, applied_at: now }).execute();
}
