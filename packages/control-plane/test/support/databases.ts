/**
 * The databases that a test of behaviour runs on: the embedded one, a real PostgreSQL, and that PostgreSQL with the restrictions of
 * CockroachDB. Each test gets an empty one.
 */
import { randomUUID } from 'node:crypto';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { pino } from 'pino';
import { inject, onTestFinished } from 'vitest';
import { Database } from '../../src/store/database.js';
import { likeCockroach } from './cockroach.js';

export const silent = pino({ level: 'silent' });

export interface TestDatabase {
  /** For `--database`. */
  readonly url: string;
  readonly wrap: typeof likeCockroach | undefined;
  open(): Promise<Database>;
}

export interface DatabaseKind {
  readonly name: string;
  /** Why it cannot be had here; null where it can. */
  readonly missing: string | null;
  create(): Promise<TestDatabase>;
}

const noPostgres = () => inject('noPostgres');

export const databaseKinds: readonly DatabaseKind[] = [
  { name: 'PGlite', missing: null, create: createPglite },
  { name: 'PostgreSQL', missing: noPostgres(), create: () => createPostgres(undefined) },
  {
    name: 'PostgreSQL restricted like CockroachDB',
    missing: noPostgres(),
    create: () => createPostgres(likeCockroach),
  },
];

/** For tests that do not turn on the kind: PostgreSQL where there is one, since it is the faster. */
export function anyDatabase(): Promise<TestDatabase> {
  return noPostgres() === null ? createPostgres(undefined) : createPglite();
}

async function createPglite(): Promise<TestDatabase> {
  const root = mkdtempSync(join(tmpdir(), 'drover-pglite-'));
  cpSync(inject('pgliteTemplate'), join(root, 'data'), { recursive: true });
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  return opener(`pglite:${root}`, undefined);
}

async function createPostgres(wrap: typeof likeCockroach | undefined): Promise<TestDatabase> {
  const admin = inject('postgresUrl');
  if (admin === null) throw new Error(noPostgres() ?? '');
  const name = `t${randomUUID().replaceAll('-', '')}`;
  await ask(admin, `create database ${name}`);
  onTestFinished(() => ask(admin, `drop database ${name} with (force)`));
  const url = new URL(admin);
  url.pathname = `/${name}`;
  return opener(url.href, wrap);
}

function opener(url: string, wrap: typeof likeCockroach | undefined): TestDatabase {
  return {
    url,
    wrap,
    async open() {
      const database = await Database.open({ url, logger: silent, connections: 5, wrap });
      onTestFinished(() => database.close());
      return database;
    },
  };
}

async function ask(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
