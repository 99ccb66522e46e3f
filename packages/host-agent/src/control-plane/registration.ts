/**
 * Says to the control plane that this host is there, again and again: its name, where its API is, its labels. The answer says how soon it wants to
 * hear again. What it makes of a host that is silent is its own affair; the guests here run on either way.
 */
import { API_VERSION_HEADER, publicEndpoints } from '@drover/protocol';
import type { Logger } from 'pino';
import type { ControlPlaneLink } from './link.js';
import { pause, withJitter } from './pause.js';

/** The public API's version in which hosts register. */
const PUBLIC_API_VERSION = '1.0.0';
/** First wait after a failure, doubled up to the heartbeat, ms. */
const BACKOFF_MS = 250;

export interface RegistrationOptions {
  readonly link: ControlPlaneLink;
  readonly hostId: string;
  readonly name: string;
  /** Of this agent's API, as the control plane reaches it. */
  readonly url: string;
  /** Undefined: those that the control plane has stay. */
  readonly labels: Readonly<Record<string, string>> | undefined;
  /** Longest time between two registrations, ms. */
  readonly heartbeatMs: number;
  /** After each registration that was accepted. */
  readonly onRegistered: () => Promise<void>;
  readonly logger: Logger;
  readonly shutdown: AbortSignal;
}

export class Registration {
  readonly #options: RegistrationOptions;
  readonly #running: Promise<void>;
  #said = '';
  #accepted = false;

  constructor(options: RegistrationOptions) {
    this.#options = options;
    this.#running = this.#run().catch((err: unknown) => {
      if (!options.shutdown.aborted)
        options.logger.error({ err }, 'registering with the control plane has ended');
    });
  }

  /** True while the control plane's last word was that it knows this host. */
  get accepted(): boolean {
    return this.#accepted;
  }

  close(): Promise<void> {
    return this.#running;
  }

  async #run(): Promise<void> {
    const { shutdown, heartbeatMs, logger, onRegistered } = this.#options;
    let backoff = BACKOFF_MS;
    while (!shutdown.aborted) {
      let wait: number;
      try {
        wait = await this.#register();
        backoff = BACKOFF_MS;
        this.#accepted = true;
        await onRegistered().catch((err: unknown) =>
          logger.debug({ err }, 'the control plane did not say its release'),
        );
      } catch (thrown) {
        if (shutdown.aborted) return;
        this.#accepted = false;
        this.#say(
          'warn',
          `this host could not register: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
        );
        wait = backoff;
        backoff = Math.min(backoff * 2, heartbeatMs);
      }
      await pause(withJitter(wait), shutdown).catch(() => undefined);
    }
  }

  /** Resolves with the wait before the next one, ms. */
  async #register(): Promise<number> {
    const { link, hostId, name, url, labels, heartbeatMs } = this.#options;
    const answer = await link.ask({
      method: 'PUT',
      path: `/hosts/${hostId}`,
      headers: { [API_VERSION_HEADER]: PUBLIC_API_VERSION },
      body: { name, url, ...(labels === undefined ? {} : { labels }) },
    });
    if (answer.status >= 300) {
      throw new Error(`${answer.url} answered ${answer.status}: ${answer.text.slice(0, 300)}`);
    }
    const { state, heartbeatMs: wanted } = publicEndpoints.registerHost.response.parse(
      JSON.parse(answer.text),
    );
    if (state === 'lost') {
      this.#say(
        'error',
        'the control plane has declared this host lost: its instances may run elsewhere by now; see docs/operations.md',
      );
    } else this.#say('info', `registered with the control plane at ${answer.url} as ${state}`);
    // Late by a fifth, and with a fifth of jitter, is still in time.
    return Math.min(heartbeatMs, wanted) * 0.7;
  }

  /** Each sentence once, until there is another. */
  #say(level: 'info' | 'warn' | 'error', sentence: string): void {
    if (sentence === this.#said) return;
    this.#said = sentence;
    this.#options.logger[level](sentence);
  }
}
