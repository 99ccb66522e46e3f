import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { fileSha256 } from '../../tools/release/archive.mjs';
import { releasesFolder } from './lay-out-builds.mjs';

it('the kept releases are exactly those listed, with the bytes they went out with', () => {
  const listed = readFileSync(join(releasesFolder, 'FROZEN.sha256'), 'utf8').trimEnd().split('\n');
  const kept = readdirSync(releasesFolder)
    .filter((name) => name.endsWith('.tar.xz'))
    .map((name) => `${fileSha256(join(releasesFolder, name))}  ${name}`);
  expect(kept.sort()).toEqual(listed.toSorted());
});
