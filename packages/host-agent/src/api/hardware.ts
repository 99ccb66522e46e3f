/** What this host's processors offer to guests, and how much of them and of memory there is. */
import { readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { native } from '@drover/native';
import type { HostCapacity, HostCpu } from '@drover/types';

const UNNAMED = 'unknown';

/**
 * As KVM shows it to guests; without KVM as the kernel sees it itself, which guests under TCG do not have but a comparison of hosts can
 * go by. Null where neither tells.
 */
export function hostCpu(
  ask: () => HostCpu = () => native().hostCpu(),
  cpuinfo: () => string = () => readFileSync('/proc/cpuinfo', 'utf8'),
): HostCpu | null {
  const seen = readCpuinfo(cpuinfo());
  try {
    const { vendor, model, features } = ask();
    // Some KVMs keep the name of the processor to themselves.
    return {
      vendor: vendor || (seen?.vendor ?? UNNAMED),
      model: model || (seen?.model ?? UNNAMED),
      features,
    };
  } catch {
    return seen;
  }
}

export function hostCapacity(): HostCapacity {
  return { cpus: cpus().length, memoryBytes: totalmem() };
}

/** The first processor of /proc/cpuinfo; null where it has no flags, as on other kinds of processors. */
export function readCpuinfo(text: string): HostCpu | null {
  const field = (name: string): string | null =>
    new RegExp(`^${name}\\s*:\\s*(.+?)\\s*$`, 'm').exec(text)?.[1] ?? null;
  const [vendor, model, flags] = [field('vendor_id'), field('model name'), field('flags')];
  if (vendor === null || model === null || flags === null) return null;
  const names = flags.split(/\s+/).filter((flag) => /^[a-z0-9][a-z0-9_.]{0,63}$/.test(flag));
  return {
    vendor: vendor.slice(0, 64),
    model: model.slice(0, 64),
    features: [...new Set(names)].sort(),
  };
}
