/** The agents of all hosts, asked by so many requests at once and no more: to each one, and over all. Every request has a deadline. */
import { clientErrors } from '@drover/client';
import { DroverError } from '@drover/types';
import { Agent, type AskOptions } from './agent.js';
import { Turns } from './turns.js';

export interface AgentAddress {
  /** Of the host. */
  readonly id: string;
  readonly name: string;
  readonly url: string;
}

export interface AgentPoolOptions {
  readonly perHost: number;
  readonly overall: number;
  /** How long an agent may take, ms. */
  readonly timeoutMs: number;
  /** Ends every request: the control plane is stopping. */
  readonly signal: AbortSignal;
}

export class AgentPool {
  readonly #options: AgentPoolOptions;
  readonly #overall: Turns;
  readonly #agents = new Map<string, { readonly agent: Agent; readonly turns: Turns }>();

  constructor(options: AgentPoolOptions) {
    this.#options = options;
    this.#overall = new Turns(options.overall);
  }

  /** Requests under way and waiting. */
  get load(): { readonly running: number; readonly waiting: number } {
    return this.#overall;
  }

  /**
   * Errors: what the agent answers, `agent-response-invalid` where that is outside the contract, `agent-unreachable`, `agent-timeout` after `timeoutMs` (default: the pool's), which counts from its turn.
   */
  async ask<T>(
    host: AgentAddress,
    ask: (agent: Agent, options: AskOptions) => Promise<T>,
    timeoutMs = this.#options.timeoutMs,
  ): Promise<T> {
    const { agent, turns } = this.#agentOf(host);
    // The host's turn first: one that hangs must not hold what others could use.
    return turns.take(() =>
      this.#overall.take(async () => {
        this.#options.signal.throwIfAborted();
        const deadline = AbortSignal.timeout(timeoutMs);
        const signal = AbortSignal.any([deadline, this.#options.signal]);
        try {
          return await ask(agent, { signal });
        } catch (thrown) {
          if (!deadline.aborted) throw naming(host, thrown);
          throw clientErrors.error(
            'agent-timeout',
            `The agent of host ${host.name} at ${host.url} did not answer within ${timeoutMs} ms; look at its log.`,
            thrown,
          );
        }
      }),
    );
  }

  forget(hostId: string): void {
    this.#agents.delete(hostId);
  }

  #agentOf({ id, url }: AgentAddress): { readonly agent: Agent; readonly turns: Turns } {
    const known = this.#agents.get(id);
    if (known && known.agent.url === url.replace(/\/+$/, '')) return known;
    const made = { agent: new Agent(url), turns: new Turns(this.#options.perHost) };
    this.#agents.set(id, made);
    return made;
  }
}

/** Among many hosts an URL alone is a riddle. */
function naming({ name }: AgentAddress, thrown: unknown): unknown {
  if (!(thrown instanceof DroverError && thrown.code === 'agent-response-invalid')) return thrown;
  return clientErrors.error('agent-response-invalid', `Host ${name}: ${thrown.message}`, thrown);
}
