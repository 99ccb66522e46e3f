import { resolve } from 'node:path';
import type { Command } from 'commander';
import { DEFAULT_RUN_DIRECTORY } from '../agent/config-schema.js';
import type { CommandContext } from '../context.js';
import { examine } from '../doctor/checks.js';
import { type Finding, isReady } from '../doctor/finding.js';
import { ExitCode } from '../exit-codes.js';
import { jsonOption, withExamples } from './options.js';

interface DoctorOptions {
  readonly runDir?: string;
  readonly qemu?: string;
  readonly json?: boolean;
}

export function addDoctorCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('doctor')
    .description('Check whether this host can run guests and move them. Exits 1 where it cannot.')
    .option(
      '--run-dir <directory>',
      `run directory that the agent will use (default: ${DEFAULT_RUN_DIRECTORY})`,
    )
    .option('--qemu <binary>', 'QEMU to look at')
    .addOption(jsonOption())
    .action(async ({ runDir, qemu, json }: DoctorOptions) => {
      // The addon and the driver, which no other command shall wait for.
      const { gatherHostFacts } = await import('../doctor/host-facts.js');
      const findings = examine(
        await gatherHostFacts({
          runDirectory: resolve(runDir ?? context.environment.DROVER_RUN_DIR ?? DEFAULT_RUN_DIRECTORY),
          qemuBinary: qemu ?? context.environment.DROVER_QEMU_BINARY,
        }),
      );
      const ready = isReady(findings);
      context.stdout.write(json ? `${JSON.stringify({ ready, findings })}\n` : renderFindings(findings));
      if (!ready) context.exitWith(ExitCode.failed);
    });
  withExamples(command, 'drover doctor', 'drover doctor --json', 'drover doctor --run-dir /run/drover');
}

/** One line a check, with what to do below it, then the verdict. */
export function renderFindings(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  const indent = ' '.repeat('warn'.length + width + 4);
  const lines = findings.flatMap(({ check, status, found, remedy }) => [
    `${status.padEnd(4)}  ${check.padEnd(width)}  ${found}`,
    ...(remedy === null ? [] : [`${indent}→ ${remedy}`]),
  ]);
  const failed = findings.filter(({ status }) => status === 'fail').length;
  const verdict =
    failed === 0
      ? 'This host is ready: a QEMU guest can be moved.'
      : `This host is not ready: ${failed} check${failed === 1 ? '' : 's'} failed.`;
  return `${[...lines, '', verdict].join('\n')}\n`;
}
