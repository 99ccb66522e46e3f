import type { z } from 'zod';
import { formatPath } from './quote.js';

/** The outcome of {@link checkShape}. */
export type ShapeResult<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly sentence: string };

/**
 * Parses `value` by `schema`. On failure the sentence is {@link describeIssues}'s, with the known keys listed where an
 * unknown one was found.
 */
export function checkShape<T>(schema: z.ZodType<T>, value: unknown, root: string): ShapeResult<T> {
  const parsed = schema.safeParse(value, { error: nameKnownKeys });
  return parsed.success
    ? { ok: true, value: parsed.data }
    : { ok: false, sentence: describeIssues(parsed.error, root) };
}

/**
 * Error map for `safeParse`: zod says which key it does not know, this adds which keys it does. Used by {@link checkShape}; give it
 * to zod where the parsing itself is somebody else's.
 */
export const nameKnownKeys: z.core.$ZodErrorMap = (issue) => {
  if (issue.code !== 'unrecognized_keys') return undefined;
  const definition = issue.inst?._zod.def;
  if (definition === undefined || !('shape' in definition)) return undefined;
  const keys = Object.keys(definition.shape as object);
  return `${UNKNOWN_KEY}${keys.length > 0 ? `; known: ${keys.join(', ')}` : '; no key is allowed here'}`;
};

const UNKNOWN_KEY = 'unknown key';

/**
 * All issues of a failed parse as one sentence without its full stop: `spec.cpu.modle: unknown key; known: model, features (and
 * 1 more problem)`. An unknown key comes first, because it often explains the missing one next to it.
 */
export function describeIssues(error: z.ZodError, root: string): string {
  const [first, ...others] = error.issues.toSorted((a, b) => rank(a) - rank(b));
  if (first === undefined) return `${root}: is not valid`;
  const more = others.length + (first.code === 'unrecognized_keys' ? first.keys.length - 1 : 0);
  const rest = more === 0 ? '' : ` (and ${more} more problem${more === 1 ? '' : 's'})`;
  return `${describeIssue(first, root)}${rest}`;
}

type Issue = z.core.$ZodIssue;

function rank(issue: Issue): number {
  return issue.code === 'unrecognized_keys' ? 0 : 1;
}

function describeIssue(issue: Issue, root: string): string {
  if (issue.code === 'unrecognized_keys') {
    const message = issue.message.startsWith(UNKNOWN_KEY) ? issue.message : UNKNOWN_KEY;
    return `${formatPath(root, [...issue.path, issue.keys[0] ?? ''])}: ${message}`;
  }
  return `${formatPath(root, issue.path)}: ${sayWhatIsWrong(issue)}`;
}

function sayWhatIsWrong(issue: Exclude<Issue, z.core.$ZodIssueUnrecognizedKeys>): string {
  switch (issue.code) {
    case 'invalid_type': {
      // zod's own text is the only place that still knows what was received.
      const received = /, received (\w+)$/.exec(issue.message)?.[1];
      if (received === undefined) return issue.message;
      return received === 'undefined' ? 'is missing' : `is ${received} where ${issue.expected} is expected`;
    }
    case 'invalid_value': {
      const allowed = issue.values.map((value) => JSON.stringify(value)).join(', ');
      return issue.values.length === 1 ? `is not ${allowed}` : `is not one of ${allowed}`;
    }
    case 'invalid_union': {
      const options = 'options' in issue ? issue.options : undefined;
      if (options === undefined) return 'has none of the forms allowed here';
      return `is not one of ${options.map((option) => JSON.stringify(option)).join(', ')}`;
    }
    case 'too_small':
      return `${measured(issue.origin)} at least ${issue.minimum}${unit(issue.origin, issue.minimum)}`;
    case 'too_big':
      return `${measured(issue.origin)} at most ${issue.maximum}${unit(issue.origin, issue.maximum)}`;
    case 'invalid_format': {
      if (!DEFAULT_FORMAT_MESSAGE.test(issue.message)) return issue.message;
      return issue.format === 'regex' ? `does not match ${issue.pattern}` : `is not a valid ${issue.format}`;
    }
    case 'invalid_key':
      return `the key ${issue.issues[0]?.message ?? 'is not allowed'}`;
    default:
      return issue.message;
  }
}

const DEFAULT_FORMAT_MESSAGE = /^Invalid /;

function measured(origin: string): string {
  return origin === 'string' || origin === 'array' ? 'must have' : 'must be';
}

function unit(origin: string, count: number | bigint): string {
  if (origin === 'string') return count === 1 ? ' character' : ' characters';
  if (origin === 'array') return count === 1 ? ' element' : ' elements';
  return '';
}
