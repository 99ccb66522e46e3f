import { DOCUMENT_LIMITS } from '../document/json.js';
import {
  type DocumentKind,
  type Envelope,
  type RuleViolation,
  readDocument,
  writeDocument,
} from '../document/kind.js';
import { fitsU64 } from '../u64.js';
import { type VmmStateV1, vmmStateV1 } from './v1.js';

/** Name of VMM states in an envelope. */
export const VMM_STATE_SCHEMA = 'drover.vmm-state';
/** Versions that this release reads and writes, oldest first. */
export const VMM_STATE_VERSIONS = [1] as const;

const vmmStateDocument: DocumentKind<VmmStateV1> = {
  schema: VMM_STATE_SCHEMA,
  title: 'a VMM state',
  root: 'state',
  versions: [{ version: 1, schema: vmmStateV1 }],
  rules: checkCounters,
  limits: DOCUMENT_LIMITS,
  invalidCode: 'document-invalid',
  versionCode: 'document-version-unknown',
};

/** Errors: `document-invalid`, `document-version-unknown`, `document-schema-unknown`, `document-malformed`, `document-too-large`. */
export function readVmmState(document: unknown): VmmStateV1 {
  return readDocument(vmmStateDocument, document);
}

/** Writes the newest version among `accepted` (default: the newest). Errors: `document-invalid`, `document-version-unknown`. */
export function writeVmmState(state: VmmStateV1, accepted?: readonly number[]): Envelope {
  return writeDocument(vmmStateDocument, state, accepted);
}

/** The shape allows twenty digits, which reach a little further than 64 bits. */
function checkCounters(state: VmmStateV1): readonly RuleViolation[] {
  return (['generation', 'epoch'] as const)
    .filter((field) => !fitsU64(state[field]))
    .map((field) => ({ path: [field], message: 'does not fit 64 bits' }));
}
