/** Host description, version 1: who an agent is and what it accepts. Frozen; see `instance-spec/v1.ts`. */
import { z } from 'zod';

const windows = z.array(z.int().min(1)).min(1);

export const hostV1 = z.strictObject({
  hostId: z.uuid(),
  name: z.string(),
  /** The release of the agent, semver. */
  release: z.string(),
  /** Where peers reach this agent. */
  peer: z.strictObject({ host: z.string(), port: z.int().min(1).max(65535) }),
  accepts: z.strictObject({ peerProtocol: windows, instanceSpec: windows, vmmState: windows }),
  drivers: z.array(
    z.strictObject({
      name: z.enum(['qemu']),
      version: z.string().nullable(),
      ramModes: z.array(z.enum(['external'])),
      /** Why it cannot be used, as a sentence; null when it can. */
      unusable: z.string().nullable(),
    }),
  ),
});
export type HostV1 = z.output<typeof hostV1>;
