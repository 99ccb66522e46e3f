import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { errorsPage } from '../docs/errors.mjs';

it('docs/errors.md lists every error code of every package, each once', async () => {
  expect(readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')).toBe(await errorsPage());
});
