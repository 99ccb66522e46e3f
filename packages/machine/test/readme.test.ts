import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { beatingGuest } from './support/guests.js';
import { describeMachine } from './support/machine-process.js';

const root = fileURLToPath(new URL('..', import.meta.url));

describeMachine('the README', () => {
  it('has an example that runs as it stands', () => {
    const example = /```js\n([\s\S]+?)```/.exec(readFileSync(`${root}README.md`, 'utf8'))?.[1] ?? '';
    // With -e the first argument takes the place of the script's name.
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ['--input-type=module', '-e', example, '--', 'example.mjs', beatingGuest],
      { cwd: root, encoding: 'utf8' },
    );
    expect(stderr).toBe('');
    expect(stdout).toContain('"state":"running"');
  });
});
