/**
 * `GET /migrations/{migration}/events`: server-sent events. A client that comes back with `Last-Event-ID` misses nothing but
 * progress that is out of date. Ends after the migration's end.
 */
import type { ServerResponse } from 'node:http';
import type { NumberedEvent } from '../migrations/events.js';
import type { Migration } from '../migrations/migration.js';

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

  /** Takes `response` over. `lastId` is the last event that the client has; 0 for none. */
  serve(
    response: ServerResponse,
    migration: Migration,
    lastId: number,
    headers: Record<string, string>,
  ): void {
    response.writeHead(200, {
      ...headers,
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
      response.write(formatEvent(numbered));
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

export function formatEvent({ id, event }: NumberedEvent): string {
  return `id: ${id}\nevent: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`;
}
