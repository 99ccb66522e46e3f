/**
 * Stored documents and their envelope {schema, version, body}. The envelope is read without knowing the body: an unknown
 * version is a clean refusal that lists the versions known, and never prevents reading a known one.
 */
import { z } from 'zod';
import { typesErrors } from '../codes.js';
import { checkShape, describeIssues } from './issues.js';
import { type JsonLimits, type JsonResult, parseStrictJson, quoteBriefly } from './json.js';
import { checkPlainJson } from './plain.js';

/** How every stored document travels. Frozen: these three fields, for ever. */
const envelopeSchema = z.strictObject({
  schema: z.string(),
  version: z.int().min(1),
  body: z.unknown().refine((body) => body !== undefined, 'is missing'),
});

export interface Envelope {
  readonly schema: string;
  readonly version: number;
  readonly body: unknown;
}

/** A rule over a whole document that its shape alone cannot say. */
export interface RuleViolation {
  readonly path: readonly PropertyKey[];
  /** The end of a sentence that begins with the path. */
  readonly message: string;
}

/** One kind of stored document. `versions` is the explicit list of what this release reads and writes, oldest first. */
export interface DocumentKind<Latest> {
  readonly schema: string;
  /** For sentences, with its article: "an instance spec". */
  readonly title: string;
  /** First part of every path in sentences. */
  readonly root: string;
  readonly versions: readonly DocumentVersion<Latest>[];
  readonly rules: (value: Latest) => readonly RuleViolation[];
  /** What a reader takes before it looks; above what a valid document can be. */
  readonly limits: JsonLimits;
  readonly invalidCode: 'spec-invalid' | 'document-invalid';
  readonly versionCode: 'spec-version-unknown' | 'document-version-unknown';
}

/** One version of a document: how its body becomes the latest version's value, and back. */
export interface DocumentVersion<Latest> {
  readonly version: number;
  readonly schema: z.ZodType<Latest>;
}

/** True for what looks like an envelope rather than a bare body. */
export function isEnvelope(document: unknown): boolean {
  return typeof document === 'object' && document !== null && 'schema' in document && 'body' in document;
}

/**
 * Reads a document, as text or already parsed. Errors: `document-too-large`, `document-malformed`, `document-schema-unknown`, and the
 * kind's own codes for an unknown version and an invalid body.
 */
export function readDocument<Latest>(kind: DocumentKind<Latest>, document: unknown): Latest {
  const json =
    typeof document === 'string'
      ? parseStrictJson(document, kind.limits)
      : checkPlainJson(document, kind.limits);
  if (!json.ok) throw malformed(kind.title, json);
  const envelope = checkShape(envelopeSchema, json.value, 'document');
  if (!envelope.ok) {
    throw typesErrors.error(
      'document-schema-unknown',
      `This is not ${kind.title} in its envelope {schema, version, body}: ${envelope.sentence}.`,
    );
  }
  const { schema, version, body } = envelope.value;
  if (schema !== kind.schema) {
    throw typesErrors.error(
      'document-schema-unknown',
      `This is a document of schema ${quoteBriefly(schema)} where ${kind.title} ("${kind.schema}") is expected.`,
    );
  }
  const known = kind.versions.find((candidate) => candidate.version === version);
  if (known === undefined) {
    throw typesErrors.error(
      kind.versionCode,
      `This is ${kind.title} of version ${version}, and this release reads ${listVersions(kind)}; use a release of Drover that knows version ${version}.`,
    );
  }
  return checkBody(kind, known, body);
}

/**
 * Writes `value` in the newest version that `accepted` holds. What is written is checked first, so a document that exists can be
 * read back. Errors: the kind's own codes.
 */
export function writeDocument<Latest>(
  kind: DocumentKind<Latest>,
  value: Latest,
  accepted: readonly number[] = kind.versions.map(({ version }) => version),
): Envelope {
  const chosen = kind.versions.findLast(({ version }) => accepted.includes(version));
  if (chosen === undefined) {
    throw typesErrors.error(
      kind.versionCode,
      `The reader accepts ${kind.title} of versions ${accepted.join(', ') || 'none'}, and this release writes ${listVersions(kind)}; upgrade the older side.`,
    );
  }
  return { schema: kind.schema, version: chosen.version, body: checkBody(kind, chosen, value) };
}

function checkBody<Latest>(
  kind: DocumentKind<Latest>,
  version: DocumentVersion<Latest>,
  body: unknown,
): Latest {
  const shape = checkShape(version.schema, body, kind.root);
  if (!shape.ok) throw typesErrors.error(kind.invalidCode, `${shape.sentence}.`);
  const [violation, ...others] = kind.rules(shape.value);
  if (violation === undefined) return shape.value;
  const error = new z.ZodError([violation, ...others].map(asIssue));
  throw typesErrors.error(kind.invalidCode, `${describeIssues(error, kind.root)}.`);
}

function asIssue({ path, message }: RuleViolation): z.core.$ZodIssue {
  return { code: 'custom', path: [...path], message, input: undefined };
}

function malformed(title: string, problem: Extract<JsonResult, { ok: false }>): Error {
  const code = problem.problem === 'too-large' ? 'document-too-large' : 'document-malformed';
  return typesErrors.error(code, `The text given as ${title} ${problem.message}.`);
}

function listVersions<Latest>(kind: DocumentKind<Latest>): string {
  const numbers = kind.versions.map(({ version }) => version);
  return numbers.length === 1 ? `version ${numbers[0]} alone` : `versions ${numbers.join(', ')}`;
}
