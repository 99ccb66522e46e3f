import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { RELEASE } from '../src/index.js';

const packages = new URL('../../', import.meta.url);

it.each(readdirSync(packages))('the release is the version of packages/%s', (name) => {
  const { version, dependencies = {} } = JSON.parse(
    readFileSync(new URL(`${name}/package.json`, packages), 'utf8'),
  ) as { version: string; dependencies?: Record<string, string> };
  expect(version).toBe(RELEASE);
  for (const [dependency, wanted] of Object.entries(dependencies)) {
    if (dependency.startsWith('@drover/')) expect(wanted, dependency).toBe(RELEASE);
  }
});
