import type WebSocket from 'ws';
import type { RawData } from 'ws';
import type { CommandContext } from '../context.js';
import { cliErrors } from '../errors.js';
import { splitAtEscape } from './escape.js';
import { openConsoleSocket } from './open.js';

/** How long the closing handshake may take before the connection is cut, ms. */
const CLOSE_TIMEOUT_MS = 1_000;

export interface ConsoleOptions {
  /** WebSocket URL of the console. */
  readonly url: string;
  /** For sentences. */
  readonly instance: string;
  readonly context: CommandContext;
  /** Leaves the console, as Ctrl-] does. */
  readonly signal: AbortSignal;
}

/**
 * Joins standard input and output to a serial console until Ctrl-], `signal`, or the end of the connection. On a terminal every
 * key goes to the guest, Ctrl-C too. The terminal is as it was when this resolves or rejects. Errors: `cli-console-unreachable`,
 * and the agent's own.
 */
export async function runConsole({ url, instance, context, signal }: ConsoleOptions): Promise<void> {
  const { stdin, stdout, stderr } = context;
  // A character may be cut in two by the end of a message.
  const decoder = new TextDecoder();
  const socket = await openConsoleSocket(url, instance, (data) =>
    stdout.write(decoder.decode(asBytes(data), { stream: true })),
  );
  const leave = () => closeSoon(socket);
  const onKeys = (data: Buffer) => {
    const { before, escaped } = splitAtEscape(data);
    if (before.length > 0) socket.send(before);
    if (escaped) leave();
  };
  const terminal = stdin.isTTY === true;
  const closed = untilClosed(socket, instance);
  signal.addEventListener('abort', leave);
  try {
    if (signal.aborted) leave();
    if (terminal) {
      stderr.write(`Console of ${instance}; Ctrl-] leaves.\n`);
      stdin.setRawMode(true);
    }
    stdin.on('data', onKeys);
    stdin.resume();
    await closed;
  } finally {
    signal.removeEventListener('abort', leave);
    stdin.off('data', onKeys);
    stdin.pause();
    if (terminal) {
      stdin.setRawMode(false);
      stderr.write('\n');
    }
    socket.terminate();
  }
}

function untilClosed(socket: WebSocket, instance: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.on('close', () => resolve());
    socket.on('error', (cause) => {
      const message = `The console of ${instance} broke off: ${cause.message}.`;
      reject(cliErrors.error('cli-console-unreachable', message, cause));
    });
  });
}

function closeSoon(socket: WebSocket): void {
  socket.close();
  setTimeout(() => socket.terminate(), CLOSE_TIMEOUT_MS).unref();
}

function asBytes(data: RawData): Uint8Array {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : data;
}
