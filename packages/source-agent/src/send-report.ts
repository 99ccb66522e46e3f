import type { AnyControlChannel } from '@drover/protocol';
import { type MigrationReport, migrationReportV1, writeMigrationReport } from '@drover/types';

/**
 * Sends the report for the destination to keep, in the newest version among those that it reads. Errors: those of writing the report,
 * and those of the channel.
 */
export async function sendReport(
  channel: AnyControlChannel,
  accepted: readonly number[],
  report: MigrationReport,
): Promise<void> {
  switch (channel.version) {
    case 1: {
      const { body } = writeMigrationReport(report, [1]);
      return channel.send('report', { report: migrationReportV1.parse(body) });
    }
    case 2:
      return channel.send('report', { report: { ...writeMigrationReport(report, accepted) } });
  }
}
