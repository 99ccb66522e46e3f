import { sql } from 'kysely';
import { describe, expect, it } from 'vitest';
import type { Queries } from '../../src/store/database.js';
import { migrateSchema } from '../../src/store/migrate.js';
import { schemaMigrations } from '../../src/store/migrations/index.js';
import { anyDatabase, databaseKinds } from '../support/databases.js';

describe.each(databaseKinds)('schema migrations on $name', ({ missing, create }) => {
  it.skipIf(missing)(
    `are run once by three replicas that start at once${missing ? ` (${missing})` : ''}`,
    async () => {
      const test = await create();
      const replicas = test.url.startsWith('pglite:')
        ? Array(3).fill(await test.open())
        : await Promise.all([test.open(), test.open(), test.open()]);
      const applied = await Promise.all(replicas.map((each) => migrateSchema(each)));
      expect(applied.flat()).toEqual(schemaMigrations.map(({ name }) => name));
      const [database] = replicas;
      const { rows } = await database.run((db: Queries) =>
        sql<{ last: string }>`select last from event_counter`.execute(db),
      );
      expect(rows).toEqual([{ last: '0' }]);
    },
  );
});

describe('a schema migration that fails', () => {
  it('leaves nothing of itself, and lets the next one try', async () => {
    const database = await (await anyDatabase()).open();
    const broken = { name: '0001-broken', statements: ['create table half (id int4)', 'create nonsense'] };
    await expect(migrateSchema(database, { migrations: [broken] })).rejects.toMatchObject({
      code: 'database-migration-failed',
    });
    const mended = { name: '0001-broken', statements: ['create table half (id int4)'] };
    expect(await migrateSchema(database, { migrations: [mended] })).toEqual(['0001-broken']);
  });
});
