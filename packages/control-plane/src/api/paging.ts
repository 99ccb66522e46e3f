/**
 * Pages by key: a cursor is the last key of a page, so that a page costs the same wherever it is and nothing shifts under it. It goes out as
 * base64url of what list it is of and the key, and what comes back is checked before the database sees it.
 */
import { controlPlaneErrors } from '../errors.js';

/** What one part of a key must look like. */
export type KeyPart = 'text' | 'uuid' | 'time' | 'number';

const PARTS: Record<KeyPart, RegExp> = {
  text: /^[^\0]{0,253}$/,
  uuid: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  time: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/,
  number: /^(0|[1-9]\d{0,18})$/,
};

export interface ListKey<Row> {
  /** Name of the list. */
  readonly list: string;
  readonly parts: readonly KeyPart[];
  readonly of: (row: Row) => readonly string[];
}

export interface Page<Item> {
  items: Item[];
  nextCursor: string | null;
}

/** Errors: `cursor-invalid`. Null where there is none. */
export function readCursor(
  key: Pick<ListKey<never>, 'list' | 'parts'>,
  cursor: string | undefined,
): readonly string[] | null {
  if (cursor === undefined) return null;
  let given: unknown;
  try {
    given = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    throw invalid();
  }
  if (!Array.isArray(given) || given.length !== key.parts.length + 1 || given[0] !== key.list)
    throw invalid();
  const values: unknown[] = given.slice(1);
  for (const [index, part] of key.parts.entries()) {
    const value = values[index];
    if (typeof value !== 'string' || !PARTS[part].test(value)) throw invalid();
    if (part === 'time' && Number.isNaN(Date.parse(value))) throw invalid();
  }
  return values as string[];
}

/** Takes one row more than `limit` to tell whether there is another page. */
export function pageOf<Row>(
  key: ListKey<Row>,
  rows: readonly Row[],
  limit: number,
): { rows: Row[]; nextCursor: string | null } {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  if (rows.length <= limit || last === undefined) return { rows: page, nextCursor: null };
  const cursor = JSON.stringify([key.list, ...key.of(last)]);
  return { rows: page, nextCursor: Buffer.from(cursor, 'utf8').toString('base64url') };
}

function invalid(): Error {
  return controlPlaneErrors.error(
    'cursor-invalid',
    'The cursor was not given out by this list; take nextCursor as it is, or leave the cursor out.',
  );
}
