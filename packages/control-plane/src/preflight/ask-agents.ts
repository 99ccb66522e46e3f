/**
 * What the agents of the two hosts say of a move. One that does not answer, or not by its contract, is a finding like the others.
 */
import type { Preflight, PreflightBody } from '@drover/protocol';
import { DroverError, toErrorBody, type VmmState } from '@drover/types';
import type { AgentDirectory, SagaAgent } from '../migrations/agents.js';
import type { PlacementHost } from '../placement/fleet.js';
import { type Finding, movesWith, note, refuse } from './finding.js';

/** Could the guest of this VMM leave, and what was it promised of its processors? */
export function askDeparture(
  agents: AgentDirectory,
  host: PlacementHost,
  { instanceId, driver }: VmmState,
  signal: AbortSignal,
): Promise<Preflight> {
  return ask(agents, host, async (agent) => {
    const said = await agent.checkPreflight({ role: 'source', instance: instanceId }, { signal });
    // Every machine that runs has such a promise; an agent before API 4.0.0 does not tell it.
    if (driver !== 'machine' || said.cpu !== null || !movesWith(said.findings)) return said;
    return { ...said, findings: [...said.findings, guestCpuNotCompared(host)] };
  });
}

/** Could it come here? An agent that cannot compare `cpu` is asked for the rest, and that is said. */
export function askArrival(
  agents: AgentDirectory,
  host: PlacementHost,
  body: PreflightBody & { readonly role: 'destination' },
  signal: AbortSignal,
): Promise<Preflight> {
  return ask(agents, host, async (agent) => {
    try {
      return await agent.checkPreflight(body, { signal });
    } catch (thrown) {
      if (!isTooOld(thrown) || !body.cpu) throw thrown;
    }
    const said = await agent.checkPreflight({ ...body, cpu: null }, { signal });
    return { ...said, findings: [...said.findings, guestCpuNotCompared(host)] };
  });
}

/** A preflight that ends with one finding. */
export function alone(finding: Finding): Preflight {
  return { findings: [finding], cpu: null };
}

async function ask(
  agents: AgentDirectory,
  host: PlacementHost,
  question: (agent: SagaAgent) => Promise<Preflight>,
): Promise<Preflight> {
  try {
    const agent = await agents.agentOf(host.id);
    if (agent !== null) return await question(agent);
    return alone(
      refuse('host-takes-no-guests', `Host ${host.name} is no longer in the fleet.`, 'Choose another.'),
    );
  } catch (thrown) {
    if (!(thrown instanceof DroverError)) throw thrown;
    if (isTooOld(thrown)) {
      return alone(
        note(
          'preflight-by-descriptions-alone',
          `The agent of host ${host.name} is too old to be asked for a preflight, so its disks, networks and free memory were not checked.`,
          `Upgrade Drover on ${host.name} to have them checked.`,
        ),
      );
    }
    // What was answered outside the contract is answered so again.
    const isInvalid = thrown.code === 'agent-response-invalid';
    if (isInvalid || (!thrown.retryable && thrown.status < 500)) {
      return alone(refuse(thrown.code, thrown.message, `Look at host ${host.name}.`));
    }
    const { message } = toErrorBody(thrown);
    return alone(
      refuse(
        'host-unreachable',
        `The agent of host ${host.name} did not answer: ${message}`,
        'Bring it back, or choose another host.',
      ),
    );
  }
}

function isTooOld(thrown: unknown): boolean {
  return thrown instanceof DroverError && thrown.code === 'api-version-too-old';
}

function guestCpuNotCompared({ name }: PlacementHost): Finding {
  return note(
    'guest-cpu-not-compared',
    `The agent of host ${name} is too old to say what of its processor a guest was promised or to compare it; the hosts’ processors were compared instead.`,
    `Nothing, for the migration itself compares it before it begins; or upgrade Drover on ${name}.`,
  );
}
