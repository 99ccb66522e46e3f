import { protocolErrors } from '../errors.js';
import { PEER_VERSIONS, type PeerVersion } from './registry.js';

/** The protocol versions that one side speaks, as a preamble says it: every one from `oldest` to `newest`. */
export interface VersionWindow {
  readonly oldest: number;
  readonly newest: number;
}

/** `versions` without gaps, as {@link selectPeerVersions} makes sure. */
export function windowOf(versions: readonly number[]): VersionWindow {
  return { oldest: Math.min(...versions), newest: Math.max(...versions) };
}

/**
 * The versions that a side may be held to, for a fleet that is being upgraded: a part of {@link PEER_VERSIONS} without gaps, ascending.
 * Error: `peer-versions-invalid`.
 */
export function selectPeerVersions(wanted: readonly number[]): readonly PeerVersion[] {
  const chosen = PEER_VERSIONS.filter((version) => wanted.includes(version));
  const { oldest, newest } = windowOf(chosen);
  if (chosen.length === 0 || chosen.length !== wanted.length || newest - oldest !== chosen.length - 1) {
    throw protocolErrors.error(
      'peer-versions-invalid',
      `Peer protocol versions ${wanted.join(', ') || '(none)'} cannot be spoken: choose some of ${PEER_VERSIONS.join(', ')}, each once and without a gap.`,
    );
  }
  return chosen;
}

export type VersionAgreement<V extends number> =
  | { readonly ok: true; readonly version: V }
  /** `message` is a sentence that names both windows and which side to upgrade. */
  | { readonly ok: false; readonly code: 'peer-version-unknown'; readonly message: string };

/** The highest of our versions that the peer's window holds, or a refusal (R7). Both sides come to the same answer. */
export function agreeVersion<V extends number>(
  ours: readonly V[],
  theirs: VersionWindow,
): VersionAgreement<V> {
  const common = ours.filter((version) => version >= theirs.oldest && version <= theirs.newest);
  const version = common.reduce<V | null>((best, each) => (best === null || each > best ? each : best), null);
  if (version !== null) return { ok: true, version };
  const window = windowOf(ours);
  const older = window.newest < theirs.newest ? 'this side' : 'the peer';
  return {
    ok: false,
    code: 'peer-version-unknown',
    message: `This side speaks peer protocol ${sayWindow(window)}, the peer ${sayWindow(theirs)}: no version is common; upgrade ${older}.`,
  };
}

function sayWindow({ oldest, newest }: VersionWindow): string {
  return oldest === newest ? `version ${oldest}` : `versions ${oldest} to ${newest}`;
}
