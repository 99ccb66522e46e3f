import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { spec, startTestAgent } from '../support/agent.js';

it('a VMM that was started and never recorded is ended, and nobody else (R1, R12)', async () => {
  const test = await startTestAgent();
  const { state } = await test.client.createInstance({ spec: spec('web-1'), start: true });
  const run = join(test.root, 'run', test.agent.hostId.slice(0, 8));
  const directory = join(run, 'v0123456789ab');
  const sleepIn = (argv0: string, directory: string) => {
    const child = spawn(
      process.execPath,
      ['-e', 'setTimeout(() => {}, 60000)', `${directory}/console.sock`],
      { argv0 },
    );
    onTestFinished(() => {
      child.kill('SIGKILL');
    });
    return child;
  };
  const orphan = sleepIn('qemu-system-x86_64', directory);
  const bystander = sleepIn('socat', directory);
  // Of an agent with another state directory on the same run directory.
  const stranger = sleepIn('qemu-system-x86_64', join(test.root, 'run', 'ffffffff', 'v0123456789ab'));
  const ended = once(orphan, 'exit');
  await test.restart(() => {
    mkdirSync(directory);
    mkdirSync(join(test.root, 'run', 'ffffffff', 'v0123456789ab'), { recursive: true });
  });
  expect(await ended).toEqual([null, 'SIGKILL']);
  for (const { exitCode, signalCode } of [bystander, stranger])
    expect([exitCode, signalCode]).toEqual([null, null]);
  expect(existsSync(directory)).toBe(false);
  expect(test.host.vmms.get(state.vmmId)?.state).toBe('running');
  expect(existsSync(String((await test.client.getInstance('web-1')).consoleSocket))).toBe(true);
});
