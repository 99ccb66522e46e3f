import type { ExitCode } from './exit-codes.js';

/** A stream to write to that may be a terminal. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
}

/** Everything of the world that a command touches, so that a test can hand in another one. */
export interface CommandContext {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly stdin: NodeJS.ReadStream;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /**
   * Calls `listener` on each SIGINT or SIGTERM until the returned function is called; also, as SIGTERM, when a program that started this one
   * over a channel (`drover up`) has gone.
   */
  onInterrupt(listener: (signal: NodeJS.Signals) => void): () => void;
  /** Sets what the process exits with; the last call counts. */
  exitWith(code: ExitCode): void;
}

/** An {@link AbortSignal} that the first SIGINT or SIGTERM aborts. */
export function abortOnInterrupt(context: CommandContext): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  const release = context.onInterrupt((signal) => controller.abort(signal));
  return { signal: controller.signal, release };
}

/** Resolves once `signal` is aborted. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
