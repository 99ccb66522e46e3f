/** Server-sent events (the WHATWG's format): bytes in, events out. */

export interface ServerEvent {
  /** Of the last `id` line so far; empty before the first. */
  readonly id: string;
  /** The lines of `data`, joined. */
  readonly data: string;
}

/** Longest event, characters; a longer one means that this is no event stream. */
const MAX_EVENT = 4 << 20;

/** Takes text in pieces as they come and returns the events that each completes. */
export class EventStreamParser {
  #rest = '';
  #id = '';
  #data: string[] = [];

  /** Throws RangeError when an event does not end. */
  push(text: string): ServerEvent[] {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > MAX_EVENT) throw new RangeError('a line of the event stream does not end');
    const events: ServerEvent[] = [];
    for (const line of lines) {
      const event = this.#line(line.endsWith('\r') ? line.slice(0, -1) : line);
      if (event) events.push(event);
    }
    return events;
  }

  #line(line: string): ServerEvent | null {
    if (line === '') {
      const data = this.#data.join('\n');
      this.#data = [];
      return data === '' ? null : { id: this.#id, data };
    }
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') this.#data.push(value);
    else if (field === 'id') this.#id = value;
    return null;
  }
}

/** The events of a response's body, as they come; ends with it. Comments count as signs of life for `onBytes`. */
export async function* readEvents(
  body: ReadableStream<Uint8Array>,
  onBytes: () => void,
): AsyncGenerator<ServerEvent, void, undefined> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const parser = new EventStreamParser();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      onBytes();
      yield* parser.push(decoder.decode(value, { stream: true }));
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
