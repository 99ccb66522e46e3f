import { parseBandwidth } from '@drover/types';
import { z } from 'zod';
import { address, logLevel } from '../configuration/values.js';

/** A whole number: as such in the file, as digits elsewhere. */
function number(min: number, max: number) {
  return z.union([z.number(), z.string()]).transform((given, issues) => {
    const value = typeof given === 'string' && /^\d{1,15}$/.test(given) ? Number(given) : given;
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
    issues.addIssue({ code: 'custom', message: `is not a whole number from ${min} to ${max}` });
    return z.NEVER;
  });
}

/** How many times over: a decimal number, 0.1 to 1000. */
const ratio = z.union([z.number(), z.string()]).transform((given, issues) => {
  const value = typeof given === 'string' && /^\d{1,4}(\.\d{1,3})?$/.test(given) ? Number(given) : given;
  if (typeof value === 'number' && value >= 0.1 && value <= 1000) return value;
  issues.addIssue({ code: 'custom', message: 'is not a number from 0.1 to 1000' });
  return z.NEVER;
});

const milliseconds = number(1, 3_600_000);

const bandwidth = z.string().transform((text, issues) => {
  try {
    return parseBandwidth(text);
  } catch {
    issues.addIssue({ code: 'custom', message: 'is not a bandwidth, for example 1Gbit or 100MiB' });
    return z.NEVER;
  }
});

/** A program and its arguments: a list in the file, a list in JSON elsewhere, for no quoting is as plain. */
const commandLine = z.union([z.array(z.string()), z.string()]).transform((given, issues) => {
  const list = typeof given === 'string' ? fromJson(given) : given;
  const checked = z.array(z.string().min(1)).min(1).safeParse(list);
  if (checked.success) return checked.data;
  issues.addIssue({
    code: 'custom',
    message: 'is not a list of a program and its arguments, such as ["fence", "-f"]',
  });
  return z.NEVER;
});

function fromJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * The configuration of `drover control-plane`, by the names that its TOML file uses; environment and flags as for the agent. To add a key:
 * here, in `controlPlaneOptions` in `run.ts`, and the flag in `commands/control-plane.ts`.
 */
export const controlPlaneConfigSchema = z.strictObject({
  /** The public API, and where agents register and ring. It has no authentication. */
  listen: address.prefault('127.0.0.1:7600'),
  /** `pglite:DIR`, for one replica; `postgres://…`, also CockroachDB's, for any number. */
  database: z.string().min(1).max(2048).default('pglite:/var/lib/drover-control-plane'),
  'database-connections': number(2, 200).optional(),
  /** How often every host is asked for everything: the longest that a lost doorbell can cost. */
  'watch-period-ms': milliseconds.optional(),
  /** How often a host shall say that it lives. */
  'heartbeat-ms': milliseconds.optional(),
  /** Switches a host off for good; exits with 0 only once it can run nothing any more. */
  'fence-command': commandLine.optional(),
  /** How long a host must have been unreachable before it is fenced. */
  'fence-after-ms': milliseconds.optional(),
  /** Migrations at once: out of one host, into one host, and over the fleet. */
  'migrations-out': number(1, 1024).optional(),
  'migrations-in': number(1, 1024).optional(),
  'migrations-overall': number(1, 100_000).optional(),
  /** Of each host, over its migrations in and out: `1Gbit`, `100MiB`. */
  'host-bandwidth': bandwidth.optional(),
  /** What guests may have for each processor, and each byte of memory, that a host has. */
  'cpu-overcommit': ratio.optional(),
  'memory-overcommit': ratio.optional(),
  'log-level': logLevel.default('info'),
});

export type ControlPlaneConfig = z.output<typeof controlPlaneConfigSchema>;
export const controlPlaneConfigKeys = Object.keys(controlPlaneConfigSchema.shape);
