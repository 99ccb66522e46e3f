import { DOCUMENT_LIMITS } from '../document/json.js';
import { type DocumentKind, type Envelope, readDocument, writeDocument } from '../document/kind.js';
import { type MigrationReportV1, migrationReportV1 } from './v1.js';

/** Name of migration reports in an envelope. */
export const MIGRATION_REPORT_SCHEMA = 'drover.migration-report';
/** Versions that this release reads and writes, oldest first. */
export const MIGRATION_REPORT_VERSIONS = [1] as const;

const migrationReportDocument: DocumentKind<MigrationReportV1> = {
  schema: MIGRATION_REPORT_SCHEMA,
  title: 'a migration report',
  root: 'report',
  versions: [{ version: 1, schema: migrationReportV1 }],
  rules: () => [],
  // A report has a line for each of up to 10,000 rounds.
  limits: { maxBytes: 8 << 20, maxDepth: DOCUMENT_LIMITS.maxDepth },
  invalidCode: 'document-invalid',
  versionCode: 'document-version-unknown',
};

/** Errors: `document-invalid`, `document-version-unknown`, `document-schema-unknown`, `document-malformed`, `document-too-large`. */
export function readMigrationReport(document: unknown): MigrationReportV1 {
  return readDocument(migrationReportDocument, document);
}

/** Writes the newest version among `accepted` (default: the newest). Errors: `document-invalid`, `document-version-unknown`. */
export function writeMigrationReport(report: MigrationReportV1, accepted?: readonly number[]): Envelope {
  return writeDocument(migrationReportDocument, report, accepted);
}
