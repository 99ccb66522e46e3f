/** Every migration in order. To add one: its module, and a row at the end; one that went out is never edited. */
import { fleet } from './0001-fleet.js';
import { sagas } from './0002-sagas.js';
import { living } from './0003-living.js';
import type { SchemaMigration } from './migration.js';

export const schemaMigrations: readonly SchemaMigration[] = [fleet, sagas, living];
