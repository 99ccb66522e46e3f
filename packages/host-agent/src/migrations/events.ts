/**
 * The events of one migration, numbered from 1: a bounded backlog for those who come late or come back, and whoever
 * listens now. What falls out of the backlog is progress that nobody needs any more.
 */
import type { MigrationEvent } from '@drover/protocol';

const BACKLOG = 512;

export interface NumberedEvent {
  readonly id: number;
  readonly event: MigrationEvent;
}

export type EventListener = (event: NumberedEvent) => void;

export class MigrationEvents {
  readonly #backlog: NumberedEvent[] = [];
  readonly #listeners = new Set<EventListener>();
  #next = 1;

  publish(event: MigrationEvent): void {
    const numbered = Object.freeze({ id: this.#next, event });
    this.#next += 1;
    this.#backlog.push(numbered);
    if (this.#backlog.length > BACKLOG) this.#backlog.shift();
    for (const listener of [...this.#listeners]) listener(numbered);
  }

  /**
   * Hands over what came after `lastId`, oldest first, then everything as it comes, until the returned function is called. The
   * end is handed over again to who has it already, for nothing follows it. A number that was not given yet is from before
   * the agent's restart, and counts as none.
   */
  subscribe(lastId: number, listener: EventListener): () => void {
    const seen = lastId < this.#next ? lastId : 0;
    for (const numbered of [...this.#backlog]) {
      if (numbered.id > seen || numbered.event.kind === 'ended') listener(numbered);
    }
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Drops progress from the backlog: after the end it is of no use, and many ended migrations must not add up. */
  trim(): void {
    const kept = this.#backlog.filter(({ event }) => event.kind !== 'progress');
    this.#backlog.splice(0, this.#backlog.length, ...kept.slice(-32));
  }
}
