import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { whyNoQemu } from './support/qemu.js';
import { TINY_GUEST } from './support/tiny-guest.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const why = whyNoQemu();
if (why !== null) console.log(`skipped: the example of the README, because ${why}`);

it.skipIf(why !== null)('the example of the README runs as it stands', () => {
  const example = /```js\n([\s\S]+?)```/.exec(readFileSync(`${root}README.md`, 'utf8'))?.[1] ?? '';
  // With -e the first argument takes the place of the script's name.
  const { pid, stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', example, '--', 'example.mjs', TINY_GUEST],
    { cwd: root, encoding: 'utf8' },
  );
  rmSync(`/tmp/drover-example-${pid}.log`, { force: true });
  expect(stderr).toBe('');
  expect(stdout).toMatch(/^.+\.\npaused, \d+ pages in use, nothing blocks: true\n$/);
});
