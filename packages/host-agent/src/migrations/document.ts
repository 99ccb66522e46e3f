/**
 * `migrations/<id>.json`: the view of a migration as it is kept, without what is known better elsewhere: ownership is the journal's, and doubt is of
 * the moment. Beside it the digest of the request that began it, which older releases leave unread. Its report is in the oldest version that says all of it: bare in version 1, as
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

const { ownership, doubt, ...kept } = migrationView.shape;
const storedSchema = z.object({ ...kept, report: z.unknown(), request: z.string().nullable().default(null) });

export interface StoredMigration {
  readonly view: MigrationView;
  /** Digest of the request, where a caller chose the id; see `request-digest.ts`. */
  readonly request: string | null;
}

export function encodeMigration({ view, request }: StoredMigration): string {
  const { ownership, doubt, ...rest } = view;
  const report = view.report && storedReport(view.report);
  return `${JSON.stringify({ ...rest, report, ...(request === null ? {} : { request }) }, null, 2)}\n`;
}

/** Throws where the text is not the view of a migration, or of a version that is not known. */
export function decodeMigration(text: string): StoredMigration {
  const { report, request, ...view } = storedSchema.parse(JSON.parse(text));
  return {
    view: { ...view, report: report === null ? null : readReport(report), ownership: null, doubt: null },
    request,
  };
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
