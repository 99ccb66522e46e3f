import { DOCUMENT_LIMITS } from '../document/json.js';
import { type DocumentKind, type Envelope, readDocument, writeDocument } from '../document/kind.js';
import { type HostV1, hostV1 } from './v1.js';

/** Name of host descriptions in an envelope. */
export const HOST_SCHEMA = 'drover.host';
/** Versions that this release reads and writes, oldest first. */
export const HOST_VERSIONS = [1] as const;

const hostDocument: DocumentKind<HostV1> = {
  schema: HOST_SCHEMA,
  title: 'a host description',
  root: 'host',
  versions: [{ version: 1, schema: hostV1 }],
  rules: () => [],
  limits: DOCUMENT_LIMITS,
  invalidCode: 'document-invalid',
  versionCode: 'document-version-unknown',
};

/** Errors: `document-invalid`, `document-version-unknown`, `document-schema-unknown`, `document-malformed`, `document-too-large`. */
export function readHost(document: unknown): HostV1 {
  return readDocument(hostDocument, document);
}

/** Writes the newest version among `accepted` (default: the newest). Errors: `document-invalid`, `document-version-unknown`. */
export function writeHost(host: HostV1, accepted?: readonly number[]): Envelope {
  return writeDocument(hostDocument, host, accepted);
}
