/**
 * `migrations/<id>.json`: the view of a migration as it is kept. Its report is in the oldest version that says all of it: bare in version 1, as
 * release 0.1 wrote and reads it, and in its envelope in every later one.
 */
import { type MigrationView, migrationView } from '@drover/protocol';
import {
  isEnvelope,
  MIGRATION_REPORT_SCHEMA,
  type MigrationReport,
  readMigrationReport,
  writeMigrationReportForStorage,
} from '@drover/types';
import { z } from 'zod';

const storedSchema = z.object({ ...migrationView.shape, report: z.unknown() });

export function encodeMigration(view: MigrationView): string {
  const report = view.report && storedReport(view.report);
  return `${JSON.stringify({ ...view, report }, null, 2)}\n`;
}

/** Throws where the text is not the view of a migration, or of a version that is not known. */
export function decodeMigration(text: string): MigrationView {
  const { report, ...view } = storedSchema.parse(JSON.parse(text));
  return { ...view, report: report === null ? null : readReport(report) };
}

function storedReport(report: MigrationReport): unknown {
  const envelope = writeMigrationReportForStorage(report);
  return envelope.version === 1 ? envelope.body : envelope;
}

function readReport(stored: unknown): MigrationReport {
  return readMigrationReport(
    isEnvelope(stored) ? stored : { schema: MIGRATION_REPORT_SCHEMA, version: 1, body: stored },
  );
}
