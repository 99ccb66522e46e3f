import { hostname } from 'node:os';
import { z } from 'zod';
import { address, labels, logLevel, url, urls } from '../configuration/values.js';

export const DEFAULT_STATE_DIRECTORY = '/var/lib/drover';
export const DEFAULT_RUN_DIRECTORY = '/run/drover';

/** `1`, `1,2`. */
const versions = z
  .string()
  .regex(/^[1-9]\d{0,4}(,[1-9]\d{0,4})*$/, 'is not a list of versions, for example 1,2')
  .transform((text) => text.split(',').map(Number));

/** Milliseconds, from 50 to an hour: a number in the file, digits elsewhere. */
const milliseconds = z.union([z.number(), z.string()]).transform((given, issues) => {
  const value = typeof given === 'string' && /^[1-9]\d*$/.test(given) ? Number(given) : given;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 50 && value <= 3_600_000) return value;
  issues.addIssue({ code: 'custom', message: 'is not a number of milliseconds from 50 to 3600000' });
  return z.NEVER;
});

const directory = z.string().min(1, 'is empty').startsWith('/', 'is not an absolute path');

/**
 * The configuration of `drover agent`, by the names that its TOML file uses. The environment has the same names in capitals after
 * `DROVER_` with `_` for `-`, and flags have them after `--`. To add a key: here, and in `hostAgentOptions` in `run.ts`, and the flag in `commands/agent.ts`.
 */
export const agentConfigSchema = z.strictObject({
  /** What people call this host. */
  name: z
    .string()
    .min(1)
    .max(253)
    .default(() => hostname()),
  /** What must outlive a restart: instances, the ownership journal, logs. */
  'state-dir': directory.default(DEFAULT_STATE_DIRECTORY),
  /** Sockets of running VMMs; short, because a unix socket path ends at 107 bytes. */
  'run-dir': directory.default(DEFAULT_RUN_DIRECTORY),
  /** The agent API. It has no authentication: keep it on an address that only trusted programs reach. */
  listen: address.prefault('127.0.0.1:7700'),
  /** Where other agents connect to move guests here. */
  'peer-listen': address.prefault('127.0.0.1:7701'),
  /** Name or address that others shall use for `peer-listen`; needed where that is a wildcard. */
  'peer-advertise': z.string().min(1).max(253).optional(),
  /** Versions of the peer protocol to speak, without a gap; all of this release by default. For a fleet that is being upgraded. */
  'peer-versions': versions.optional(),
  /** QEMU to start guests with; looked up in PATH where it is not a path. */
  'qemu-binary': z.string().min(1).optional(),
  /** A sign of life goes out on an idle connection to a peer after this long. */
  'keepalive-ms': milliseconds.default(5_000),
  /** A peer that gave no sign of life for this long is gone. Above `keepalive-ms` of every other host. */
  'silence-ms': milliseconds.default(20_000),
  /** A transfer of memory that made no progress for this long is stalled. */
  'stall-ms': milliseconds.default(15_000),
  /** To reach a peer, and for its first words. */
  'connect-ms': milliseconds.default(10_000),
  /** For a destination to make a VMM. */
  'prepare-ms': milliseconds.default(60_000),
  /** For each answer that a paused guest waits for, before the handover. */
  'switchover-ms': milliseconds.default(30_000),
  /** Longest wait between two questions to a destination whose word is missing. */
  'retry-ms': milliseconds.default(5_000),
  /** Replicas of the control plane to register with, tried in order; none, and the host stands alone. */
  'control-plane': urls.optional(),
  /** This agent's API as the control plane reaches it; needed where `listen` is a wildcard. */
  'agent-url': url.optional(),
  /** What placement may ask for, `rack=7,ssd=yes`; without it they are as the control plane has them. */
  labels: labels.optional(),
  'log-level': logLevel.default('info'),
});

export type AgentConfig = z.output<typeof agentConfigSchema>;
export type AgentConfigKey = keyof typeof agentConfigSchema.shape;
export const agentConfigKeys = Object.keys(agentConfigSchema.shape) as AgentConfigKey[];
