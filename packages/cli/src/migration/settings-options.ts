import { type MigrationSettings, parseBandwidth, parseWholeMilliseconds } from '@drover/types';
import type { Command } from 'commander';
import { quantity, wholeNumber } from '../commands/options.js';

/** The settings of a migration as flags. */
export interface SettingsOptions {
  readonly connections?: number;
  readonly bandwidth?: number;
  readonly maxDowntime?: number;
  readonly verify?: boolean;
  readonly timeout?: number;
}

/** Adds the flags. To add one: here, in {@link SettingsOptions}, and in {@link settingsOf}. */
export function withSettings(command: Command): Command {
  return command
    .option('--connections <n>', 'connections that carry memory (default: 2)', wholeNumber(1, 64))
    .option(
      '--bandwidth <rate>',
      'limit over all connections, such as 1Gbit or 100MiB',
      quantity(parseBandwidth),
    )
    .option(
      '--max-downtime <time>',
      'switch over once the expected downtime is below this (default: 100ms)',
      quantity(parseWholeMilliseconds),
    )
    .option('--verify', 'compare all memory on both sides while the guest is paused; adds to the downtime')
    .option(
      '--timeout <time>',
      'give up when the switchover is not reached within this (default: 1h)',
      quantity(parseWholeMilliseconds),
    );
}

/** What was given; the rest is left to the defaults of whoever is asked. */
export function settingsOf(options: SettingsOptions): Partial<MigrationSettings> {
  return {
    ...(options.connections === undefined ? {} : { connections: options.connections }),
    ...(options.bandwidth === undefined ? {} : { bandwidthBytesPerSecond: options.bandwidth }),
    ...(options.maxDowntime === undefined ? {} : { maxDowntimeMs: options.maxDowntime }),
    ...(options.timeout === undefined ? {} : { timeoutMs: options.timeout }),
    ...(options.verify === undefined ? {} : { verify: options.verify }),
  };
}
