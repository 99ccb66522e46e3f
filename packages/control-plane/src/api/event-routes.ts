/** `GET /events` and `GET /migrations/{migration}/events`. */
import { type FleetEvent, type FleetMigration, publicEndpoints, routePattern } from '@drover/protocol';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ControlPlaneParts } from '../control-plane.js';
import { controlPlaneErrors } from '../errors.js';
import { isUuid } from '../store/uuid.js';

const KINDS: ReadonlySet<string> = new Set(['host', 'vmm', 'instance', 'migration', 'drain', 'gone', 'gap']);
const ENDED: ReadonlySet<string> = new Set(['completed', 'failed', 'cancelled']);

export function eventRoutes(app: FastifyInstance, version: string, parts: ControlPlaneParts): void {
  const constraints = { apiVersion: version };
  const { watchEvents, watchMigration } = publicEndpoints;
  app.get<{ Querystring: { kinds?: string } }>(
    routePattern(watchEvents.path),
    { constraints, schema: { querystring: watchEvents.query } },
    async (request, reply) => {
      parts.refuseWhenStopping();
      const kinds = readKinds(request.query.kinds);
      const after = lastEventId(request);
      reply.hijack();
      parts.streams.serve(reply.raw, { version, after, kinds });
    },
  );
  app.get<{ Params: { migration: string } }>(
    routePattern(watchMigration.path),
    { constraints },
    async (request, reply) => {
      parts.refuseWhenStopping();
      const id = request.params.migration.toLowerCase();
      const views = isUuid(id) ? await parts.views.migration?.([id]) : undefined;
      const migration = views?.get(id) as FleetMigration | undefined;
      if (!migration) {
        throw controlPlaneErrors.error(
          'migration-not-found',
          `There is no migration ${JSON.stringify(id.slice(0, 64))}; list the migrations.`,
        );
      }
      const after = lastEventId(request);
      reply.hijack();
      parts.streams.serve(reply.raw, {
        version,
        after,
        kinds: new Set(['migration', 'gap']),
        subject: id,
        first: { kind: 'migration', at: new Date().toISOString(), migration },
        isLast: (event: FleetEvent) => event.kind === 'migration' && ENDED.has(event.migration.state),
      });
    },
  );
}

/** Errors: `request-invalid`. */
function readKinds(kinds: string | undefined): ReadonlySet<string> | null {
  if (kinds === undefined || kinds === '') return null;
  const wanted = kinds.split(',').map((kind) => kind.trim());
  const unknown = wanted.find((kind) => !KINDS.has(kind));
  if (unknown === undefined) return new Set([...wanted, 'gap']);
  throw controlPlaneErrors.error(
    'request-invalid',
    `querystring.kinds: ${JSON.stringify(unknown)} is no kind of event; known: ${[...KINDS].join(', ')}.`,
  );
}

/** An id that this server never gave out counts as one that is no longer kept. */
function lastEventId(request: FastifyRequest): bigint | null {
  const said = request.headers['last-event-id'];
  if (typeof said !== 'string' || said === '') return null;
  return /^\d{1,19}$/.test(said) ? BigInt(said) : -1n;
}
