import type { z } from 'zod';

/** Something that a value says and the next older version of its document has no words for. */
export interface Loss {
  /** From the document's root. */
  readonly path: readonly PropertyKey[];
  /** As people say it: `nvme0.writeCache=false`. */
  readonly feature: string;
}

/** A {@link Loss}, and the oldest version that can say it. */
export interface VersionedLoss extends Loss {
  readonly needs: number;
}

/** What a version can say of a value of the next newer one. */
export interface Downgrade<Older> {
  /** The same value where there are no losses; otherwise what is left without them, good for finding further losses alone. */
  readonly older: Older;
  readonly losses: readonly Loss[];
}

/** The way between a version and the one before it. Up is total and loses nothing; down loses nothing, or says what (R8). */
export interface Conversion<Older, Newer> {
  up(older: Older): Newer;
  down(newer: Newer): Downgrade<Older>;
}

/** One version of a document. */
export interface Version<Body = unknown> {
  readonly version: number;
  readonly schema: z.ZodType<Body>;
  /** The way to the version before it; null for the oldest. */
  readonly conversion: Conversion<unknown, unknown> | null;
}

/**
 * The versions of one kind of document, oldest first, each joined to its neighbour alone.
 *
 * To add a version: its module, one more `next` where the kind is declared, and what the package's README lists. The type of the
 * history is the newest version's, so that everything that uses the value then fails to compile until it knows the new one.
 */
export class VersionHistory<Latest> {
  private constructor(
    private readonly older: readonly Version[],
    readonly newest: Version<Latest>,
  ) {}

  /** Begins with the oldest version. */
  static from<First>(version: number, schema: z.ZodType<First>): VersionHistory<First> {
    return new VersionHistory([], { version, schema, conversion: null });
  }

  /** Adds the version after the newest. */
  next<Next>(
    version: number,
    schema: z.ZodType<Next>,
    conversion: Conversion<Latest, Next>,
  ): VersionHistory<Next> {
    // `up` and `down` keep the order that makes this cast right: each conversion gets what its neighbour gives.
    const erased = conversion as Conversion<unknown, unknown>;
    return new VersionHistory([...this.older, this.newest], { version, schema, conversion: erased });
  }

  /** Every version, oldest first. */
  get all(): readonly Version[] {
    return [...this.older, this.newest];
  }

  /** Every version number, ascending. */
  get numbers(): readonly number[] {
    return this.all.map(({ version }) => version);
  }

  /** A value of `version` as the newest version says it. */
  up(version: number, value: unknown): Latest {
    const newer = this.all.filter((each) => each.version > version);
    return newer.reduce((older, { conversion }) => conversion?.up(older), value) as Latest;
  }

  /** A value of the newest version as `version` says it; meaningless where there are losses. */
  down(
    version: number,
    value: Latest,
  ): { readonly value: unknown; readonly losses: readonly VersionedLoss[] } {
    const losses: VersionedLoss[] = [];
    let current: unknown = value;
    for (const { conversion, version: needs } of this.all.toReversed()) {
      if (needs <= version || conversion === null) break;
      const downgrade = conversion.down(current);
      losses.push(...downgrade.losses.map((loss) => ({ ...loss, needs })));
      current = downgrade.older;
    }
    return { value: current, losses };
  }

  /** The oldest version that says all of `value`. */
  oldestFor(value: Latest): Version {
    const says = ({ version }: Version) => this.down(version, value).losses.length === 0;
    return this.older.find(says) ?? this.newest;
  }
}

/** Version numbers for a sentence: `1–3`, `1, 3`, `none`. */
export function formatVersions(versions: readonly number[]): string {
  const sorted = [...new Set(versions)].sort((a, b) => a - b);
  const [first, last] = [sorted[0], sorted.at(-1)];
  if (first === undefined || last === undefined) return 'none';
  const contiguous = sorted.length > 1 && last - first === sorted.length - 1;
  return contiguous ? `${first}–${last}` : sorted.join(', ');
}
