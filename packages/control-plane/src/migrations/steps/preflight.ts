/**
 * Judges where the guest can go, by the same function as `POST /preflights`. One host that was asked for is judged alone; otherwise the best by
 * placement are judged until a few pass, so that the next step has a choice where one of them fills up meanwhile.
 */
import { z } from 'zod';
import { refusalOf } from '../../preflight/finding.js';
import { backoffMs, type Step } from '../step.js';

/** Hosts that passed, best first. */
export const preflightResult = z.object({ destinations: z.array(z.string()).min(1) });

/** Tries while an agent does not answer. */
const TRIES = 4;

export const preflight: Step = async ({ migration, preflights, attempts, signal }) => {
  const { instanceId, wantedDestinationId, backends } = migration;
  const found = await preflights.chooseDestinations({
    instanceId,
    wanted: wantedDestinationId,
    backends,
    migrationId: migration.id,
    signal,
  });
  if (found.kind === 'passed') return { kind: 'done', result: { destinations: found.hostIds } };
  if (found.kind === 'silent' && attempts < TRIES) {
    return { kind: 'wait', inMs: backoffMs(attempts), again: true, change: { error: found.error } };
  }
  const error = found.kind === 'silent' ? found.error : refusalOf(found.findings);
  if (error === null) throw new Error('a preflight refused without a finding that does');
  return { kind: 'failed', error };
};
