/**
 * The lines of QMP, QEMU's machine protocol: UTF-8 JSON objects, one a line. Pure: bytes in, messages out.
 * Layout of the messages: docs/interop/qmp-spec in QEMU's sources.
 */
import { z } from 'zod';

/** Something QEMU said by itself. */
export interface QmpEvent {
  readonly name: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export type QmpMessage =
  | { readonly kind: 'greeting'; readonly version: string; readonly outOfBand: boolean }
  | { readonly kind: 'return'; readonly id: number | null; readonly value: unknown }
  | {
      readonly kind: 'error';
      readonly id: number | null;
      readonly errorClass: string;
      readonly description: string;
    }
  | { readonly kind: 'event'; readonly event: QmpEvent };

const id = z.int().nullish();
const greeting = z.object({
  QMP: z.object({
    version: z.object({ qemu: z.object({ major: z.int(), minor: z.int(), micro: z.int() }) }),
    capabilities: z.array(z.unknown()).default([]),
  }),
});
const errorReply = z.object({ error: z.object({ class: z.string(), desc: z.string() }), id });
const event = z.object({ event: z.string(), data: z.record(z.string(), z.unknown()).default({}) });
const reply = z.object({ return: z.unknown(), id });

/** Reads one line; null when it is not a message of the protocol. */
export function parseQmpLine(line: string): QmpMessage | null {
  let document: unknown;
  try {
    document = JSON.parse(line);
  } catch {
    return null;
  }
  if (typeof document !== 'object' || document === null) return null;
  if ('return' in document) {
    const parsed = reply.safeParse(document);
    return parsed.success ? { kind: 'return', id: parsed.data.id ?? null, value: parsed.data.return } : null;
  }
  if ('event' in document) {
    const parsed = event.safeParse(document);
    return parsed.success
      ? { kind: 'event', event: { name: parsed.data.event, data: parsed.data.data } }
      : null;
  }
  if ('error' in document) {
    const parsed = errorReply.safeParse(document);
    if (!parsed.success) return null;
    const { class: errorClass, desc } = parsed.data.error;
    return { kind: 'error', id: parsed.data.id ?? null, errorClass, description: desc };
  }
  const parsed = greeting.safeParse(document);
  if (!parsed.success) return null;
  const { major, minor, micro } = parsed.data.QMP.version.qemu;
  return {
    kind: 'greeting',
    version: `${major}.${minor}.${micro}`,
    outOfBand: parsed.data.QMP.capabilities.includes('oob'),
  };
}

/** Cuts a byte stream into lines and never holds more than `maxLineBytes` of an unfinished one (R6). */
export class LineSplitter {
  readonly #maxLineBytes: number;
  #parts: Buffer[] = [];
  #held = 0;

  constructor(maxLineBytes: number) {
    this.#maxLineBytes = maxLineBytes;
  }

  /** The lines that `chunk` completes, without their ends, empty ones left out; null once a line is over the limit. */
  push(chunk: Buffer): string[] | null {
    const lines: string[] = [];
    let rest = chunk;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      if (this.#held + end > this.#maxLineBytes) return null;
      const line = Buffer.concat([...this.#parts, rest.subarray(0, end)])
        .toString('utf8')
        .trim();
      this.#parts = [];
      this.#held = 0;
      if (line !== '') lines.push(line);
      rest = rest.subarray(end + 1);
    }
    this.#held += rest.length;
    if (this.#held > this.#maxLineBytes) return null;
    if (rest.length > 0) this.#parts.push(rest);
    return lines;
  }
}
