import type { ReceivedMessage } from '@drover/protocol';
import {
  MIGRATION_REPORT_SCHEMA,
  type MigrationReport,
  migrationReportV1,
  readMigrationReport,
} from '@drover/types';

/** The source's report, whatever the version of its message. Errors: those of `readMigrationReport`. */
export function readReport(received: ReceivedMessage<'report'>): MigrationReport {
  const { report } = received.message;
  if (received.version === 2) return readMigrationReport(report);
  // Version 1 sends the bare body; fields that it does not know are kept out of its way.
  return readMigrationReport({
    schema: MIGRATION_REPORT_SCHEMA,
    version: 1,
    body: migrationReportV1.strip().parse(report),
  });
}
