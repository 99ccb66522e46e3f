import type { Output } from '../context.js';
import type { DisplayClock } from './display.js';

/** The clock on the screen goes on between events, so that a person sees that the command is alive. */
const REDRAW_MS = 250;

/** Lines at the end of a terminal that are drawn again in their place. */
export class LiveBlock {
  readonly #output: Output;
  readonly #clock: DisplayClock;
  readonly #render: (elapsedMs: number, width: number) => readonly string[];
  readonly #startedAt: number;
  readonly #stopClock: () => void;
  /** Lines of the block that are on the screen, above the cursor. */
  #drawn = 0;
  #closed = false;

  /** `render` makes the lines, none longer than `width`. */
  constructor(
    output: Output,
    clock: DisplayClock,
    render: (elapsedMs: number, width: number) => readonly string[],
  ) {
    this.#output = output;
    this.#clock = clock;
    this.#render = render;
    this.#startedAt = clock.now();
    this.#output.write(HIDE_CURSOR);
    this.draw();
    this.#stopClock = clock.every(REDRAW_MS, () => this.draw());
  }

  /** Writes `above` where the block was, and the block below it. */
  draw(above = ''): void {
    if (this.#closed) return;
    const lines = this.#render(this.#clock.now() - this.#startedAt, this.#output.columns || 80);
    const back = this.#drawn === 0 ? '' : `\u001b[${this.#drawn}A`;
    this.#output.write(`${back}\r${ERASE_BELOW}${above}${lines.join('\n')}\n`);
    this.#drawn = lines.length;
  }

  /** Leaves the block as it is last, and the terminal as it was. Safe to call twice. */
  close(): void {
    if (this.#closed) return;
    this.#stopClock();
    this.draw();
    this.#closed = true;
    this.#output.write(SHOW_CURSOR);
  }
}

const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';
const ERASE_BELOW = '\u001b[J';
