/** A doubt as it is shown: what is unknown, whose word ends it, and what an operator can do (R4). */
import type { Doubt as DoubtView } from '@drover/protocol';
import type { Doubt } from '@drover/source-agent';

/** Which instance, and whose word is missing (host:port, or an address). */
interface Parties {
  readonly migrationId: string;
  readonly instanceName: string;
  readonly peer: string;
}

/** The source has relinquished, and asks. */
export function relinquishedDoubt(
  { migrationId, instanceName, peer }: Parties,
  since: Date,
  doubt: Doubt,
): DoubtView {
  return {
    since: since.toISOString(),
    unknown: `Whether ${peer} has taken ${instanceName} over: it was given up here, and the guest stays paused until that host's journal says what became of it.`,
    waitsFor: peer,
    attempts: doubt.attempts,
    lastAnswer: doubt.lastAnswer,
    remedy: `Bring the agent at ${peer} back, and this is settled by itself. If that host is lost for good and can never run the guest: drover migration resolve ${migrationId} --decision take-back --lost-host ${peer} --reason …`,
  };
}

/** The source's journal could be written neither way, so that nobody can say whether the instance was given up. */
export function unwrittenDoubt({ instanceName }: Parties, since: Date): DoubtView {
  return {
    since: since.toISOString(),
    unknown: `Whether RELINQUISHED of ${instanceName} is on this host's disk: the journal took neither it nor ABORTED.`,
    waitsFor: "this host's own journal",
    attempts: 0,
    lastAnswer: null,
    remedy:
      'Free or repair the disk of the state directory, then restart this agent: what its journal says then is acted on.',
  };
}

/** The destination is READY, and its source is not connected. */
export function readyDoubt(
  { migrationId, instanceName, peer }: Parties,
  since: Date,
  reason: string,
): DoubtView {
  return {
    since: since.toISOString(),
    unknown: `Whether the source at ${peer} has given ${instanceName} up: all of it is here, and its VMM stays paused until the source says COMMIT or ABORT.`,
    waitsFor: peer,
    attempts: 0,
    lastAnswer: reason,
    remedy: `Bring the source's agent back, and this is settled by itself. If that host is lost for good and can never run the guest: drover migration resolve ${migrationId} --decision take-over (or give-up) --lost-host ${peer} --reason …`,
  };
}
