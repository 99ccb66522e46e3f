/** The process of a VMM: known by pid and start time, so that a reused pid is never taken for it. */
import type { ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

/** How often /proc is looked at while waiting for an end, ms. Only on paths that cost no downtime. */
const POLL_MS = 5;

export interface ProcessStat {
  /** One letter of proc(5): `Z` and `X` are ends. */
  readonly state: string;
  /** Field 22: clock ticks after boot. */
  readonly startTime: string;
}

/** Reads the text of /proc/PID/stat; null when it has another form. The name in it may hold blanks and parentheses. */
export function parseProcessStat(text: string): ProcessStat | null {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, startTime] = [fields[0], fields[19]];
  return state && startTime ? { state, startTime } : null;
}

/** Null when there is no such process. */
export function processStat(pid: number): ProcessStat | null {
  try {
    return parseProcessStat(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return null;
  }
}

export class VmmProcess {
  readonly pid: number;
  readonly startTime: string;
  readonly #child: ChildProcess | null;

  /** `child` where this agent started it; an adopted process has another parent. */
  constructor(pid: number, startTime: string, child: ChildProcess | null = null) {
    this.pid = pid;
    this.startTime = startTime;
    this.#child = child;
  }

  /** False once it ended, a zombie included: after an agent's restart nobody may be there to reap it. */
  alive(): boolean {
    // A child stays in /proc until it is reaped, and its exit status is known from then on.
    if (this.#child) return this.#child.exitCode === null && this.#child.signalCode === null;
    const stat = processStat(this.pid);
    return stat !== null && stat.startTime === this.startTime && stat.state !== 'Z' && stat.state !== 'X';
  }

  /** The same, by what the kernel says now: a child's end is told a moment after it. */
  hasEnded(): boolean {
    const stat = processStat(this.pid);
    return stat === null || stat.startTime !== this.startTime || stat.state === 'Z' || stat.state === 'X';
  }

  /** Resolves with whether it ended within `timeoutMs`. */
  async ended(timeoutMs: number): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    while (this.alive()) {
      if (performance.now() >= deadline) return false;
      await sleep(POLL_MS);
    }
    return true;
  }

  /**
   * Lowest priority for all its threads, for a process that is about to end: giving back a guest's memory is work, and
   * the guest may just have begun to run elsewhere on this host, or others do.
   */
  stepAside(): void {
    if (!this.alive()) return;
    try {
      for (const thread of readdirSync(`/proc/${this.pid}/task`)) setPriority(Number(thread), 19);
    } catch {
      // It ended meanwhile, or this user may not: then it ends as it is.
    }
  }

  kill(): void {
    if (!this.alive()) return;
    try {
      process.kill(this.pid, 'SIGKILL');
    } catch {
      // It ended between the look and the signal.
    }
  }

  /** How it ended, as a phrase; the exit status is only known for a child. */
  endPhrase(): string {
    if (this.#child?.signalCode) return `was ended by ${this.#child.signalCode}`;
    if (typeof this.#child?.exitCode === 'number') return `exited with code ${this.#child.exitCode}`;
    return 'ended';
  }
}
