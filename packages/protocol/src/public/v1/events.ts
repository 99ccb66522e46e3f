/** Events and the audit trail, in the public API 1.0.0. Frozen with the release that serves it. */
import { z } from 'zod';
import { drainViewV1 } from './drains.js';
import { hostViewV1 } from './hosts.js';
import { fleetInstanceV1, fleetVmmV1 } from './instances.js';
import { fleetMigrationV1 } from './migrations.js';
import { decimal } from './shared.js';

/** `GET /events`: `id` grows and serves `Last-Event-ID`. One that was missed for good is said by a `gap` event: read the lists again. */
export const fleetEventV1 = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('host'), at: z.iso.datetime(), host: hostViewV1 }),
  z.object({ kind: z.literal('vmm'), at: z.iso.datetime(), vmm: fleetVmmV1 }),
  z.object({ kind: z.literal('instance'), at: z.iso.datetime(), instance: fleetInstanceV1 }),
  z.object({ kind: z.literal('migration'), at: z.iso.datetime(), migration: fleetMigrationV1 }),
  z.object({ kind: z.literal('drain'), at: z.iso.datetime(), drain: drainViewV1 }),
  /** A host was forgotten or an instance deleted: the lists no longer have it. */
  z.object({
    kind: z.literal('gone'),
    at: z.iso.datetime(),
    what: z.enum(['host', 'instance']),
    id: z.uuid(),
    name: z.string(),
  }),
  z.object({ kind: z.literal('gap'), at: z.iso.datetime() }),
]);

/** Who asked for what, and what came of it. */
export const auditEntryV1 = z.object({
  id: decimal,
  at: z.iso.datetime(),
  /** What the request's `drover-actor` header said, or the address it came from. */
  actor: z.string(),
  action: z.string(),
  /** `instance/<id>`, `host/<id>`. */
  target: z.string(),
  detail: z.record(z.string(), z.unknown()),
  outcome: z.string(),
});

export type FleetEventV1 = z.output<typeof fleetEventV1>;
export type AuditEntryV1 = z.output<typeof auditEntryV1>;
