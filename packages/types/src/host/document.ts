import { checkManifest } from '../compatibility/document.js';
import { compatibilityV1 } from '../compatibility/v1.js';
import { DOCUMENT_LIMITS } from '../document/json.js';
import {
  type DocumentKind,
  type Envelope,
  type RuleViolation,
  readDocument,
  writeDocument,
} from '../document/kind.js';
import { VersionHistory } from '../document/versions.js';
import type { Host } from './latest.js';
import { hostV1 } from './v1.js';
import { conversionV2, hostV2 } from './v2.js';
import { conversionV3, hostV3 } from './v3.js';

/** Name of host descriptions in an envelope. */
export const HOST_SCHEMA = 'drover.host';

export const hostDocument: DocumentKind<Host> = {
  schema: HOST_SCHEMA,
  title: 'a host description',
  root: 'host',
  versions: VersionHistory.from(1, hostV1).next(2, hostV2, conversionV2).next(3, hostV3, conversionV3),
  rules: checkHost,
  limits: DOCUMENT_LIMITS,
  invalidCode: 'document-invalid',
  versionCode: 'document-version-unknown',
  lossCode: 'document-not-convertible',
};

/** Versions that this release reads and writes, oldest first. To add one: the steps at {@link VersionHistory}. */
export const HOST_VERSIONS: readonly number[] = hostDocument.versions.numbers;

/** Errors: `document-invalid`, `document-version-unknown`, `document-schema-unknown`, `document-malformed`, `document-too-large`. */
export function readHost(document: unknown): Host {
  return readDocument(hostDocument, document);
}

/**
 * Writes the newest version among `accepted` (default: the newest). Errors: `document-invalid`, `document-version-unknown`,
 * `document-not-convertible`, `document-too-large`.
 */
export function writeHost(host: Host, accepted?: readonly number[], reader?: string): Envelope {
  return writeDocument(hostDocument, host, accepted, reader);
}

/**
 * | rule | why |
 * | --- | --- |
 * | what the description accepts makes a valid manifest | version 1 bounds its windows and names less than a manifest does |
 * | the manifest is of this host and its release | two answers to one question would drift apart |
 * | the processor's features ascend, each once | the same processor is described by the same bytes |
 */
function checkHost(host: Host): readonly RuleViolation[] {
  const path = ['compatibility'] as const;
  const manifest = compatibilityV1.safeParse(host.compatibility);
  if (!manifest.success) {
    return manifest.error.issues.map((issue) => ({ path: [...path, ...issue.path], message: issue.message }));
  }
  const problems = checkManifest(host.compatibility).map((problem) => ({
    path: [...path, ...problem.path],
    message: problem.message,
  }));
  if (host.compatibility.host !== host.name) {
    problems.push({ path: [...path, 'host'], message: "is not the description's name" });
  }
  if (host.compatibility.release !== host.release) {
    problems.push({ path: [...path, 'release'], message: "is not the description's release" });
  }
  const features = host.cpu?.features ?? [];
  if (features.some((name, index) => index > 0 && name <= (features[index - 1] ?? name))) {
    problems.push({ path: ['cpu', 'features'], message: 'does not ascend' });
  }
  return problems;
}
