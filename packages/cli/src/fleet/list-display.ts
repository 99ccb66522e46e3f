import type { FleetEvent } from '@drover/protocol';
import type { CommandContext, Output } from '../context.js';
import { cutLine } from '../progress/block.js';
import { type DisplayClock, realClock } from '../progress/display.js';
import { LiveBlock } from '../progress/live-block.js';
import { describeEvent } from './event-line.js';

export interface Listed {
  readonly id: string;
  readonly name: string;
}

/** Shows a list each time that it was read. */
export interface ListDisplay<Item extends Listed> {
  show(items: readonly Item[]): void;
  /** Leaves the terminal as it was. Safe to call twice. */
  close(): void;
}

/** How items are shown. */
export interface ListForm<Item extends Listed> {
  readonly what: 'host' | 'instance';
  table(items: readonly Item[]): string;
  /** As the stream of events has it; its time is not shown. */
  event(item: Item): FleetEvent;
  /** Without the times that go on by themselves, so that what is left differs only by a change. */
  withoutTimes(item: Item): object;
}

/** The display that fits where the output goes. */
export function chooseListDisplay<Item extends Listed>(
  { stdout }: CommandContext,
  form: ListForm<Item>,
  json: boolean,
  clock: DisplayClock = realClock,
): ListDisplay<Item> {
  if (json) return jsonListDisplay(stdout, form);
  return stdout.isTTY === true ? liveListDisplay(stdout, form, clock) : lineListDisplay(stdout, form);
}

/** One line for each item at first, then for each that changed or is there no more, in the form of the fleet's events without a time. */
export function jsonListDisplay<Item extends Listed>(
  stdout: Output,
  { what, withoutTimes }: ListForm<Item>,
): ListDisplay<Item> {
  const differences = new Differences<Item>((item) => JSON.stringify(withoutTimes(item)));
  const write = (document: object) => stdout.write(`${JSON.stringify(document)}\n`);
  return {
    show(items) {
      const { changed, gone } = differences.since(items);
      for (const item of changed) write({ kind: what, [what]: item });
      for (const { id, name } of gone) write({ kind: 'gone', what, id, name });
    },
    close: () => undefined,
  };
}

/** The table, then one line for each item that changed or is there no more. */
export function lineListDisplay<Item extends Listed>(
  output: Output,
  { what, table, event }: ListForm<Item>,
): ListDisplay<Item> {
  const line = (item: Item) => describeEvent(event(item));
  const differences = new Differences<Item>(line);
  let first = true;
  return {
    show(items) {
      const { changed, gone } = differences.since(items);
      if (first) output.write(table(items));
      else for (const item of changed) output.write(`${line(item)}\n`);
      first = false;
      for (const { name } of gone) output.write(`the ${what} ${name} is listed no more\n`);
    },
    close: () => undefined,
  };
}

/** The table, drawn again in its place; what does not fit on the screen is counted. */
export function liveListDisplay<Item extends Listed>(
  output: Output,
  { what, table }: ListForm<Item>,
  clock: DisplayClock,
): ListDisplay<Item> {
  let shown: readonly Item[] | null = null;
  const block = new LiveBlock(output, clock, (_, width) => {
    if (shown === null) return [`Asking for the ${what}s …`];
    // The heading of the table, the line that counts, and the cursor's own.
    const room = Math.max((output.rows ?? DEFAULT_ROWS) - 3, 1);
    const lines = table(shown.slice(0, room)).trimEnd().split('\n');
    const left = shown.length - room;
    const counted = left > 0 ? [`and ${left} more`] : [];
    return [...lines, ...counted].map((line) => cutLine(line, width));
  });
  return {
    show(items) {
      shown = items;
      block.draw();
    },
    close: () => block.close(),
  };
}

/** Of a terminal that does not say how high it is. */
const DEFAULT_ROWS = 24;

/** What differs between one reading of a list and the one before, by `said` of its items. */
class Differences<Item extends Listed> {
  readonly #said: (item: Item) => string;
  #before = new Map<string, { readonly item: Item; readonly said: string }>();

  constructor(said: (item: Item) => string) {
    this.#said = said;
  }

  since(items: readonly Item[]): { readonly changed: readonly Item[]; readonly gone: readonly Item[] } {
    const before = this.#before;
    this.#before = new Map(items.map((item) => [item.id, { item, said: this.#said(item) }]));
    return {
      changed: items.filter(({ id }) => before.get(id)?.said !== this.#before.get(id)?.said),
      gone: [...before.values()].map(({ item }) => item).filter(({ id }) => !this.#before.has(id)),
    };
  }
}
