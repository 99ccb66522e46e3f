import { spawn } from 'node:child_process';

/** Longest time for one command: a slow mirror, not a dead one. */
const COMMAND_TIMEOUT_MS = 300_000;
/** What is kept of a command's output. */
const OUTPUT_LIMIT_BYTES = 4 * 1024 * 1024;

/**
 * Runs a program to its end and gives its standard output. Fails, with the end of what it printed, where it cannot be
 * started, ends with another code than 0, or outlives its deadline or `signal`.
 *
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ cwd?: string, signal?: AbortSignal }} [options]
 * @returns {Promise<string>}
 */
export function run(program, args, { cwd, signal } = {}) {
  const deadline = AbortSignal.timeout(COMMAND_TIMEOUT_MS);
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
      signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
      env: { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
    });
    let output = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output = (output + text).slice(-OUTPUT_LIMIT_BYTES);
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      errors = (errors + text).slice(-OUTPUT_LIMIT_BYTES);
    });
    child.on('error', (cause) =>
      reject(new Error(`${program} could not be run: ${cause.message}`, { cause })),
    );
    child.on('close', (code) => {
      if (code === 0) resolve(output);
      else
        reject(new Error(`${[program, ...args].join(' ')} ended with ${code}: ${errors.trim().slice(-500)}`));
    });
  });
}
