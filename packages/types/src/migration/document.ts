import { DOCUMENT_LIMITS } from '../document/json.js';
import {
  type DocumentKind,
  type Envelope,
  readDocument,
  writeDocument,
  writeDocumentForStorage,
} from '../document/kind.js';
import { VersionHistory } from '../document/versions.js';
import type { MigrationReport } from './latest.js';
import { migrationReportV1 } from './v1.js';
import { conversionV2, migrationReportV2 } from './v2.js';

/** Name of migration reports in an envelope. */
export const MIGRATION_REPORT_SCHEMA = 'drover.migration-report';

export const migrationReportDocument: DocumentKind<MigrationReport> = {
  schema: MIGRATION_REPORT_SCHEMA,
  title: 'a migration report',
  root: 'report',
  versions: VersionHistory.from(1, migrationReportV1).next(2, migrationReportV2, conversionV2),
  rules: () => [],
  // A report has a line for each of up to 10,000 rounds.
  limits: { maxBytes: 8 << 20, maxDepth: DOCUMENT_LIMITS.maxDepth },
  invalidCode: 'document-invalid',
  versionCode: 'document-version-unknown',
  lossCode: 'document-not-convertible',
};

/** Versions that this release reads and writes, oldest first. To add one: the steps at {@link VersionHistory}. */
export const MIGRATION_REPORT_VERSIONS: readonly number[] = migrationReportDocument.versions.numbers;

/** Errors: `document-invalid`, `document-version-unknown`, `document-schema-unknown`, `document-malformed`, `document-too-large`. */
export function readMigrationReport(document: unknown): MigrationReport {
  return readDocument(migrationReportDocument, document);
}

/**
 * Writes the newest version among `accepted` (default: the newest). Errors: `document-invalid`, `document-version-unknown`,
 * `document-not-convertible`, `document-too-large`.
 */
export function writeMigrationReport(
  report: MigrationReport,
  accepted?: readonly number[],
  reader?: string,
): Envelope {
  return writeDocument(migrationReportDocument, report, accepted, reader);
}

/** Writes the oldest version that says all of it. Errors: `document-invalid`, `document-too-large`. */
export function writeMigrationReportForStorage(report: MigrationReport): Envelope {
  return writeDocumentForStorage(migrationReportDocument, report);
}
