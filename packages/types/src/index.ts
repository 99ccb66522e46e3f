/**
 * Versioned data. Code outside the boundary uses the unversioned names, which are the latest version's; only code that
 * reads or writes documents names a version.
 */
export * from './errors.js';
export { type HostV1 as Host, hostV1 as hostSchema } from './host/v1.js';
export {
  type ComponentV1 as Component,
  type InstanceSpecV1 as InstanceSpec,
  type InstanceSpecV1Input as InstanceSpecInput,
  instanceSpecV1 as instanceSpecSchema,
} from './instance-spec/v1.js';
export {
  type DowntimeReportV1 as DowntimeReport,
  type MigrationPhaseV1 as MigrationPhase,
  type MigrationProgressV1 as MigrationProgress,
  type MigrationReportV1 as MigrationReport,
  type MigrationSettingsV1 as MigrationSettings,
  type MigrationSettingsV1Input as MigrationSettingsInput,
  type MigrationStateV1 as MigrationState,
  migrationPhaseV1 as migrationPhaseSchema,
  migrationProgressV1 as migrationProgressSchema,
  migrationReportV1 as migrationReportSchema,
  migrationSettingsV1 as migrationSettingsSchema,
  migrationStateV1 as migrationStateSchema,
  type RoundReportV1 as RoundReport,
} from './migration/v1.js';
export {
  type VmmLifeV1 as VmmLife,
  type VmmStateV1 as VmmState,
  vmmStateV1 as vmmStateSchema,
} from './vmm-state/v1.js';
