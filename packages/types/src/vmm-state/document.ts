import { DOCUMENT_LIMITS } from '../document/json.js';
import {
  type DocumentKind,
  type Envelope,
  type RuleViolation,
  readDocument,
  writeDocument,
  writeDocumentForStorage,
} from '../document/kind.js';
import { VersionHistory } from '../document/versions.js';
import { fitsU64 } from '../u64.js';
import type { VmmState } from './latest.js';
import { vmmStateV1 } from './v1.js';
import { conversionV2, vmmStateV2 } from './v2.js';

/** Name of VMM states in an envelope. */
export const VMM_STATE_SCHEMA = 'drover.vmm-state';

export const vmmStateDocument: DocumentKind<VmmState> = {
  schema: VMM_STATE_SCHEMA,
  title: 'a VMM state',
  root: 'state',
  versions: VersionHistory.from(1, vmmStateV1).next(2, vmmStateV2, conversionV2),
  rules: checkCounters,
  limits: DOCUMENT_LIMITS,
  invalidCode: 'document-invalid',
  versionCode: 'document-version-unknown',
  lossCode: 'document-not-convertible',
};

/** Versions that this release reads and writes, oldest first. To add one: the steps at {@link VersionHistory}. */
export const VMM_STATE_VERSIONS: readonly number[] = vmmStateDocument.versions.numbers;

/** Errors: `document-invalid`, `document-version-unknown`, `document-schema-unknown`, `document-malformed`, `document-too-large`. */
export function readVmmState(document: unknown): VmmState {
  return readDocument(vmmStateDocument, document);
}

/**
 * Writes the newest version among `accepted` (default: the newest). Errors: `document-invalid`, `document-version-unknown`,
 * `document-not-convertible`, `document-too-large`.
 */
export function writeVmmState(state: VmmState, accepted?: readonly number[], reader?: string): Envelope {
  return writeDocument(vmmStateDocument, state, accepted, reader);
}

/** Writes the oldest version that says all of it. Errors: `document-invalid`, `document-too-large`. */
export function writeVmmStateForStorage(state: VmmState): Envelope {
  return writeDocumentForStorage(vmmStateDocument, state);
}

/** The shape allows twenty digits, which reach a little further than 64 bits. */
function checkCounters(state: VmmState): readonly RuleViolation[] {
  return (['generation', 'epoch'] as const)
    .filter((field) => !fitsU64(state[field]))
    .map((field) => ({ path: [field], message: 'does not fit 64 bits' }));
}
