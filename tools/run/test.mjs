import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../bootstrap/step.mjs';
import { expectedReports, readResults } from './results.mjs';

/** Every stage runs even when an earlier one failed: one run shows all that is wrong. */
const stages = [
  { name: 'lint and types', args: ['run-many', '-t', 'lint', 'typecheck'] },
  { name: 'unit tests', args: ['run-many', '-t', 'test', 'test-native'] },
  { name: 'end to end', args: ['run', '@drover/e2e:e2e'] },
  { name: 'sanitizers', args: ['run-many', '-t', 'test-native-asan', 'test-native-tsan'] },
];

/**
 * Ends with the program's exit code, or with 1 where a signal ended it or it did not start.
 * @param {string} program
 * @param {string[]} args
 * @param {import('node:child_process').SpawnOptions} options
 * @returns {Promise<number>}
 */
async function run(program, args, options) {
  const child = spawn(program, args, { cwd: root, ...options });
  try {
    const [code] = await once(child, 'exit');
    return code ?? 1;
  } catch {
    return 1;
  }
}

/**
 * The sanitized builds take minutes of processor time and end to end suites mostly wait, so the builds fill their gaps at the lowest priority.
 * What does not build is reported by the stage that runs it, which builds it again.
 */
async function buildSanitized() {
  for (const sanitizer of ['address', 'thread']) {
    const build = [join(root, 'native', 'build.mjs'), 'build-tests', '--sanitizer', sanitizer];
    await run('nice', ['-n', '19', process.execPath, ...build], { stdio: 'ignore' });
  }
}

/** @returns {Promise<number>} exit code */
export async function runTests() {
  // Nx puts a cached stage's report back, so what is counted afterwards belongs to these very sources.
  for (const file of expectedReports) rmSync(join(root, file), { force: true });
  const failedStages = [];
  for (const stage of stages) {
    process.stdout.write(`\n=== ${stage.name}\n`);
    const started = Date.now();
    const building = stage.name === 'end to end' ? buildSanitized() : undefined;
    const status = await run('npx', ['--no-install', 'nx', ...stage.args, '--outputStyle=stream'], {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, CI: 'true', NX_TUI: 'false' },
    });
    await building;
    if (status !== 0) failedStages.push(stage.name);
    process.stdout.write(
      `=== ${stage.name}: ${status === 0 ? 'ok' : 'FAILED'} in ${Math.round((Date.now() - started) / 1000)} s\n`,
    );
  }
  return summarise(failedStages);
}

/**
 * Prints what failed and what was skipped and why, then the plain closing line.
 * @param {readonly string[]} failedStages
 */
function summarise(failedStages) {
  const { passed, failed, skipped, unreadable } = readResults(root);
  process.stdout.write('\n');
  for (const test of skipped) process.stdout.write(`skipped: ${test}\n`);
  for (const test of failed) process.stdout.write(`failed: ${test}\n`);
  for (const file of unreadable) process.stdout.write(`failed: no results from ${file}\n`);
  let failures = failed.length + unreadable.length;
  // A stage that failed without a failed test (the linter, the compiler, a crash) counts as one.
  for (const stage of failedStages) {
    process.stdout.write(`failed stage: ${stage}\n`);
    if (stage === 'lint and types' || failures === 0) failures += 1;
  }
  process.stdout.write(`${passed} passed, ${failures} failed, ${skipped.length} skipped\n`);
  return failures === 0 ? 0 : 1;
}
