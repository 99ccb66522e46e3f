import type { MigrationEvent, MigrationView } from '@drover/protocol';
import type { MigrationProgress } from '@drover/types';
import type { Output } from '../context.js';
import { renderBlock } from './block.js';
import type { DisplayClock, MigrationDisplay, MigrationTitle } from './display.js';
import { renderOutcome } from './outcome.js';

/** The clock on the screen goes on between events, so that a person sees that the command is alive. */
const REDRAW_MS = 250;

/** A block of lines that is drawn again in its place. For terminals. */
export class LiveDisplay implements MigrationDisplay {
  readonly #output: Output;
  readonly #title: MigrationTitle;
  readonly #clock: DisplayClock;
  readonly #startedAt: number;
  readonly #stopClock: () => void;
  #progress: MigrationProgress | null = null;
  /** Lines of the block that are on the screen, above the cursor. */
  #drawn = 0;
  #closed = false;

  constructor(output: Output, title: MigrationTitle, clock: DisplayClock) {
    this.#output = output;
    this.#title = title;
    this.#clock = clock;
    this.#startedAt = clock.now();
    this.#output.write(HIDE_CURSOR);
    this.#draw('');
    this.#stopClock = clock.every(REDRAW_MS, () => this.#draw(''));
  }

  event(event: MigrationEvent): void {
    if (event.kind === 'progress') {
      this.#progress = event.progress;
      this.#draw('');
    } else if (event.kind === 'note') this.#draw(`${event.message}\n`);
  }

  remark(text: string): void {
    this.#draw(`${text}\n`);
  }

  end(migration: MigrationView): void {
    this.close();
    this.#output.write(renderOutcome(migration));
  }

  lost(): void {
    this.close();
  }

  close(): void {
    if (this.#closed) return;
    this.#stopClock();
    this.#draw('');
    this.#closed = true;
    this.#output.write(SHOW_CURSOR);
  }

  /** Writes `above` where the block was, and the block below it. */
  #draw(above: string): void {
    if (this.#closed) return;
    const elapsedMs = this.#clock.now() - this.#startedAt;
    const lines = renderBlock(this.#title, this.#progress, elapsedMs, this.#output.columns || 80);
    const back = this.#drawn === 0 ? '' : `\u001b[${this.#drawn}A`;
    this.#output.write(`${back}\r${ERASE_BELOW}${above}${lines.join('\n')}\n`);
    this.#drawn = lines.length;
  }
}

const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';
const ERASE_BELOW = '\u001b[J';
