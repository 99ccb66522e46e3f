/** One page of a list; `nextCursor` is for the page behind it, null on the last. */
export interface Page<Item> {
  readonly items: Item[];
  readonly nextCursor: string | null;
}

/** Where to go on, as every list of the public API takes it. */
interface Position {
  readonly cursor?: string;
}

/**
 * Every item of a list, page by page; the next page is asked for when the last item of the one before was taken. What changes meanwhile
 * may be seen or not, but nothing that stays is missed or comes twice.
 */
export async function* eachItem<Item>(
  read: (position: Position) => Promise<Page<Item>>,
  from: { readonly cursor?: string | undefined } = {},
): AsyncGenerator<Item, void, undefined> {
  let { cursor } = from;
  for (;;) {
    const { items, nextCursor } = await read(cursor === undefined ? {} : { cursor });
    yield* items;
    if (nextCursor === null) return;
    cursor = nextCursor;
  }
}
