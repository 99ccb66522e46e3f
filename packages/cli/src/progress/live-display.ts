import type { MigrationProgress } from '@drover/types';
import type { Output } from '../context.js';
import { renderBlock } from './block.js';
import type {
  DisplayClock,
  MigrationDisplay,
  MigrationOutcome,
  MigrationTitle,
  ShownEvent,
} from './display.js';
import { LiveBlock } from './live-block.js';
import { renderOutcome } from './outcome.js';
import { describeStep } from './step.js';

/** A block of lines that is drawn again in its place. For terminals. */
export class LiveDisplay implements MigrationDisplay {
  readonly #output: Output;
  readonly #block: LiveBlock;
  #title: MigrationTitle;
  #progress: MigrationProgress | null = null;
  #step = 'waiting';

  constructor(output: Output, title: MigrationTitle, clock: DisplayClock) {
    this.#output = output;
    this.#title = title;
    this.#block = new LiveBlock(output, clock, (elapsedMs, width) =>
      renderBlock(this.#title, this.#progress, this.#step, elapsedMs, width),
    );
  }

  event(event: ShownEvent): void {
    if (event.kind === 'note') this.remark(event.message);
    if (event.kind === 'progress') this.#progress = event.progress;
    if (event.kind === 'migration') {
      const { progress, destination } = event.migration;
      this.#progress = progress;
      this.#step = describeStep(event.migration);
      if (destination !== null) this.#title = { ...this.#title, destination: destination.name };
    }
    if (event.kind === 'progress' || event.kind === 'migration') this.#block.draw();
  }

  remark(text: string): void {
    this.#block.draw(`${text}\n`);
  }

  end(outcome: MigrationOutcome): void {
    this.close();
    this.#output.write(renderOutcome(outcome));
  }

  lost(): void {
    this.close();
  }

  close(): void {
    this.#block.close();
  }
}
