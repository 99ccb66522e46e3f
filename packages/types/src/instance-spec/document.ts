import { DOCUMENT_LIMITS } from '../document/json.js';
import {
  type DocumentKind,
  type Envelope,
  type MissingFeature,
  missingFeatures,
  readDocument,
  writeDocument,
  writeDocumentForStorage,
} from '../document/kind.js';
import { VersionHistory } from '../document/versions.js';
import type { InstanceSpec, InstanceSpecInput } from './latest.js';
import { checkInstanceSpecRules } from './rules.js';
import { instanceSpecV1 } from './v1.js';
import { conversionV2, instanceSpecV2 } from './v2.js';
import { conversionV3, instanceSpecV3 } from './v3.js';

/** Name of instance specs in an envelope. */
export const INSTANCE_SPEC_SCHEMA = 'drover.instance-spec';

/** An instance spec as it is stored and sent. */
export interface InstanceSpecEnvelope extends Envelope {
  readonly schema: typeof INSTANCE_SPEC_SCHEMA;
}

export const instanceSpecDocument: DocumentKind<InstanceSpec> = {
  schema: INSTANCE_SPEC_SCHEMA,
  title: 'an instance spec',
  root: 'spec',
  versions: VersionHistory.from(1, instanceSpecV1)
    .next(2, instanceSpecV2, conversionV2)
    .next(3, instanceSpecV3, conversionV3),
  rules: checkInstanceSpecRules,
  limits: DOCUMENT_LIMITS,
  invalidCode: 'spec-invalid',
  versionCode: 'spec-version-unknown',
  lossCode: 'spec-not-convertible',
};

/** Versions that this release reads and writes, oldest first. To add one: the steps at {@link VersionHistory}. */
export const INSTANCE_SPEC_VERSIONS: readonly number[] = instanceSpecDocument.versions.numbers;

/**
 * Reads an instance spec of any known version in its envelope, as text, as the bytes of a text, or already parsed. Errors:
 * `spec-invalid`, `spec-version-unknown`, `document-schema-unknown`, `document-malformed`, `document-too-large`; each is one sentence.
 */
export function readInstanceSpec(document: unknown): InstanceSpec {
  return readDocument(instanceSpecDocument, document);
}

/**
 * Writes a spec in the newest version among `accepted` (default: the newest). Checks it first, defaults filled in. `reader` says
 * in the refusals who accepts these versions: "host-b".
 *
 * Errors: `spec-invalid`; `spec-version-unknown` where the reader accepts none of ours; `spec-not-convertible`, which names every feature
 * in the way, "nvme0.writeCache=false needs instance spec 3; host-b accepts 1–2"; `document-too-large`.
 */
export function writeInstanceSpec(
  spec: InstanceSpecInput,
  accepted?: readonly number[],
  reader?: string,
): InstanceSpecEnvelope {
  // The spec is parsed before it is written, so defaults that a person left out are in what leaves.
  const envelope = writeDocument(instanceSpecDocument, spec as InstanceSpec, accepted, reader);
  return { ...envelope, schema: INSTANCE_SPEC_SCHEMA };
}

/**
 * Writes a spec in the oldest version that says all of it, so that a release before this one can read it after a rollback. Errors:
 * `spec-invalid`, `document-too-large`.
 */
export function writeInstanceSpecForStorage(spec: InstanceSpecInput): InstanceSpecEnvelope {
  const envelope = writeDocumentForStorage(instanceSpecDocument, spec as InstanceSpec);
  return { ...envelope, schema: INSTANCE_SPEC_SCHEMA };
}

/**
 * The features of `spec` that keep it from being written in one of the `accepted` versions, for a preflight; empty where nothing does,
 * null where this release writes none of them. {@link writeInstanceSpec} refuses with the same features.
 */
export function missingInSpecVersions(
  spec: InstanceSpec,
  accepted: readonly number[],
): readonly MissingFeature[] | null {
  return missingFeatures(instanceSpecDocument, spec, accepted);
}
