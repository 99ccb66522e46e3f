import type { MigrationProgress } from '@drover/types';
import type { Output } from '../context.js';
import { renderLine } from './block.js';
import type { DisplayClock, MigrationDisplay, MigrationOutcome, ShownEvent } from './display.js';
import { renderOutcome } from './outcome.js';
import { describeStep } from './step.js';

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

  event(event: ShownEvent): void {
    if (event.kind === 'note') this.remark(event.message);
    if (event.kind === 'progress') this.#progress(event.progress);
    if (event.kind !== 'migration') return;
    const { progress } = event.migration;
    if (progress === null) this.#line(describeStep(event.migration), '');
    else this.#progress(progress);
  }

  #progress(progress: MigrationProgress): void {
    this.#line(`${progress.phase} ${progress.round}`, renderLine(progress));
  }

  /** `text` once a step and from then on once in a while; where it is empty the step alone, once. */
  #line(step: string, text: string): void {
    const now = this.#clock.now();
    if (step === this.#step && (text === '' || now - this.#printedAt < QUIET_MS)) return;
    this.#step = step;
    this.#printedAt = now;
    this.#output.write(`${text || step}\n`);
  }

  remark(text: string): void {
    this.#output.write(`${text}\n`);
  }

  end(outcome: MigrationOutcome): void {
    this.#output.write(renderOutcome(outcome));
  }

  lost(): void {}

  close(): void {}
}
