/** One request over fetch: deadline, version header, and every failure as an error with a code. */
import {
  AGENT_API_VERSIONS,
  type AgentApiVersion,
  API_VERSION_HEADER,
  agentGreeting,
  errorResponse,
  NEWEST_AGENT_API_VERSION,
} from '@drover/protocol/agent';
import { ApiError, clientErrors } from './errors.js';

export interface TransportOptions {
  /** Base URL of the agent, e.g. `http://127.0.0.1:7700`. */
  readonly url: string;
  /** Default: the global one. */
  readonly fetch?: typeof globalThis.fetch;
  /** Longest wait for an answer, ms; default 60,000. A stop or a cancel may take its time. */
  readonly timeoutMs?: number;
}

/** What an agent answers to a request that is newer than itself; it looks for the endpoint before it looks at the version. */
const saysOlder: ReadonlySet<string> = new Set(['api-version-unknown', 'endpoint-not-found']);

export interface RequestOptions {
  readonly version: AgentApiVersion;
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

export class Transport {
  /** Without a slash at its end. */
  readonly url: string;
  readonly #fetch: typeof globalThis.fetch;
  readonly #timeoutMs: number;
  #version: AgentApiVersion = NEWEST_AGENT_API_VERSION;

  /** Errors: `agent-url-invalid`. */
  constructor({ url, fetch, timeoutMs = 60_000 }: TransportOptions) {
    this.url = checkUrl(url);
    // Called without a receiver: browsers refuse fetch as a method of something else.
    this.#fetch = fetch ?? ((input, init) => globalThis.fetch(input, init));
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Does `ask` in the newest version that both sides know: the client's own until the agent refuses that by name, which it does before
   * anything happens (R7); then the agent is asked once which it serves. Errors: `ask`'s, `agent-version-unsupported`.
   */
  async inCommonVersion<T>(
    ask: (version: AgentApiVersion) => Promise<T>,
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
  async send(request: RequestOptions): Promise<string> {
    const timeout = AbortSignal.timeout(this.#timeoutMs);
    const signal = request.signal ? AbortSignal.any([request.signal, timeout]) : timeout;
    try {
      const response = await this.open({ ...request, signal });
      return await response.text();
    } catch (thrown) {
      request.signal?.throwIfAborted();
      if (timeout.aborted) {
        throw clientErrors.error(
          'agent-timeout',
          `The agent at ${this.url} did not answer ${request.method} ${request.path} within ${this.#timeoutMs} ms; look at its log.`,
          thrown,
        );
      }
      throw this.#explain(thrown);
    }
  }

  /**
   * Resolves when a good answer begins. Errors: {@link ApiError} with the agent's own code, `agent-unreachable`,
   * `agent-response-invalid`; what `signal` was aborted with.
   */
  async open({ version, method, path, body, headers, signal }: RequestOptions): Promise<Response> {
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
    return clientErrors.error(
      'agent-response-invalid',
      `What answers at ${this.url} does not speak agent API ${this.#version}: ${what}; check the URL and both releases.`,
      cause,
    );
  }

  async #newestServed(version: AgentApiVersion, signal: AbortSignal | undefined): Promise<AgentApiVersion> {
    const text = await this.send({ version, method: 'GET', path: '/', signal });
    let served: readonly string[];
    try {
      served = agentGreeting.parse(JSON.parse(text)).apiVersions;
    } catch (cause) {
      throw this.invalid('it does not say which versions it serves', cause);
    }
    const common = AGENT_API_VERSIONS.findLast((ours) => served.includes(ours));
    if (common !== undefined) return common;
    throw clientErrors.error(
      'agent-version-unsupported',
      `The agent at ${this.url} serves agent API ${served.join(', ') || '(none)'}, and this client speaks ${AGENT_API_VERSIONS.join(', ')}; upgrade the older one.`,
    );
  }

  async #refusal(response: Response): Promise<Error> {
    const text = await response.text().catch(() => '');
    try {
      return new ApiError(errorResponse.parse(JSON.parse(text)).error, response.status);
    } catch (cause) {
      return this.invalid(`status ${response.status} without an error of the API`, cause);
    }
  }

  #explain(thrown: unknown): unknown {
    // fetch fails with a TypeError whose cause has the reason; everything else has a code already.
    if (!(thrown instanceof TypeError)) return thrown;
    const { cause } = thrown;
    const reason = cause instanceof Error ? cause.message || ('code' in cause ? String(cause.code) : '') : '';
    return clientErrors.error(
      'agent-unreachable',
      `No agent answers at ${this.url}${reason ? ` (${reason})` : ''}; check the URL, and that the agent runs there.`,
      thrown,
    );
  }
}

function checkUrl(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (parsed && (parsed.protocol === 'http:' || parsed.protocol === 'https:')) {
    return `${parsed.origin}${parsed.pathname}`.replace(/\/+$/, '');
  }
  throw clientErrors.error(
    'agent-url-invalid',
    `${JSON.stringify(url)} is not the URL of an agent; write it like http://127.0.0.1:7700.`,
  );
}
