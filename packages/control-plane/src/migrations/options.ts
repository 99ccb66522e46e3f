/** How many migrations there may be, and how they are followed. */
import { z } from 'zod';

const ms = z.int().min(1).max(3_600_000);

export const migrationOptionsSchema = z.strictObject({
  /** Migrations at once: out of one host, into one host, and over the fleet. */
  perHostOut: z.int().min(1).max(1024).default(8),
  perHostIn: z.int().min(1).max(1024).default(8),
  overall: z.int().min(1).max(100_000).default(256),
  /** Of each host, bytes a second, over its migrations in and out; null for no limit. */
  bandwidthPerHost: z.int().min(65_536).nullable().default(null),
  /** Between two looks at a migration under way, ms; longer where there are many. */
  followMs: ms.default(500),
  /**
   * How long after a request to begin was sent to an agent it may still arrive, ms: longer than a replica waits for an answer before it closes
   * the connection.
   */
  quietMs: ms.default(15_000),
  /** How long a replica that died holds up the migrations and drains that it worked on, ms. */
  leaseMs: z.int().min(100).max(3_600_000).default(15_000),
});
export type MigrationOptions = z.output<typeof migrationOptionsSchema>;

export const placementOptionsSchema = z.strictObject({
  /** Virtual processors that guests may have for each that a host has. */
  cpuOvercommit: z.number().min(0.1).max(1000).default(8),
  /** Memory that guests may have for each byte that a host has. */
  memoryOvercommit: z.number().min(0.1).max(1000).default(1),
});
