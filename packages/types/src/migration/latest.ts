/** The versions that the rest of the code sees. The one place to change when there is a newer one. */
export {
  type DowntimeReportV1 as DowntimeReport,
  type MigrationPhaseV1 as MigrationPhase,
  type MigrationProgressV1 as MigrationProgress,
  type MigrationSettingsV1 as MigrationSettings,
  type MigrationSettingsV1Input as MigrationSettingsInput,
  type MigrationStateV1 as MigrationState,
  migrationPhaseV1 as migrationPhaseSchema,
  migrationProgressV1 as migrationProgressSchema,
  migrationSettingsV1 as migrationSettingsSchema,
  migrationStateV1 as migrationStateSchema,
  type RoundReportV1 as RoundReport,
} from './v1.js';
export {
  type MigrationReportV2 as MigrationReport,
  migrationReportV2 as migrationReportSchema,
} from './v2.js';
