import { DOCUMENT_LIMITS } from '../document/json.js';
import { type DocumentKind, type Envelope, readDocument, writeDocument } from '../document/kind.js';
import { checkInstanceSpecRules } from './rules.js';
import { type InstanceSpecV1, type InstanceSpecV1Input, instanceSpecV1 } from './v1.js';

/** Name of instance specs in an envelope. */
export const INSTANCE_SPEC_SCHEMA = 'drover.instance-spec';

/** Versions that this release reads and writes, oldest first. */
export const INSTANCE_SPEC_VERSIONS = [1] as const;

/** An instance spec as it is stored and sent. */
export interface InstanceSpecEnvelope extends Envelope {
  readonly schema: typeof INSTANCE_SPEC_SCHEMA;
}

const instanceSpecDocument: DocumentKind<InstanceSpecV1> = {
  schema: INSTANCE_SPEC_SCHEMA,
  title: 'an instance spec',
  root: 'spec',
  versions: [{ version: 1, schema: instanceSpecV1 }],
  rules: checkInstanceSpecRules,
  limits: DOCUMENT_LIMITS,
  invalidCode: 'spec-invalid',
  versionCode: 'spec-version-unknown',
};

/**
 * Reads an instance spec in its envelope, as text or already parsed, of any version known. Errors: `spec-invalid`,
 * `spec-version-unknown`, `document-schema-unknown`, `document-malformed`, `document-too-large`; each is one sentence.
 */
export function readInstanceSpec(document: unknown): InstanceSpecV1 {
  return readDocument(instanceSpecDocument, document);
}

/**
 * Writes a spec in the newest version among `accepted` (default: the newest). Checks it first, defaults filled in. Errors:
 * `spec-invalid`, and `spec-version-unknown` where the reader accepts none of ours.
 */
export function writeInstanceSpec(
  spec: InstanceSpecV1Input,
  accepted?: readonly number[],
): InstanceSpecEnvelope {
  // The body is parsed before it is written, so defaults that a person left out are in what leaves.
  const envelope = writeDocument(instanceSpecDocument, spec as InstanceSpecV1, accepted);
  return { ...envelope, schema: INSTANCE_SPEC_SCHEMA };
}
