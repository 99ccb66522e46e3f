import type { CompatibilityV1 } from './v1.js';

/** One thing that a migration between two sides would meet. */
export interface CompatibilityFinding {
  /** Which migrations it is about: those with `a` as the source, with `b`, or all. */
  readonly direction: 'a-to-b' | 'b-to-a' | 'both';
  readonly severity: 'refused' | 'note';
  /** Never changes. */
  readonly code: RefusalCode | NoteCode;
  readonly sentence: string;
  /** What to do about it, as a sentence. */
  readonly remedy: string;
}

/** The error codes that a migration, or a request, would end with; each is in the error table of the package that raises it. */
export const refusalCodes = [
  'accelerator-unusable',
  'api-version-unknown',
  'cloud-hypervisor-version-unknown',
  'device-state-version-unsupported',
  'machine-type-unknown',
  'peer-version-unknown',
  'spec-version-unknown',
  'vmm-kind-unsupported',
] as const;
export type RefusalCode = (typeof refusalCodes)[number];

/** Codes of notes, and when each is given. */
export const noteCodes = {
  'peer-version-older': 'Both sides speak an older peer protocol than one of them could.',
  'spec-features-stay': 'Instances that use what a newer instance spec added stay on the side that knows it.',
  'machine-types-stay': 'Instances of machine types that the other side lacks stay.',
  'capability-unused': 'A capability that one side has is not used, because the other lacks it.',
  'api-version-older': 'An older agent API is used between them than one of them could.',
  'documents-newer': 'Documents that one side wrote may have versions that the other does not read.',
  'hosts-unknown': 'What depends on the hosts was not compared, because one side does not say it.',
} as const;
export type NoteCode = keyof typeof noteCodes;

/** A manifest and what it is called in sentences. */
export interface Side {
  readonly manifest: CompatibilityV1;
  readonly name: string;
}

/** The two sides, or one direction between them: from the source to the destination. */
export interface Direction {
  readonly direction: 'a-to-b' | 'b-to-a';
  readonly source: Side;
  readonly destination: Side;
}

export interface Sides {
  readonly a: Side;
  readonly b: Side;
  readonly directions: readonly Direction[];
}

/** `host-a (release 0.2.0)`, `release 0.2.0`; with " [A]" and " [B]" behind where both would be called the same. */
export function nameBoth(a: CompatibilityV1, b: CompatibilityV1): Sides {
  const [nameA, nameB] = [nameOf(a), nameOf(b)];
  const same = nameA === nameB;
  const sideA: Side = { manifest: a, name: same ? `${nameA} [A]` : nameA };
  const sideB: Side = { manifest: b, name: same ? `${nameB} [B]` : nameB };
  return {
    a: sideA,
    b: sideB,
    directions: [
      { direction: 'a-to-b', source: sideA, destination: sideB },
      { direction: 'b-to-a', source: sideB, destination: sideA },
    ],
  };
}

export function refusal(
  direction: CompatibilityFinding['direction'],
  code: RefusalCode,
  sentence: string,
  remedy: string,
) {
  return { direction, severity: 'refused', code, sentence, remedy } satisfies CompatibilityFinding;
}

export function note(
  direction: CompatibilityFinding['direction'],
  code: NoteCode,
  sentence: string,
  remedy: string,
) {
  return { direction, severity: 'note', code, sentence, remedy } satisfies CompatibilityFinding;
}

function nameOf({ release, host }: CompatibilityV1): string {
  return host === null ? `release ${release}` : `${host} (release ${release})`;
}
