/** This host's side of the control plane: it registers, and rings. Without a control plane there is none of it. */
import { formatHostPort } from '@drover/protocol';
import type { VmmState } from '@drover/types';
import type { Logger } from 'pino';
import { z } from 'zod';
import { Doorbell, type DoorbellCounts } from './doorbell.js';
import { ControlPlaneLink } from './link.js';
import { Registration } from './registration.js';

const httpUrl = z.url({ protocol: /^https?$/ }).max(512);

export const controlPlaneSchema = z.strictObject({
  /** Tried in order. */
  urls: z.array(httpUrl).min(1).max(8),
  /** This agent's API as the control plane reaches it; default: the address it listens on. */
  agentUrl: httpUrl.optional(),
  /** What placement may ask for; default: as they are in the control plane. */
  labels: z.record(z.string(), z.string()).optional(),
  /** Longest time between two signs of life, ms. */
  heartbeatMs: z.int().min(10).max(3_600_000).default(10_000),
  /** Longest wait for an answer, ms. */
  timeoutMs: z.int().min(10).max(60_000).default(5_000),
});

export interface ReportingOptions extends z.output<typeof controlPlaneSchema> {
  readonly stateOf: (vmmId: string) => VmmState | undefined;
  readonly logger: Logger;
}

/** As the control plane is told it. */
export interface HostIdentity {
  readonly hostId: string;
  readonly name: string;
  readonly url: string;
}

export class ControlPlaneReporting {
  readonly #options: ReportingOptions;
  readonly #stopping = new AbortController();
  readonly #link: ControlPlaneLink;
  readonly #doorbell: Doorbell;
  #registration: Registration | null = null;

  constructor(options: ReportingOptions) {
    this.#options = options;
    const shutdown = this.#stopping.signal;
    this.#link = new ControlPlaneLink({ urls: options.urls, timeoutMs: options.timeoutMs, shutdown });
    this.#doorbell = new Doorbell({
      link: this.#link,
      stateOf: options.stateOf,
      logger: options.logger,
      shutdown,
    });
  }

  get rings(): DoorbellCounts & { readonly waiting: number } {
    return { ...this.#doorbell.counts, waiting: this.#doorbell.waiting };
  }

  get registered(): boolean {
    return this.#registration?.accepted ?? false;
  }

  /** From here on the control plane knows of this host. */
  start({ hostId, name, url }: HostIdentity): void {
    const { labels, heartbeatMs, logger, agentUrl } = this.#options;
    this.#registration ??= new Registration({
      link: this.#link,
      ...{ hostId, name, url: agentUrl ?? url, labels, heartbeatMs, logger },
      onRegistered: () => this.#doorbell.reconsider(),
      shutdown: this.#stopping.signal,
    });
  }

  /** Returns at once. */
  ring(vmmId: string): void {
    this.#doorbell.ring(vmmId);
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await Promise.all([this.#registration?.close(), this.#doorbell.close()]);
  }
}

/** The URL under which another machine reaches an API that listens on `host`; `outward` is an address of this machine's own. */
export function urlFromOutside(apiUrl: string, outward: string): string {
  const url = new URL(apiUrl);
  return `${url.protocol}//${formatHostPort({ host: outward, port: Number(url.port) })}`;
}
