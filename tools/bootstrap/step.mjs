import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout. */
export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** A step that cannot go on; the message says what is missing and what to do. */
export class BootstrapError extends Error {}

/** @param {string} text one line of what is being done, on stderr so that `--json` output stays clean */
export function say(text) {
  process.stderr.write(`bootstrap: ${text}\n`);
}

/**
 * Runs a command with its output on stderr.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ remedy: string, env?: NodeJS.ProcessEnv }} options what to tell when it fails
 */
export function run(command, args, { remedy, env = process.env }) {
  const { status, error } = spawnSync(command, args, { cwd: root, env, stdio: ['ignore', 2, 2] });
  if (status === 0) return;
  const reason = error ? error.message : `exit code ${status}`;
  throw new BootstrapError(`"${command} ${args.join(' ')}" failed (${reason}). ${remedy}`);
}
