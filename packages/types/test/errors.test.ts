import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { checkShape, DroverError, describeIssues, toErrorBody, typesErrors } from '../src/index.js';

describe('an error', () => {
  it('of the table carries its code, status, retry label and cause', () => {
    const cause = new Error('why');
    const error = typesErrors.error('spec-invalid', 'spec.cpus: is missing.', cause);
    expect(error).toBeInstanceOf(DroverError);
    expect(error).toMatchObject({ code: 'spec-invalid', status: 400, retryable: false, cause });
    expect(toErrorBody(error)).toEqual({
      ...{ code: 'spec-invalid', message: 'spec.cpus: is missing.', retryable: false },
    });
  });

  it('that is none of ours keeps its message', () => {
    expect(toErrorBody(new TypeError('boom'))).toEqual({
      code: 'internal',
      message: 'boom',
      retryable: false,
    });
    expect(toErrorBody('boom')).toEqual({ code: 'internal', message: 'boom', retryable: false });
  });

  it('has a code of kebab-case and a summary that says what to do', () => {
    for (const [code, { status, summary }] of Object.entries(typesErrors.definitions)) {
      expect(code).toMatch(/^[a-z]+(-[a-z0-9]+)*$/);
      expect(status).toBeGreaterThanOrEqual(400);
      expect(summary).toMatch(/\. [A-Z].*\.$|: .*\.$|; .*\.$/);
    }
  });
});

describe('what zod found', () => {
  const schema = z.strictObject({ listen: z.strictObject({ port: z.int() }), name: z.string().min(2) });

  it('is said of the root that the caller names', () => {
    const parsed = schema.safeParse({ listen: { prot: 1 }, name: 'a' });
    expect(describeIssues(parsed.error as z.ZodError, 'config')).toBe(
      'config.listen.prot: unknown key (and 2 more problems)',
    );
  });

  it('lists the known keys when the parsing is ours', () => {
    expect(checkShape(schema, { listen: { port: 1 }, name: 'ab', nmae: 'x' }, 'config')).toEqual({
      ok: false,
      sentence: 'config.nmae: unknown key; known: listen, name',
    });
  });

  it('is said without zod’s own words for unions, keys and lengths', () => {
    const union = z.union([z.string(), z.strictObject({ a: z.int() })]);
    expect(checkShape(union, 5, 'x')).toEqual({
      ok: false,
      sentence: 'x: has none of the forms allowed here',
    });
    expect(checkShape(z.array(z.string().max(1)), ['ab'], 'x')).toEqual({
      ...{ ok: false, sentence: 'x[0]: must have at most 1 character' },
    });
    expect(checkShape(z.uuid(), 'x', 'id')).toEqual({ ok: false, sentence: 'id: is not a valid uuid' });
    expect(checkShape(z.strictObject({}), { a: 1 }, 'x')).toEqual({
      ...{ ok: false, sentence: 'x.a: unknown key; no key is allowed here' },
    });
  });
});

describe('this package', () => {
  it('runs in a browser: it imports zod and itself alone', () => {
    const src = join(import.meta.dirname, '..', 'src');
    const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.ts'),
    );
    const imported = files.flatMap((name) =>
      [...readFileSync(join(src, name), 'utf8').matchAll(/ from '([^']+)'/g)].map(([, from]) => from),
    );
    expect([...new Set(imported)].filter((from) => !from?.startsWith('.'))).toEqual(['zod']);
  });
});
