import { PEER_VERSIONS } from './registry.js';

/** The protocol versions that one side speaks: every one from `oldest` to `newest`. */
export interface VersionWindow {
  readonly oldest: number;
  readonly newest: number;
}

/** What this release speaks. */
export const OUR_VERSIONS: VersionWindow = {
  oldest: Math.min(...PEER_VERSIONS),
  newest: Math.max(...PEER_VERSIONS),
};

export type VersionAgreement =
  | { readonly ok: true; readonly version: number }
  /** `message` is a sentence that names both windows and which side to upgrade. */
  | { readonly ok: false; readonly code: 'peer-version-unknown'; readonly message: string };

/** The highest version that both windows hold, or a refusal (R7). Symmetric: both sides come to the same answer. */
export function agreeVersion(ours: VersionWindow, theirs: VersionWindow): VersionAgreement {
  const version = Math.min(ours.newest, theirs.newest);
  if (version >= Math.max(ours.oldest, theirs.oldest)) return { ok: true, version };
  const older = ours.newest < theirs.newest ? 'this side' : 'the peer';
  return {
    ok: false,
    code: 'peer-version-unknown',
    message: `This side speaks peer protocol ${sayWindow(ours)}, the peer ${sayWindow(theirs)}: no version is common; upgrade ${older}.`,
  };
}

function sayWindow({ oldest, newest }: VersionWindow): string {
  return oldest === newest ? `version ${oldest}` : `versions ${oldest} to ${newest}`;
}
