import type { CommandContext } from '../context.js';
import { ExitCode, exitCodeOfMigration } from '../exit-codes.js';
import { failureLine } from '../output/failure.js';
import {
  type DisplayClock,
  type MigrationDisplay,
  type MigrationOutcome,
  type MigrationTitle,
  realClock,
} from '../progress/display.js';
import { JsonDisplay } from '../progress/json-display.js';
import { LineDisplay } from '../progress/line-display.js';
import { LiveDisplay } from '../progress/live-display.js';
import type { FollowResult } from './follow.js';
import { wasRefused } from './refusal.js';

/** The display that fits where the output goes. */
export function chooseDisplay(
  context: CommandContext,
  title: MigrationTitle,
  json: boolean,
  clock: DisplayClock = realClock,
): MigrationDisplay {
  if (json) return new JsonDisplay(context.stdout);
  return context.stdout.isTTY === true
    ? new LiveDisplay(context.stdout, title, clock)
    : new LineDisplay(context.stdout, clock);
}

/** Prints how it ended and sets the exit code. `outcomeOf` reads what was followed. */
export function conclude<Migration>(
  result: FollowResult<Migration>,
  outcomeOf: (migration: Migration) => MigrationOutcome,
  migrationId: string,
  display: MigrationDisplay,
  context: CommandContext,
): void {
  if (result.kind === 'lost') {
    context.exitWith(ExitCode.inDoubt);
    display.lost(result.error);
    context.stderr.write(failureLine(result.error));
    return;
  }
  if (result.kind === 'detached') {
    context.exitWith(ExitCode.inDoubt);
    context.stderr.write(
      `drover: stopped watching; migration ${migrationId} goes on, see "drover migration watch ${migrationId}"\n`,
    );
    return;
  }
  const outcome = outcomeOf(result.migration);
  display.end(outcome, result.migration);
  context.exitWith(exitCodeOfMigration(outcome.state, wasRefused(outcome)));
  if (outcome.error !== null) context.stderr.write(failureLine(outcome.error));
}
