/** One request over fetch: deadline, version header, and every failure as an error with a code. */
import { API_VERSION_HEADER, agentGreeting, errorResponse } from '@drover/protocol/agent';
import { ApiError, clientErrors } from './errors.js';
import type { Service } from './service.js';

export interface TransportOptions {
  /** Base URL of the service, e.g. `http://127.0.0.1:7700`. */
  readonly url: string;
  /** Default: the global one. */
  readonly fetch?: typeof globalThis.fetch;
  /** Longest wait for an answer, ms; default 60,000. A stop or a cancel may take its time. */
  readonly timeoutMs?: number;
}

/** What a service answers to a request that is newer than itself; it looks for the endpoint before it looks at the version. */
const saysOlder: ReadonlySet<string> = new Set(['api-version-unknown', 'endpoint-not-found']);

export interface RequestOptions<Version extends string> {
  readonly version: Version;
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly signal?: AbortSignal | undefined;
}

export class Transport<Version extends string> {
  readonly service: Service<Version>;
  /** Without a slash at its end. */
  readonly url: string;
  readonly #fetch: typeof globalThis.fetch;
  readonly #timeoutMs: number;
  #version: Version;

  /** Errors: `agent-url-invalid`, `control-plane-url-invalid`. */
  constructor(service: Service<Version>, { url, fetch, timeoutMs = 60_000 }: TransportOptions) {
    this.service = service;
    this.url = checkUrl(service, url);
    // Called without a receiver: browsers refuse fetch as a method of something else.
    this.#fetch = fetch ?? ((input, init) => globalThis.fetch(input, init));
    this.#timeoutMs = timeoutMs;
    this.#version = service.versions.at(-1) ?? service.versions[0];
  }

  /**
   * Does `ask` in the newest version that both sides know: the client's own until the service refuses that by name, which it does before
   * anything happens (R7); then it is asked once which it serves. Errors: `ask`'s, `agent-version-unsupported`,
   * `control-plane-version-unsupported`.
   */
  async inCommonVersion<T>(
    ask: (version: Version) => Promise<T>,
    signal?: AbortSignal | undefined,
  ): Promise<T> {
    const tried = this.#version;
    try {
      return await ask(tried);
    } catch (thrown) {
      if (!(thrown instanceof ApiError && saysOlder.has(thrown.code))) throw thrown;
      if (this.#version === tried) this.#version = await this.#newestServed(tried, signal);
      if (this.#version === tried) throw thrown;
      return ask(this.#version);
    }
  }

  /** Reads the whole answer. Errors: as {@link open}. */
  async send(request: RequestOptions<Version>): Promise<string> {
    const timeout = AbortSignal.timeout(this.#timeoutMs);
    const signal = request.signal ? AbortSignal.any([request.signal, timeout]) : timeout;
    try {
      const response = await this.open({ ...request, signal });
      return await response.text();
    } catch (thrown) {
      request.signal?.throwIfAborted();
      if (timeout.aborted) {
        throw clientErrors.error(
          `${this.service.code}-timeout`,
          `The ${this.service.title} at ${this.url} did not answer ${request.method} ${request.path} within ${this.#timeoutMs} ms; look at its log.`,
          thrown,
        );
      }
      throw this.#explain(thrown);
    }
  }

  /**
   * Resolves when a good answer begins. Errors: {@link ApiError} with the service's own code, `agent-unreachable` and
   * `agent-response-invalid` or the same of a control plane; what `signal` was aborted with.
   */
  async open({ version, method, path, body, headers, signal }: RequestOptions<Version>): Promise<Response> {
    let response: Response;
    try {
      response = await this.#fetch(`${this.url}${path}`, {
        method,
        headers: {
          [API_VERSION_HEADER]: version,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(signal ? { signal } : {}),
      });
    } catch (thrown) {
      signal?.throwIfAborted();
      throw this.#explain(thrown);
    }
    if (response.ok) return response;
    throw await this.#refusal(response);
  }

  invalid(what: string, cause?: unknown): Error {
    const { code, api } = this.service;
    return clientErrors.error(
      `${code}-response-invalid`,
      `What answers at ${this.url} does not speak ${api} ${this.#version}: ${what}; check the URL and both releases.`,
      cause,
    );
  }

  /** True of an error that says that what answers is no such service at all. */
  isInvalid(thrown: unknown): boolean {
    return (
      thrown instanceof Error && 'code' in thrown && thrown.code === `${this.service.code}-response-invalid`
    );
  }

  async #newestServed(version: Version, signal: AbortSignal | undefined): Promise<Version> {
    const text = await this.send({ version, method: 'GET', path: '/', signal });
    let served: readonly string[];
    try {
      served = agentGreeting.parse(JSON.parse(text)).apiVersions;
    } catch (cause) {
      throw this.invalid('it does not say which versions it serves', cause);
    }
    const { code, title, api, versions } = this.service;
    const common = versions.findLast((ours) => served.includes(ours));
    if (common !== undefined) return common;
    throw clientErrors.error(
      `${code}-version-unsupported`,
      `The ${title} at ${this.url} serves ${api} ${served.join(', ') || '(none)'}, and this client speaks ${versions.join(', ')}; upgrade the older one.`,
    );
  }

  async #refusal(response: Response): Promise<Error> {
    const text = await response.text().catch(() => '');
    try {
      const { error } = errorResponse.parse(JSON.parse(text));
      return new ApiError(error, response.status, retryAfterMs(response.headers.get('retry-after')));
    } catch (cause) {
      return this.invalid(`status ${response.status} without an error of the API`, cause);
    }
  }

  #explain(thrown: unknown): unknown {
    // fetch fails with a TypeError whose cause has the reason; everything else has a code already.
    if (!(thrown instanceof TypeError)) return thrown;
    const { cause } = thrown;
    const reason = cause instanceof Error ? cause.message || ('code' in cause ? String(cause.code) : '') : '';
    const { code, title } = this.service;
    return clientErrors.error(
      `${code}-unreachable`,
      `No ${title} answers at ${this.url}${reason ? ` (${reason})` : ''}; check the URL, and that the ${title} runs there.`,
      thrown,
    );
  }
}

/** Seconds, as our services say it; a date, which HTTP has as well, counts as nothing said. */
function retryAfterMs(header: string | null): number | null {
  return header !== null && /^\d{1,6}$/.test(header) ? Number(header) * 1000 : null;
}

function checkUrl({ code, title, exampleUrl }: Service<string>, url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (parsed && (parsed.protocol === 'http:' || parsed.protocol === 'https:')) {
    return `${parsed.origin}${parsed.pathname}`.replace(/\/+$/, '');
  }
  throw clientErrors.error(
    `${code}-url-invalid`,
    `${JSON.stringify(url)} is not the http URL of the ${title}; write it like ${exampleUrl}.`,
  );
}
