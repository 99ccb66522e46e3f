import type { ErrorBody } from '@drover/types';
import type { Output } from '../context.js';
import { failureJson } from '../output/failure.js';
import type { MigrationDisplay, MigrationOutcome, ShownEvent } from './display.js';

/** One event a line as it comes; the last line is the migration as it ended. For programs. */
export class JsonDisplay implements MigrationDisplay {
  readonly #output: Output;

  constructor(output: Output) {
    this.#output = output;
  }

  event(event: ShownEvent): void {
    // The end is told once, by `end`, as the migration itself.
    if (event.kind !== 'ended') this.#output.write(`${JSON.stringify(event)}\n`);
  }

  remark(): void {}

  end(_: MigrationOutcome, document: unknown): void {
    this.#output.write(`${JSON.stringify(document)}\n`);
  }

  lost(error: ErrorBody): void {
    this.#output.write(failureJson(error));
  }

  close(): void {}
}
