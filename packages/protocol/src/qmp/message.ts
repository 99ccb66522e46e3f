/**
 * The lines of QMP, QEMU's machine protocol: UTF-8 JSON objects, one a line. Pure: text in, messages out, and the other way
 * round. Layout of the messages: docs/interop/qmp-spec in QEMU's sources.
 */
import { z } from 'zod';

/** What a reader holds of one line, bytes; QEMU's longest answers are some 100 KiB. */
export const QMP_LINE_BYTES = 4 * 1024 * 1024;

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

/** A command as QEMU takes it. `exec-oob` runs at once, even while QEMU's main loop is blocked. */
export interface QmpCommandLine {
  readonly key: 'execute' | 'exec-oob';
  readonly command: string;
  readonly arguments?: object | undefined;
  /** Comes back with the answer. */
  readonly id: number;
}

/** One line, with its end. */
export function encodeQmpCommand({ key, command, arguments: args, id }: QmpCommandLine): string {
  return `${JSON.stringify({ [key]: command, arguments: args, id })}\n`;
}
