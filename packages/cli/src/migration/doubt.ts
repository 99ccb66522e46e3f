import type { Doubt, MigrationView, Ownership } from '@drover/protocol';
import { formatDuration } from '@drover/types';
import { renderOutcome } from '../progress/outcome.js';

/** A migration as one agent knows it, with what is in doubt of it. Ends with a newline. */
export function renderAgentMigration(migration: MigrationView): string {
  return `${renderOutcome(migration)}${migration.doubt === null ? '' : renderDoubt(migration.doubt)}`;
}

/** What is in doubt, for whoever has to end it. Ends with a newline. */
function renderDoubt({ since, unknown, waitsFor, attempts, lastAnswer, remedy }: Doubt): string {
  const age = Math.max(0, Date.now() - Date.parse(since));
  return [
    'In doubt',
    `  unknown    ${unknown}`,
    `  waits for  ${waitsFor}, for ${formatDuration(age)} now${attempts === 0 ? '' : `; asked ${attempts} times`}`,
    ...(lastAnswer === null ? [] : [`  last try   ${lastAnswer}`]),
    `  remedy     ${remedy}`,
    '',
  ].join('\n');
}

/** What the journal of one host says, a line for each role that it had. */
export function renderOwnership({ source, destination }: Ownership): string {
  const lines = Object.entries({ source, destination }).flatMap(([role, entry]) =>
    entry === null ? [] : [`  journal    as ${role}: ${entry.state}, epoch ${entry.epoch}`],
  );
  return `${lines.length === 0 ? '  journal    has no entry of it' : lines.join('\n')}\n`;
}
