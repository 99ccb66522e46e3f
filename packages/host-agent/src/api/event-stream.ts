/**
 * `GET /migrations/{migration}/events`: server-sent events. A client that comes back with `Last-Event-ID` misses nothing but
 * progress that is out of date. Ends after the migration's end.
 */
import type { ServerResponse } from 'node:http';
import { API_VERSION_HEADER } from '@drover/protocol';
import type { NumberedEvent } from '../migrations/events.js';
import type { Migration } from '../migrations/migration.js';
import type { ServedContract } from './contracts.js';

/** What a stream needs of the version that it is asked in. */
export type EventContract = Pick<ServedContract, 'version' | 'event'>;

/** Unsent bytes above which progress is left out: a slow reader gets fewer lines, not later ones. */
const SKIP_PROGRESS_BYTES = 64 * 1024;
/** Unsent bytes above which the reader is given up; it can come back. */
const GIVE_UP_BYTES = 1 << 20;

export class EventStreams {
  readonly #heartbeatMs: number;
  readonly #open = new Set<() => void>();

  constructor(heartbeatMs: number) {
    this.#heartbeatMs = heartbeatMs;
  }

  /** Takes `response` over. `lastId` is the last event that the client has; 0 for none. Events are as `contract` has them. */
  serve(response: ServerResponse, migration: Migration, lastId: number, contract: EventContract): void {
    response.writeHead(200, {
      [API_VERSION_HEADER]: contract.version,
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    response.flushHeaders();
    let unsubscribe: () => void = () => undefined;
    let closed = false;
    const heartbeat = setInterval(() => response.write(': still here\n\n'), this.#heartbeatMs);
    const close = () => {
      closed = true;
      clearInterval(heartbeat);
      unsubscribe();
      this.#open.delete(close);
      response.end();
    };
    this.#open.add(close);
    response.on('close', close);
    response.on('error', close);
    unsubscribe = migration.events.subscribe(lastId, (numbered) => {
      if (response.writableLength > GIVE_UP_BYTES) return close();
      if (numbered.event.kind === 'progress' && response.writableLength > SKIP_PROGRESS_BYTES) return;
      response.write(formatEvent(numbered, contract));
      if (numbered.event.kind === 'ended') queueMicrotask(close);
    });
    // Given up while the backlog was handed over.
    if (closed) unsubscribe();
  }

  /** Ends every stream: the agent is stopping. */
  close(): void {
    for (const close of [...this.#open]) close();
  }
}

export function formatEvent({ id, event }: NumberedEvent, contract: EventContract): string {
  return `id: ${id}\nevent: ${event.kind}\ndata: ${JSON.stringify(contract.event(event))}\n\n`;
}
