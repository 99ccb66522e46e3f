/** The first `limit` items of a list, or all of it. No page is asked for that is not needed. */
export async function takeItems<Item>(
  items: AsyncIterable<Item>,
  limit = Number.POSITIVE_INFINITY,
): Promise<Item[]> {
  const taken: Item[] = [];
  for await (const item of items) {
    taken.push(item);
    if (taken.length >= limit) break;
  }
  return taken;
}

/** Items a page, for a list that is wanted whole or up to `limit`. */
export function pageSize(limit: number | undefined): number {
  return Math.min(limit ?? LARGEST_PAGE, LARGEST_PAGE);
}

/** As the public API has it. */
const LARGEST_PAGE = 500;
