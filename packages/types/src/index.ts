/**
 * Versioned data. Code outside the boundary uses the unversioned names, which are the latest version's; only code that
 * reads or writes documents names a version.
 */
export { typesErrors } from './codes.js';
export { type Comparison, compareCompatibility } from './compatibility/compare.js';
export type { DeviceStateVersions } from './compatibility/device-states.js';
export {
  COMPATIBILITY_SCHEMA,
  COMPATIBILITY_VERSIONS,
  readCompatibility,
  writeCompatibility,
} from './compatibility/document.js';
export { type CompatibilityFinding, noteCodes, refusalCodes } from './compatibility/finding.js';
export { newestCommon } from './compatibility/newest-common.js';
export {
  type CompatibilityV1 as Compatibility,
  compatibilityV1,
  type DriverCompatibilityV1 as DriverCompatibility,
} from './compatibility/v1.js';
export {
  checkShape,
  describeIssues,
  nameKnownKeys,
  type ShapeResult,
} from './document/issues.js';
export {
  DOCUMENT_LIMITS,
  type JsonLimits,
  type JsonProblem,
  type JsonResult,
  parseStrictJson,
} from './document/json.js';
export { type Envelope, isEnvelope, type MissingFeature } from './document/kind.js';
export { formatPath, quoteBriefly } from './document/quote.js';
export { DOCUMENT_SCHEMAS, type DocumentSchema } from './document/schemas.js';
export { formatVersions } from './document/versions.js';
export * from './errors.js';
export * from './frozen.js';
export { missingCpuFeatures } from './host/cpu-features.js';
export { HOST_SCHEMA, HOST_VERSIONS, readHost, writeHost } from './host/document.js';
export { type Host, type HostCapacity, type HostCpu, hostSchema } from './host/latest.js';
export {
  INSTANCE_SPEC_SCHEMA,
  INSTANCE_SPEC_VERSIONS,
  type InstanceSpecEnvelope,
  missingInSpecVersions,
  readInstanceSpec,
  writeInstanceSpec,
  writeInstanceSpecForStorage,
} from './instance-spec/document.js';
export {
  type Component,
  componentSchema,
  type InstanceSpec,
  type InstanceSpecInput,
  instanceSpecSchema,
} from './instance-spec/latest.js';
export { replaceBackends } from './instance-spec/replace-backends.js';
export { type Backend, backendsOfDevice } from './instance-spec/rules.js';
export { Interruption, withDeadline } from './interruption.js';
export {
  MIGRATION_REPORT_SCHEMA,
  MIGRATION_REPORT_VERSIONS,
  readMigrationReport,
  writeMigrationReport,
  writeMigrationReportForStorage,
} from './migration/document.js';
export {
  type DowntimeReport,
  type MigrationPhase,
  type MigrationProgress,
  type MigrationReport,
  type MigrationSettings,
  type MigrationSettingsInput,
  type MigrationState,
  migrationPhaseSchema,
  migrationProgressSchema,
  migrationReportSchema,
  migrationSettingsSchema,
  migrationStateSchema,
  type RoundReport,
} from './migration/latest.js';
export { RELEASE } from './release.js';
export { fitsU64, U64_MAX } from './u64.js';
export { formatBandwidth, formatBytes, parseBandwidth, parseSize } from './units/bytes.js';
export { formatDuration, parseDuration, parseWholeMilliseconds } from './units/duration.js';
export {
  readVmmState,
  VMM_STATE_SCHEMA,
  VMM_STATE_VERSIONS,
  writeVmmState,
  writeVmmStateForStorage,
} from './vmm-state/document.js';
export { type VmmLife, type VmmState, vmmStateSchema } from './vmm-state/latest.js';
