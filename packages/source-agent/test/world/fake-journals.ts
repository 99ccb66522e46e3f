import type { DestinationJournal, JournalOutcome } from '@drover/destination-agent';
import type { SourceJournal } from '../../src/index.js';

/** Runs before a record counts as written; may wait, or throw to let the write fail. */
export type BeforeWrite = (record: string) => Promise<void> | void;

export class FakeSourceJournal implements SourceJournal {
  before: BeforeWrite = () => {};

  constructor(private readonly log: string[]) {}

  relinquish(epoch: bigint): Promise<void> {
    return this.#write(`relinquished ${epoch}`);
  }

  done(): Promise<void> {
    return this.#write('done');
  }

  aborted(): Promise<void> {
    return this.#write('aborted');
  }

  takeBack(epoch: bigint): Promise<void> {
    return this.#write(`taken back ${epoch}`);
  }

  async #write(record: string): Promise<void> {
    await this.before(record);
    this.log.push(`source: ${record}`);
  }
}

export class FakeDestinationJournal implements DestinationJournal {
  before: BeforeWrite = () => {};
  /** Where records are noted. */
  log: string[] = [];
  #last: { outcome: JournalOutcome; epoch: bigint } = { outcome: 'unknown', epoch: 0n };

  preparing(epoch: bigint): Promise<void> {
    return this.#write('preparing', epoch);
  }

  ready(epoch: bigint): Promise<void> {
    return this.#write('ready', epoch);
  }

  owned(epoch: bigint): Promise<void> {
    return this.#write('owned', epoch);
  }

  aborted(): Promise<void> {
    return this.#write('aborted', this.#last.epoch);
  }

  outcome(): { readonly outcome: JournalOutcome; readonly epoch: bigint } {
    return this.#last;
  }

  async #write(outcome: JournalOutcome, epoch: bigint): Promise<void> {
    await this.before(outcome);
    this.#last = { outcome, epoch };
    this.log.push(`destination: ${outcome}`);
  }
}
