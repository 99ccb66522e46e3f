import type { ControlPlaneParts } from '../../control-plane.js';
import { findHost } from '../../hosts/host-row.js';
import { findInstance } from '../../instances/instance-row.js';
import { movesWith } from '../../preflight/finding.js';
import type { HandlersOf } from './handler.js';

/** How long the agents of all hosts asked about may take together, ms. */
const PATIENCE_MS = 60_000;

export function preflightHandlers({
  database,
  preflights,
  shutdown,
}: ControlPlaneParts): HandlersOf<'checkPreflight'> {
  return {
    async checkPreflight({ body }) {
      const instance = await database.run((db) => findInstance(db, body.instance));
      const hosts =
        body.hosts === null
          ? null
          : await Promise.all(
              [...new Set(body.hosts)].map((host) => database.run((db) => findHost(db, host))),
            );
      const judged = await preflights.judge(
        {
          instanceId: instance.id,
          backends: body.backends,
          migrationId: null,
          signal: AbortSignal.any([shutdown, AbortSignal.timeout(PATIENCE_MS)]),
        },
        hosts?.map(({ id }) => id) ?? null,
      );
      return {
        results: judged.map(({ host: { id, name }, findings }) => ({
          host: { id, name },
          moves: movesWith(findings),
          findings: [...findings],
        })),
      };
    },
  };
}
