import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../../bin/drover.mjs', import.meta.url));

/** A command that hangs is ended after this, ms, so that its test fails with what it had printed. */
const DEADLINE_MS = 15_000;

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  /** What it has printed so far. */
  stdout(): string;
  /** Resolves when standard output holds `text`; rejects when the process ends without it. */
  printed(text: string): Promise<void>;
}

export interface RunOptions {
  readonly environment?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** A command that hangs is ended after this, ms. */
  readonly deadlineMs?: number;
}

/** Starts the real command as a process of its own. */
export function startDrover(args: readonly string[], options: RunOptions = {}): Running {
  const child = spawn(process.execPath, [program, ...args], {
    env: { PATH: process.env.PATH, HOME: '/nonexistent', ...options.environment },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  let ended = false;
  const watchers = new Set<() => void>();
  const notify = () => {
    for (const watcher of watchers) watcher();
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    notify();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  if (options.input !== undefined) child.stdin.end(options.input);
  const timer = setTimeout(() => child.kill('SIGKILL'), options.deadlineMs ?? DEADLINE_MS);
  const finished = new Promise<Finished>((resolve) => {
    child.on('close', (code) => {
      clearTimeout(timer);
      ended = true;
      notify();
      resolve({ code, stdout, stderr });
    });
  });
  const printed = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (stdout.includes(text)) resolve();
        else if (ended) reject(new Error(`ended without printing "${text}": ${stdout}${stderr}`));
        else return;
        watchers.delete(look);
      };
      watchers.add(look);
      look();
    });
  return { child, finished, stdout: () => stdout, printed };
}

/** Runs the real command to its end. */
export function drover(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return startDrover(args, { input: '', ...options }).finished;
}
