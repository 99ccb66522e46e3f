/** What is asked of a host's living VMMs is answered from an index, however many there are in the fleet. */
import type { SchemaMigration } from './migration.js';

export const living: SchemaMigration = {
  name: '0003-living',
  statements: ['create index vmms_living on vmms (host_id, instance_id) where ended_at is null'],
};
