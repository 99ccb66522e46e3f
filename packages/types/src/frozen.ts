/**
 * Versions by their names, for the contracts that carry one of them and must not move with the latest: the HTTP APIs. Everything
 * else uses the unversioned names of `index.ts`.
 */
export { type HostV1, hostV1 } from './host/v1.js';
export { conversionV2 as hostConversionV2, type HostV2, hostV2 } from './host/v2.js';
export {
  conversionV3 as hostConversionV3,
  type HostCapacityV3,
  type HostCpuV3,
  type HostV3,
  hostV3,
} from './host/v3.js';
export { componentIdV1, type InstanceSpecV1, instanceSpecV1 } from './instance-spec/v1.js';
export { componentV3, type InstanceSpecV3, instanceSpecV3 } from './instance-spec/v3.js';
export {
  type MigrationReportV1,
  migrationPhaseV1,
  migrationProgressV1,
  migrationReportV1,
  migrationSettingsV1,
  migrationStateV1,
} from './migration/v1.js';
export {
  conversionV2 as migrationReportConversionV2,
  type MigrationReportV2,
  migrationReportV2,
} from './migration/v2.js';
export { type VmmStateV1, vmmStateV1 } from './vmm-state/v1.js';
export { conversionV2 as vmmStateConversionV2, type VmmStateV2, vmmStateV2 } from './vmm-state/v2.js';
