/**
 * What the root scripts run after the bootstrap:
 *
 *   node tools/run/main.mjs demo|bench [ARGS]   hands over to tools/demo, tools/bench
 *   node tools/run/main.mjs test                lint, types, unit, native with sanitizers, e2e; ends with the counts
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { root } from '../bootstrap/step.mjs';
import { runTests } from './test.mjs';

const [command = '', ...args] = process.argv.slice(2);

if (command === 'test') {
  process.exitCode = await runTests();
} else if (command === 'demo' || command === 'bench') {
  const program = join(root, 'tools', command, 'main.mjs');
  const { status } = spawnSync(process.execPath, [program, ...args], { cwd: root, stdio: 'inherit' });
  process.exitCode = status ?? 1;
} else {
  process.stderr.write(`run: unknown command "${command}"; known: demo, bench, test\n`);
  process.exitCode = 2;
}
