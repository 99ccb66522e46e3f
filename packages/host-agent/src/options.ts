/** The options of an agent: what a configuration file, the environment and flags come down to. */
import { isAbsolute } from 'node:path';
import { checkShape } from '@drover/types';
import { z } from 'zod';
import { controlPlaneSchema } from './control-plane/reporting.js';
import { hostAgentErrors } from './errors.js';
import { waitLimitsSchema } from './peers/limits.js';

const absolutePath = z.string().min(1).refine(isAbsolute, 'is not an absolute path');
/** 0 lets the kernel choose. */
const port = z.int().min(0).max(65_535);
const address = z.string().min(1).max(253);
const ms = z.int().min(1).max(3_600_000);

export const hostAgentOptionsSchema = z.strictObject({
  /** What people call this host. */
  name: z.string().min(1).max(253),
  /** Kept for good: journal, instances, reports. */
  stateDir: absolutePath,
  /** Unix sockets; at most 59 bytes long. */
  runDir: absolutePath,
  /** The HTTP API. */
  listen: z.strictObject({ host: address, port }),
  /** Other agents; `advertise` is the host under which they reach this one, where that is not `host`. */
  peerListen: z.strictObject({ host: address, port, advertise: address.optional() }),
  /** Versions of the peer protocol to speak, without a gap; default: all of this release. Held to the older ones while a fleet is upgraded. */
  peerVersions: z.array(z.int().min(1)).min(1).optional(),
  /** Default: `qemu-system-x86_64` on the PATH. */
  qemuBinary: z.string().min(1).optional(),
  /** How long a stopping agent waits for what is under way, ms. */
  shutdownTimeoutMs: ms.default(15_000),
  /** How long a guest may take to power off when it is asked to, ms. */
  powerDownTimeoutMs: ms.default(30_000),
  /** How long a peer's connection may take to say what it is, ms. */
  peerHandshakeTimeoutMs: ms.default(5_000),
  /** How long this host waits for its peers. */
  limits: waitLimitsSchema.prefault({}),
  /** Between signs of life on an event stream, ms. */
  heartbeatMs: ms.default(10_000),
  /** Whom this host reports to; none: it is on its own, and keeps no last states of VMMs that ended. */
  controlPlane: controlPlaneSchema.optional(),
});

/** As given; defaults may be left out. */
export type HostAgentOptions = z.input<typeof hostAgentOptionsSchema>;
export type CompleteOptions = z.output<typeof hostAgentOptionsSchema>;

/** Errors: `agent-options-invalid`, which names the option. */
export function completeOptions(options: HostAgentOptions): CompleteOptions {
  const checked = checkShape(hostAgentOptionsSchema, options, 'agent');
  if (checked.ok) return checked.value;
  throw hostAgentErrors.error('agent-options-invalid', `${checked.sentence}.`);
}
