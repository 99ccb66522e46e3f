import { spawn } from 'node:child_process';
import { type Build, thisCheckout } from './build.js';

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the `drover` command as a person does, with something on its standard input. */
export function drover(
  args: readonly string[],
  input = '',
  { build = thisCheckout, timeoutMs = 30_000 }: { build?: Build; timeoutMs?: number } = {},
): Promise<CommandResult> {
  const [command = '', ...prefix] = build.command;
  const child = spawn(command, [...prefix, ...args], { stdio: 'pipe', timeout: timeoutMs });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk;
  });
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}
