/** The driver's connection to one machine's socket, and what it makes of a failure. */
import { readTail } from '../process/log-tail.js';
import { connectMachine, type MachineClient, MachineRefusedRequest } from './client.js';
import type { MachinePaths } from './paths.js';
import type { MachineTuning } from './tuning.js';

export function connect(
  paths: MachinePaths,
  pid: number,
  wait: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  tuning: MachineTuning,
): Promise<MachineClient> {
  return connectMachine(
    paths.socket,
    {
      peer: `The machine (process ${pid})`,
      requestTimeoutMs: tuning.requestTimeoutMs,
      lastWords: () => lastWords(paths),
    },
    wait,
  );
}

/** The last line that the process wrote; empty when it wrote nothing. */
export function lastWords(paths: MachinePaths): string {
  return readTail(paths.processLog).trim().split('\n').at(-1) ?? '';
}

/** The machine's own sentence where it refused, otherwise what went wrong. */
export function reason(error: unknown): string {
  if (error instanceof Error && error.cause instanceof MachineRefusedRequest) return error.cause.message;
  return error instanceof Error ? error.message : String(error);
}

/** The machine's own code where it refused. */
export function refusalCode(error: unknown): string | null {
  if (error instanceof Error && error.cause instanceof MachineRefusedRequest) return error.cause.code;
  return null;
}
