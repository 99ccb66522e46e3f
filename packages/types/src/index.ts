/**
 * Versioned data. Code outside the boundary uses the unversioned names, which are the latest version's; only code that
 * reads or writes documents names a version.
 */
export { typesErrors } from './codes.js';
export {
  checkShape,
  describeIssues,
  formatPath,
  nameKnownKeys,
  type ShapeResult,
} from './document/issues.js';
export {
  DOCUMENT_LIMITS,
  type JsonLimits,
  type JsonProblem,
  type JsonResult,
  parseStrictJson,
  quoteBriefly,
} from './document/json.js';
export { type Envelope, isEnvelope } from './document/kind.js';
export * from './errors.js';
export { HOST_SCHEMA, HOST_VERSIONS, readHost, writeHost } from './host/document.js';
export { type HostV1 as Host, hostV1 as hostSchema } from './host/v1.js';
export {
  INSTANCE_SPEC_SCHEMA,
  INSTANCE_SPEC_VERSIONS,
  type InstanceSpecEnvelope,
  readInstanceSpec,
  writeInstanceSpec,
} from './instance-spec/document.js';
export { backendsOfDevice } from './instance-spec/rules.js';
export {
  type ComponentV1 as Component,
  type InstanceSpecV1 as InstanceSpec,
  type InstanceSpecV1Input as InstanceSpecInput,
  instanceSpecV1 as instanceSpecSchema,
} from './instance-spec/v1.js';
export { Interruption, withDeadline } from './interruption.js';
export {
  MIGRATION_REPORT_SCHEMA,
  MIGRATION_REPORT_VERSIONS,
  readMigrationReport,
  writeMigrationReport,
} from './migration/document.js';
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
export { fitsU64, U64_MAX } from './u64.js';
export { formatBandwidth, formatBytes, parseBandwidth, parseSize } from './units/bytes.js';
export { formatDuration, parseDuration, parseWholeMilliseconds } from './units/duration.js';
export { readVmmState, VMM_STATE_SCHEMA, VMM_STATE_VERSIONS, writeVmmState } from './vmm-state/document.js';
export {
  type VmmLifeV1 as VmmLife,
  type VmmStateV1 as VmmState,
  vmmStateV1 as vmmStateSchema,
} from './vmm-state/v1.js';
