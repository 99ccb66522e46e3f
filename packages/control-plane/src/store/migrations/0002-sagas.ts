/** What sagas need beside the first tables. */
import type { SchemaMigration } from './migration.js';

export const sagas: SchemaMigration = {
  name: '0002-sagas',
  statements: [
    // Bytes a second that a migration was promised of its hosts' budgets; null for no limit.
    'alter table migrations add column bandwidth int8',
    'alter table drain_items add column retry_at timestamptz',
    // Rows to hold while limits that span the fleet are counted against.
    'create table turns (name text primary key)',
    "insert into turns (name) values ('reserve')",
  ],
};
