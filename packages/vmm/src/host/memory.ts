/** How much memory this process, and what it starts, can still get. */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export interface AvailableMemory {
  readonly bytes: number;
  /** What sets the limit, as a phrase. */
  readonly limitedBy: string;
}

/** The least of the host's MemAvailable and what is left in each control group (version 2) around this process. */
export async function availableMemory(proc = '/proc', cgroups = '/sys/fs/cgroup'): Promise<AvailableMemory> {
  let least = await hostMemory(proc);
  for (const group of await groupsOf(proc)) {
    const left = await groupMemory(join(cgroups, group));
    if (left !== null && left < least.bytes) {
      least = { bytes: left, limitedBy: `the memory limit of control group ${group}` };
    }
  }
  return least;
}

async function hostMemory(proc: string): Promise<AvailableMemory> {
  const text = await readText(join(proc, 'meminfo'));
  const kib = /^MemAvailable:\s+(\d+) kB$/m.exec(text ?? '')?.[1];
  return {
    bytes: kib === undefined ? Number.POSITIVE_INFINITY : Number(kib) * 1024,
    limitedBy: 'the memory of the host',
  };
}

/** This process's group and all above it but the root, which has no limit. */
async function groupsOf(proc: string): Promise<string[]> {
  const own = /^0::(\/.*)$/m.exec((await readText(join(proc, 'self/cgroup'))) ?? '')?.[1];
  const groups: string[] = [];
  for (let group = own ?? '/'; group !== '/'; group = dirname(group)) groups.push(group);
  return groups;
}

/** Bytes left below memory.max, counting page cache that can be dropped; null without a limit. */
async function groupMemory(directory: string): Promise<number | null> {
  const max = (await readText(join(directory, 'memory.max')))?.trim();
  const current = (await readText(join(directory, 'memory.current')))?.trim();
  if (max === undefined || current === undefined || !/^\d+$/.test(max) || !/^\d+$/.test(current)) return null;
  const cache = /^inactive_file (\d+)$/m.exec((await readText(join(directory, 'memory.stat'))) ?? '')?.[1];
  return Math.max(0, Number(max) - Number(current) + Number(cache ?? 0));
}

async function readText(path: string): Promise<string | null> {
  return readFile(path, 'utf8').catch(() => null);
}
