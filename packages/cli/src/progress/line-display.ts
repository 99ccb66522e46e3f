import type { MigrationEvent, MigrationView } from '@drover/protocol';
import type { Output } from '../context.js';
import { renderLine } from './block.js';
import type { DisplayClock, MigrationDisplay } from './display.js';
import { renderOutcome } from './outcome.js';

/** Within one round a line at most this often. */
const QUIET_MS = 1000;

/** One line a phase, a round and a second. For logs and pipes. */
export class LineDisplay implements MigrationDisplay {
  readonly #output: Output;
  readonly #clock: DisplayClock;
  #step = '';
  #printedAt = Number.NEGATIVE_INFINITY;

  constructor(output: Output, clock: DisplayClock) {
    this.#output = output;
    this.#clock = clock;
  }

  event(event: MigrationEvent): void {
    if (event.kind === 'note') this.remark(event.message);
    if (event.kind !== 'progress') return;
    const { phase, round } = event.progress;
    const step = `${phase} ${round}`;
    const now = this.#clock.now();
    if (step === this.#step && now - this.#printedAt < QUIET_MS) return;
    this.#step = step;
    this.#printedAt = now;
    this.#output.write(`${renderLine(event.progress)}\n`);
  }

  remark(text: string): void {
    this.#output.write(`${text}\n`);
  }

  end(migration: MigrationView): void {
    this.#output.write(renderOutcome(migration));
  }

  lost(): void {}

  close(): void {}
}
