/** A monitor on a real unix socket that says what a test tells it to. */
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { type QmpCommandName, qmpCommands } from '@drover/protocol';
import { onTestFinished } from 'vitest';
import { temporaryDirectory } from './temporary.js';

export const GREETING =
  '{"QMP":{"version":{"qemu":{"micro":22,"minor":2,"major":7},"package":"fake"},"capabilities":["oob"]}}\r\n';

export interface Command {
  readonly execute: string;
  readonly arguments?: Record<string, unknown>;
  readonly id: number;
  readonly outOfBand?: true;
}

export interface FakeQmp {
  readonly path: string;
  readonly commands: Command[];
  /** Writes to every client, as is. */
  say(text: string): void;
  event(name: string, data?: object): void;
  /** Ends every connection. */
  hangUp(): void;
}

/** `answer` gives the `return` value, an `{error}`, or undefined for silence. */
export async function fakeQmp(options: {
  readonly greeting?: string | null;
  readonly answer?: (command: Command, fake: FakeQmp) => unknown;
  readonly path?: string;
}): Promise<FakeQmp> {
  const path = options.path ?? join(temporaryDirectory(), 'qmp.sock');
  const sockets = new Set<Socket>();
  const fake: FakeQmp = {
    path,
    commands: [],
    say: (text) => {
      for (const socket of sockets) socket.write(text);
    },
    event: (name, data = {}) => fake.say(`${JSON.stringify({ event: name, data, timestamp: {} })}\r\n`),
    hangUp: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    const greeting = options.greeting === undefined ? GREETING : options.greeting;
    if (greeting !== null) socket.write(greeting);
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString();
      const lines = text.split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) {
        const { 'exec-oob': outOfBand, ...rest } = JSON.parse(line);
        const command: Command =
          outOfBand === undefined ? rest : { ...rest, execute: outOfBand, outOfBand: true };
        fake.commands.push(command);
        // Throws into the test for arguments that the table of commands does not have.
        qmpCommands[command.execute as QmpCommandName]?.arguments.parse(command.arguments);
        const reply = command.execute === 'qmp_capabilities' ? {} : options.answer?.(command, fake);
        if (reply === undefined) continue;
        const body = isError(reply) ? reply : { return: reply };
        socket.write(`${JSON.stringify({ ...body, id: command.id })}\r\n`);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(() => {
    fake.hangUp();
    server.close();
  });
  return fake;
}

function isError(reply: unknown): reply is { error: unknown } {
  return typeof reply === 'object' && reply !== null && 'error' in reply;
}

export function refusal(desc: string): object {
  return { error: { class: 'GenericError', desc } };
}
