import { ask } from './ask.js';
import { encodeConnectionRole } from './connection-role.js';
import { type Deadlines, WIRE_DEADLINES } from './deadline.js';
import { type Exchange, writePayload } from './payload.js';
import type { RangeTable } from './range-table.js';
import { ignoreBytes, memoryQuestion } from './sender.js';
import type { PageSource, Wire } from './wire.js';

/**
 * One more connection that carries memory beside the main one, opened once Config was answered. A round is over when every table of it was
 * acknowledged on every connection; only then may a page be sent again.
 */
export class MemorySender {
  readonly #exchange: Exchange;

  private constructor(exchange: Exchange) {
    this.#exchange = exchange;
  }

  /** Says what the connection is for; nothing answers that. Errors: those of {@link sendMemory}. */
  static async open(options: {
    readonly wire: Wire;
    readonly deadlines?: Deadlines;
    readonly signal?: AbortSignal;
  }): Promise<MemorySender> {
    const { wire, deadlines = WIRE_DEADLINES, signal = new AbortController().signal } = options;
    try {
      await writePayload(
        { wire, deadlines, signal },
        encodeConnectionRole('precopyMemory'),
        "a connection's role",
      );
    } catch (thrown) {
      wire.close();
      throw thrown;
    }
    return new MemorySender({ wire, deadlines, signal });
  }

  /** As {@link import('./sender.js').MigrationSender.sendMemory}: after an error the whole migration has failed. */
  async sendMemory(table: RangeTable, source: PageSource, onMoved = ignoreBytes): Promise<void> {
    if (table.count === 0) return;
    try {
      await ask(this.#exchange, memoryQuestion(table, source, onMoved));
    } catch (thrown) {
      this.close();
      throw thrown;
    }
  }

  close(): void {
    this.#exchange.wire.close();
  }
}
