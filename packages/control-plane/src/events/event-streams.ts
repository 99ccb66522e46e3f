/**
 * The event streams of this replica's readers. Events come from the feed and are read and written out once for all readers; one that comes back
 * first gets what it missed from the table. A reader that is too slow is not queued for: it gets a `gap` once it takes something again, and reads
 * the lists anew.
 */
import type { ServerResponse } from 'node:http';
import { API_VERSION_HEADER, type FleetEvent } from '@drover/protocol';
import type { Logger } from 'pino';
import type { EventFeed, FeedEvent } from './feed.js';

/** Reads subjects as the public API shows them; one that is gone is left out. */
export type SubjectViews = {
  readonly [K in FeedEvent['kind']]?: (ids: readonly string[]) => Promise<ReadonlyMap<string, object>>;
};

export interface Wanted {
  readonly version: string;
  /** The last event that the reader has; null begins with what comes next. */
  readonly after: bigint | null;
  /** Null for all. `gap` comes to everybody. */
  readonly kinds: ReadonlySet<string> | null;
  /** Only of this subject. */
  readonly subject?: string;
  /** What is sent before all else. */
  readonly first?: FleetEvent;
  /** The last one that this reader gets. */
  readonly isLast?: (event: FleetEvent) => boolean;
}

interface Rendered {
  readonly id: bigint;
  readonly subject: string;
  readonly event: FleetEvent;
  readonly text: string;
}

interface Reader {
  readonly wanted: Wanted;
  readonly response: ServerResponse;
  /** Still given what it missed; live events reach it by way of the table. */
  catchingUp: boolean;
  /** Takes nothing now. */
  behind: boolean;
  readonly close: () => void;
}

/** Unsent bytes above which a reader counts as too slow. */
const HIGH_WATER_BYTES = 256 * 1024;
/** Events read from the table at once for one who comes back, and at most in all: who missed more reads the lists. */
const PAGE = 200;
const MOST_MISSED = 10_000;

export class EventStreams {
  readonly #feed: EventFeed;
  readonly #views: SubjectViews;
  readonly #heartbeatMs: number;
  readonly #logger: Logger;
  readonly #readers = new Set<Reader>();
  /** Id of the last event that was sent to live readers. */
  #sent = 0n;

  constructor(feed: EventFeed, views: SubjectViews, heartbeatMs: number, logger: Logger) {
    this.#feed = feed;
    this.#views = views;
    this.#heartbeatMs = heartbeatMs;
    this.#logger = logger;
    feed.read((events) => this.#heed(events));
  }

  get readers(): number {
    return this.#readers.size;
  }

  /** To be called when the feed has begun. */
  start(): void {
    this.#sent = this.#feed.cursor;
  }

  /** Takes `response` over. */
  serve(response: ServerResponse, wanted: Wanted): void {
    response.writeHead(200, {
      [API_VERSION_HEADER]: wanted.version,
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    // Says at once from where on this reader misses nothing.
    response.write(`: from ${this.#sent}\n\n`);
    const heartbeat = setInterval(() => response.write(': still here\n\n'), this.#heartbeatMs);
    const close = () => {
      clearInterval(heartbeat);
      this.#readers.delete(reader);
      response.end();
    };
    const reader: Reader = { wanted, response, catchingUp: true, behind: false, close };
    this.#readers.add(reader);
    response.on('close', close);
    response.on('error', close);
    if (wanted.first) {
      response.write(format(this.#sent, wanted.first));
      if (wanted.isLast?.(wanted.first)) {
        close();
        return;
      }
    }
    void this.#catchUp(reader).catch((err: unknown) => {
      this.#logger.debug({ err }, 'a reader could not be given the events that it missed');
      close();
    });
  }

  /** Ends every stream: the control plane is stopping. */
  close(): void {
    for (const { close } of [...this.#readers]) close();
  }

  async #catchUp(reader: Reader): Promise<void> {
    const { after } = reader.wanted;
    if (after === null || after === this.#sent) {
      reader.catchingUp = false;
      return;
    }
    let last = after;
    if (after > this.#sent || this.#sent - after > BigInt(MOST_MISSED)) last = this.#gap(reader);
    while (this.#readers.has(reader) && last < this.#sent) {
      const events = await this.#feed.after(last, PAGE);
      const [first] = events;
      // Ids have no gaps, so a missing one was removed since.
      if (!first || first.id !== last + 1n) last = this.#gap(reader);
      else {
        const due = events.filter(({ id }) => id <= this.#sent);
        for (const rendered of await this.#render(due)) this.#send(reader, rendered);
        last = due.at(-1)?.id ?? last;
        await drained(reader.response);
      }
    }
    // Nothing is awaited between this and the comparison above: from here on live events follow without a seam.
    reader.catchingUp = false;
  }

  /** Returns the id from which on this reader misses nothing. */
  #gap(reader: Reader): bigint {
    reader.response.write(format(this.#sent, { kind: 'gap', at: new Date().toISOString() }));
    return this.#sent;
  }

  async #heed(events: readonly FeedEvent[]): Promise<void> {
    const fresh = events.filter(({ id }) => id > this.#sent);
    const last = fresh.at(-1);
    if (!last) return;
    const rendered = this.#readers.size === 0 ? [] : await this.#render(fresh);
    this.#sent = last.id;
    for (const reader of [...this.#readers]) {
      if (reader.catchingUp) continue;
      for (const one of rendered) this.#send(reader, one);
    }
  }

  #send(reader: Reader, { subject, event, text }: Rendered): void {
    const { response, wanted } = reader;
    if (reader.behind || !this.#readers.has(reader)) return;
    if (wanted.kinds !== null && !wanted.kinds.has(event.kind)) return;
    if (wanted.subject !== undefined && wanted.subject !== subject) return;
    if (response.writableLength > HIGH_WATER_BYTES) {
      reader.behind = true;
      response.once('drain', () => {
        reader.behind = false;
        this.#gap(reader);
      });
      return;
    }
    response.write(text);
    if (wanted.isLast?.(event)) reader.close();
  }

  /** In the order of the events; each subject as it is now. */
  async #render(events: readonly FeedEvent[]): Promise<Rendered[]> {
    const found = new Map<string, ReadonlyMap<string, object>>();
    for (const [kind, read] of Object.entries(this.#views)) {
      const ids = events.filter((event) => event.kind === kind).map(({ subject }) => subject);
      if (ids.length > 0) found.set(kind, await read([...new Set(ids)]));
    }
    return events.flatMap(({ id, at, kind, subject, body }) => {
      const view = kind === 'gone' ? body : found.get(kind)?.get(subject);
      if (!view) return [];
      const fields = kind === 'gone' ? { id: subject, ...view } : { [kind]: view };
      const event = { kind, at: at.toISOString(), ...fields } as unknown as FleetEvent;
      return [{ id, subject, event, text: format(id, event) }];
    });
  }
}

function format(id: bigint, event: FleetEvent): string {
  return `id: ${id}\nevent: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`;
}

async function drained(response: ServerResponse): Promise<void> {
  if (response.writableLength <= HIGH_WATER_BYTES || response.destroyed) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}
