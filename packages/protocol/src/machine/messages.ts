/** The lines of the machine protocol: UTF-8 JSON objects, one a line. Pure: text in, messages out, and the other way round. */
import { z } from 'zod';
import { machineEventsV1, machineRequestsV1 } from './messages-v1.js';
import { machineRequestsV2 } from './messages-v2.js';
import type { MachineProtocolVersion } from './registry.js';

/** Those of the newest version, which has all that there are. */
export type MachineRequests = typeof machineRequestsV2;
export type MachineRequestName = keyof MachineRequests;
export type MachineArguments<Name extends MachineRequestName> = z.input<MachineRequests[Name]['arguments']>;
export type MachineAnswer<Name extends MachineRequestName> = z.output<MachineRequests[Name]['answer']>;

/** What each version has. */
export const machineRequests = {
  1: machineRequestsV1,
  2: machineRequestsV2,
} as const satisfies Record<MachineProtocolVersion, Partial<MachineRequests>>;
export const machineEvents = { 1: machineEventsV1, 2: machineEventsV1 } as const;

/** A request as one version has it; null where that version does not. */
export function machineRequest<Name extends MachineRequestName>(
  version: MachineProtocolVersion,
  name: Name,
): MachineRequests[Name] | null {
  const requests: Partial<MachineRequests> = machineRequests[version];
  return Object.hasOwn(requests, name) ? (requests[name] ?? null) : null;
}

/** The first line of a connection, from the machine. The same in all versions, for ever. */
const greeting = z.looseObject({
  machine: z.looseObject({
    release: z.string().max(64),
    /** Versions of this protocol that it speaks, ascending. */
    versions: z.array(z.int().min(1).max(65_535)).min(1).max(64),
    /** Kinds and versions in which it writes its state. */
    deviceStates: z.record(z.string().max(64), z.int().min(0).max(0x7fff_ffff)),
  }),
});
export type MachineGreeting = z.output<typeof greeting>['machine'];

const id = z.int().min(1).max(Number.MAX_SAFE_INTEGER);
const request = z.strictObject({
  id,
  /** Of the protocol; one that the greeting lists. */
  version: z.int(),
  request: z.string().max(64),
  arguments: z.unknown(),
});
const refusal = z.looseObject({ code: z.string().max(64), message: z.string() });
const answer = z.looseObject({ id, answer: z.unknown() });
const refused = z.looseObject({ id, refused: refusal });
const event = z.looseObject({ event: z.string().max(64), data: z.unknown() });

/** What a machine reads. */
export type MachineRequestLine = z.output<typeof request>;

/** What an agent reads. */
export type MachineLine =
  | { readonly kind: 'greeting'; readonly greeting: MachineGreeting }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: unknown }
  | { readonly kind: 'refused'; readonly id: number; readonly code: string; readonly message: string }
  | { readonly kind: 'event'; readonly name: string; readonly data: unknown };

/** Reads a line of an agent; null when it is not a request. Its name and arguments are not looked at. */
export function parseMachineRequest(line: string): MachineRequestLine | null {
  const parsed = request.safeParse(jsonOf(line));
  return parsed.success ? parsed.data : null;
}

/** Reads a line of a machine; null when it is none of the protocol's. Answers and events are not looked into. */
export function parseMachineLine(line: string): MachineLine | null {
  const document = jsonOf(line);
  if (typeof document !== 'object' || document === null) return null;
  // One form is tried, the one that its key names: a try that fails costs more than all the rest of reading a line.
  if ('machine' in document) {
    const { success, data } = greeting.safeParse(document);
    return success ? { kind: 'greeting', greeting: data.machine } : null;
  }
  if ('refused' in document) {
    const { success, data } = refused.safeParse(document);
    return success ? { kind: 'refused', id: data.id, ...data.refused } : null;
  }
  if ('event' in document) {
    const { success, data } = event.safeParse(document);
    return success ? { kind: 'event', name: data.event, data: data.data } : null;
  }
  if (!('answer' in document)) return null;
  const { success, data } = answer.safeParse(document);
  return success ? { kind: 'answer', id: data.id, answer: data.answer } : null;
}

export function encodeMachineRequest(line: MachineRequestLine): string {
  return encode(line);
}

export function encodeMachineGreeting(machine: MachineGreeting): string {
  return encode({ machine });
}

export function encodeMachineAnswer(answered: number, body: unknown): string {
  return encode({ id: answered, answer: body });
}

export function encodeMachineRefusal(answered: number, code: string, message: string): string {
  return encode({ id: answered, refused: { code, message } });
}

export function encodeMachineEvent<Name extends keyof typeof machineEventsV1>(
  name: Name,
  data: z.input<(typeof machineEventsV1)[Name]>,
): string {
  return encode({ event: name, data });
}

function encode(document: unknown): string {
  return `${JSON.stringify(document)}\n`;
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
