/**
 * Stored documents and their envelope {schema, version, body}. The envelope is read without knowing the body: an unknown
 * version is a clean refusal that lists the versions known, and never prevents reading a known one.
 */
import { z } from 'zod';
import { typesErrors } from '../codes.js';
import { checkShape, describeIssues } from './issues.js';
import { type JsonLimits, type JsonResult, parseStrictJson } from './json.js';
import { checkPlainJson, tooLarge } from './plain.js';
import { formatPath, quoteBriefly } from './quote.js';
import { DOCUMENT_SCHEMAS, type DocumentSchema } from './schemas.js';
import { formatVersions, type Version, type VersionHistory } from './versions.js';

/** How every stored document travels. Frozen: these three fields, for ever; what else a newer release may add is ignored. */
const envelopeSchema = z.object({
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

/** One kind of stored document. `Latest` is the value of its newest version, the only one that code outside sees. */
export interface DocumentKind<Latest> {
  readonly schema: DocumentSchema;
  /** For sentences, with its article: "an instance spec". */
  readonly title: string;
  /** First part of every path in sentences. */
  readonly root: string;
  /** What this release reads and writes. */
  readonly versions: VersionHistory<Latest>;
  readonly rules: (value: Latest) => readonly RuleViolation[];
  /** What a reader takes before it looks; above what a valid document can be. */
  readonly limits: JsonLimits;
  readonly invalidCode: 'spec-invalid' | 'document-invalid';
  readonly versionCode: 'spec-version-unknown' | 'document-version-unknown';
  readonly lossCode: 'spec-not-convertible' | 'document-not-convertible';
}

/** Something that a value says and that the versions a reader accepts cannot. */
export interface MissingFeature {
  /** `spec.components.nvme0.writeCache`. */
  readonly path: string;
  /** `nvme0.writeCache=false`. */
  readonly feature: string;
  /** The oldest version that can say it. */
  readonly needs: number;
}

/** True for what looks like an envelope rather than a bare body. */
export function isEnvelope(document: unknown): boolean {
  return typeof document === 'object' && document !== null && 'schema' in document && 'body' in document;
}

/**
 * Reads a document of any known version, as text, as the bytes of a text, or already parsed. Errors: `document-too-large`,
 * `document-malformed`, `document-schema-unknown`, and the kind's own codes for an unknown version and an invalid body.
 */
export function readDocument<Latest>(kind: DocumentKind<Latest>, document: unknown): Latest {
  const json =
    typeof document === 'string' || document instanceof Uint8Array
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
  if (schema !== kind.schema) throw wrongSchema(kind, schema);
  const known = kind.versions.all.find((each) => each.version === version);
  if (known === undefined) {
    throw typesErrors.error(
      kind.versionCode,
      `This is ${kind.title} of version ${version}, and this release reads ${listVersions(kind)}; use a release of Drover that knows version ${version}.`,
    );
  }
  const value = kind.versions.up(version, checkBody(kind, known.schema, body));
  checkRules(kind, value);
  return value;
}

/**
 * Writes `value` in the newest version that `accepted` holds (default: the newest of all). It is checked first, so a document that
 * exists can be read back. `reader` says in sentences who accepts them. Errors: `document-too-large`, and the kind's own codes.
 */
export function writeDocument<Latest>(
  kind: DocumentKind<Latest>,
  value: Latest,
  accepted: readonly number[] = kind.versions.numbers,
  reader = 'the reader',
): Envelope {
  const chosen = newestAccepted(kind, accepted);
  if (chosen === null) {
    throw typesErrors.error(
      kind.versionCode,
      `There is no version of ${kind.title} in common: ${reader} accepts ${formatVersions(accepted)}, and this release writes ${formatVersions(kind.versions.numbers)}; upgrade the older side.`,
    );
  }
  const checked = checkValue(kind, value);
  const { losses } = kind.versions.down(chosen.version, checked);
  if (losses.length > 0) {
    const needs = losses.map((loss) => `${loss.feature} needs ${nameOf(kind)} ${loss.needs}`).join(', ');
    throw typesErrors.error(kind.lossCode, `${needs}; ${reader} accepts ${formatVersions(accepted)}.`);
  }
  return envelopeOf(kind, chosen, checked);
}

/**
 * Writes `value` in the oldest version that says all of it, so that an older release can read it after a rollback. Errors:
 * `document-too-large`, and the kind's own code for what is not valid.
 */
export function writeDocumentForStorage<Latest>(kind: DocumentKind<Latest>, value: Latest): Envelope {
  const checked = checkValue(kind, value);
  return envelopeOf(kind, kind.versions.oldestFor(checked), checked);
}

/**
 * What of `value` the newest of the `accepted` versions that this release writes cannot say; empty where it can all be said, null
 * where no version is common.
 */
export function missingFeatures<Latest>(
  kind: DocumentKind<Latest>,
  value: Latest,
  accepted: readonly number[],
): readonly MissingFeature[] | null {
  const chosen = newestAccepted(kind, accepted);
  if (chosen === null) return null;
  // Every older version is reached through this one, and so says no more than it.
  return kind.versions.down(chosen.version, value).losses.map((loss) => ({
    path: formatPath(kind.root, loss.path),
    feature: loss.feature,
    needs: loss.needs,
  }));
}

function newestAccepted<Latest>(kind: DocumentKind<Latest>, accepted: readonly number[]): Version | null {
  return kind.versions.all.findLast(({ version }) => accepted.includes(version)) ?? null;
}

/** Defaults filled in, shape and rules held. */
function checkValue<Latest>(kind: DocumentKind<Latest>, value: Latest): Latest {
  const checked = checkBody(kind, kind.versions.newest.schema, value);
  checkRules(kind, checked);
  return checked;
}

/** `value` was checked, and `version` says all of it. */
function envelopeOf<Latest>(
  kind: DocumentKind<Latest>,
  { version, schema }: Version,
  value: Latest,
): Envelope {
  // The version's own shape has the last word: what it does not know is refused here rather than dropped by a wrong conversion (R8).
  const body = checkBody(kind, schema, kind.versions.down(version, value).value);
  const envelope = { schema: kind.schema, version, body };
  const json = checkPlainJson(envelope, kind.limits);
  if (!json.ok) throw malformed(kind.title, json);
  // Escapes and letters beyond ASCII make a text longer than its value.
  const bytes = new TextEncoder().encode(JSON.stringify(envelope)).length;
  if (bytes > kind.limits.maxBytes) throw malformed(kind.title, tooLarge(kind.limits));
  return envelope;
}

function checkBody<Body, Latest>(kind: DocumentKind<Latest>, schema: z.ZodType<Body>, body: unknown): Body {
  const shape = checkShape(schema, body, kind.root);
  if (shape.ok) return shape.value;
  throw typesErrors.error(kind.invalidCode, `${shape.sentence}.`);
}

function checkRules<Latest>(kind: DocumentKind<Latest>, value: Latest): void {
  const violations = kind.rules(value);
  if (violations.length === 0) return;
  const error = new z.ZodError(violations.map(asIssue));
  throw typesErrors.error(kind.invalidCode, `${describeIssues(error, kind.root)}.`);
}

function asIssue({ path, message }: RuleViolation): z.core.$ZodIssue {
  return { code: 'custom', path: [...path], message, input: undefined };
}

function malformed(title: string, problem: Extract<JsonResult, { ok: false }>): Error {
  const code = problem.problem === 'too-large' ? 'document-too-large' : 'document-malformed';
  return typesErrors.error(code, `The text given as ${title} ${problem.message}.`);
}

function wrongSchema<Latest>(kind: DocumentKind<Latest>, schema: string): Error {
  const known = DOCUMENT_SCHEMAS.some((name) => name === schema)
    ? ''
    : `; this release knows ${DOCUMENT_SCHEMAS.join(', ')}`;
  return typesErrors.error(
    'document-schema-unknown',
    `This is a document of schema ${quoteBriefly(schema)} where ${kind.title} ("${kind.schema}") is expected${known}.`,
  );
}

function listVersions<Latest>(kind: DocumentKind<Latest>): string {
  const { numbers } = kind.versions;
  return numbers.length === 1 ? `version ${numbers[0]} alone` : `versions ${formatVersions(numbers)}`;
}

/** The title without its article. */
function nameOf<Latest>(kind: DocumentKind<Latest>): string {
  return kind.title.replace(/^an? /, '');
}
