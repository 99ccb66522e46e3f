/**
 * The socket of a machine: each connection is greeted, its requests are answered, and it hears what happens to the guest. A connection that
 * breaks the protocol is closed; none of them ends the machine.
 */
import { createServer, type Socket } from 'node:net';
import { native } from '@drover/native';
import {
  encodeMachineAnswer,
  encodeMachineEvent,
  encodeMachineGreeting,
  encodeMachineRefusal,
  LineSplitter,
  MACHINE_LINE_BYTES,
  MACHINE_PROTOCOL_VERSIONS,
  MACHINE_STREAM_KIND,
  type MachineProtocolVersion,
  type MachineRequestLine,
  type MachineRequestName,
  machineRequest,
  parseMachineRequest,
  WRITTEN_MACHINE_STREAM,
} from '@drover/protocol';
import { RELEASE } from '@drover/types';
import type { Machine } from './machine.js';
import { Refusal } from './refusal.js';

/** Resolves once it listens. Rejects where the socket cannot be made. */
export async function serve(machine: Machine, path: string): Promise<void> {
  const connections = new Set<Socket>();
  machine.onEnd = (ending) => {
    const line = encodeMachineEvent('ended', ending);
    for (const socket of connections) socket.write(line);
  };
  const greeting = encodeMachineGreeting({
    release: RELEASE,
    versions: [...MACHINE_PROTOCOL_VERSIONS],
    deviceStates: writtenStates(),
  });
  const server = createServer((socket) => {
    connections.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => connections.delete(socket));
    socket.write(greeting);
    const lines = new LineSplitter(MACHINE_LINE_BYTES);
    socket.on('data', (piece: Buffer) => {
      const requests = lines.push(piece)?.map(parseMachineRequest) ?? [null];
      for (const request of requests) {
        if (request === null) {
          socket.destroy();
          return;
        }
        void follow(machine, request).then((answer) => socket.write(answer));
      }
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
}

/** The line that answers a request; never rejects. */
async function follow(machine: Machine, line: MachineRequestLine): Promise<string> {
  try {
    const { name, request } = understood(line);
    const handler = machine.handlers[name] as (request: unknown) => unknown;
    return encodeMachineAnswer(line.id, await handler(request));
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return encodeMachineRefusal(line.id, codeOf(error), message);
  }
}

function understood(line: MachineRequestLine): { name: MachineRequestName; request: unknown } {
  if (!MACHINE_PROTOCOL_VERSIONS.some((version) => version === line.version)) {
    throw new Refusal(
      'request-invalid',
      `This machine speaks versions ${MACHINE_PROTOCOL_VERSIONS.join(', ')} of its protocol, not ${line.version}.`,
    );
  }
  const name = line.request as MachineRequestName;
  const definition = machineRequest(line.version as MachineProtocolVersion, name);
  if (definition === null) {
    throw new Refusal('request-unknown', `Version ${line.version} has no request "${line.request}".`);
  }
  const parsed = definition.arguments.safeParse(line.arguments);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new Refusal(
      'request-invalid',
      `The arguments of "${name}" are wrong: ${issue?.path.join('.')} ${issue?.message}.`,
    );
  }
  return { name, request: parsed.data };
}

function codeOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return 'internal';
}

/** By kind, what saving this machine's state writes. */
function writtenStates(): Record<string, number> {
  const kinds = Object.entries(native().machinePayloadKinds());
  return {
    ...Object.fromEntries(kinds.map(([kind, versions]) => [kind, Math.max(...versions)])),
    [MACHINE_STREAM_KIND]: WRITTEN_MACHINE_STREAM,
  };
}
