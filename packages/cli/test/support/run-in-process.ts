import { Readable } from 'node:stream';
import type { CommandContext, Output } from '../../src/context.js';
import { ExitCode } from '../../src/exit-codes.js';
import { runCommand } from '../../src/run-command.js';

export interface InProcess {
  readonly finished: Promise<{ readonly code: ExitCode; readonly stdout: string; readonly stderr: string }>;
  /** As Ctrl-C does. */
  interrupt(): void;
  /** Resolves when standard output holds `text`. */
  printed(text: string): Promise<void>;
}

/** Runs a command line in this process, which is quicker than one of its own: for what is not about processes. */
export function startInProcess(
  args: readonly string[],
  options: {
    readonly environment?: Readonly<Record<string, string>>;
    readonly input?: string;
    readonly terminal?: Output;
  } = {},
): InProcess {
  let code: ExitCode = ExitCode.ok;
  let stdout = '';
  let stderr = '';
  const interrupts = new Set<(signal: NodeJS.Signals) => void>();
  const watchers = new Set<() => void>();
  const context: CommandContext = {
    stdout: options.terminal ?? {
      write(text) {
        stdout += text;
        for (const watcher of watchers) watcher();
      },
    },
    stderr: {
      write(text) {
        stderr += text;
      },
    },
    stdin: Readable.from([options.input ?? '']) as unknown as NodeJS.ReadStream,
    environment: { HOME: '/nonexistent', ...options.environment },
    onInterrupt(listener) {
      interrupts.add(listener);
      return () => interrupts.delete(listener);
    },
    exitWith(next) {
      code = next;
    },
  };
  const finished = runCommand(args, context).then(() => ({ code, stdout, stderr }));
  return {
    finished,
    interrupt() {
      for (const listener of interrupts) listener('SIGINT');
    },
    async printed(text) {
      const seen = new Promise<void>((resolve) => {
        const look = () => stdout.includes(text) && resolve();
        watchers.add(look);
        look();
      });
      const ended = finished.then(() => {
        if (!stdout.includes(text)) throw new Error(`ended without printing "${text}": ${stdout}${stderr}`);
      });
      await Promise.race([seen, ended]);
    },
  };
}

/** Runs it to its end. */
export function run(args: readonly string[], options: Parameters<typeof startInProcess>[1] = {}) {
  return startInProcess(args, options).finished;
}
