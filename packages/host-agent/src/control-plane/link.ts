/** The way to the control plane: its addresses, tried in order, of which the one that answered last is asked first. */
import { errorResponse } from '@drover/protocol';

export interface LinkRequest {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export interface LinkAnswer {
  /** Of the address that answered. */
  readonly url: string;
  readonly status: number;
  /** Of the error; null where the answer is none, or none of ours. */
  readonly code: string | null;
  readonly text: string;
}

/** Longest answer that is read, characters: nothing that is asked here has a long one (R6). */
const MAX_ANSWER = 64 * 1024;

export class ControlPlaneLink {
  readonly #urls: readonly string[];
  readonly #timeoutMs: number;
  readonly #shutdown: AbortSignal;
  #current = 0;

  constructor(options: { urls: readonly string[]; timeoutMs: number; shutdown: AbortSignal }) {
    this.#urls = options.urls.map((url) => url.replace(/\/+$/, ''));
    this.#timeoutMs = options.timeoutMs;
    this.#shutdown = options.shutdown;
  }

  /** The address that is asked first. */
  get url(): string {
    return this.#urls[this.#current] ?? '';
  }

  /** Asks one address after another until one answers, whatever it answers. Rejects with the last failure where none does. */
  async ask(request: LinkRequest): Promise<LinkAnswer> {
    let failure: unknown;
    for (let tried = 0; tried < this.#urls.length; tried += 1) {
      this.#shutdown.throwIfAborted();
      const asked = this.#current;
      try {
        return await this.#askOne(this.url, request);
      } catch (thrown) {
        failure = thrown;
        // Another request may have found a better one meanwhile.
        if (this.#current === asked) this.#current = (asked + 1) % this.#urls.length;
      }
    }
    throw failure;
  }

  async #askOne(url: string, { method, path, headers, body }: LinkRequest): Promise<LinkAnswer> {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      redirect: 'error',
      signal: AbortSignal.any([this.#shutdown, AbortSignal.timeout(this.#timeoutMs)]),
    });
    const text = await readAtMost(response, MAX_ANSWER);
    return { url, status: response.status, code: response.ok ? null : codeOf(text), text };
  }
}

async function readAtMost(response: Response, limit: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    if (text.length > limit)
      throw new Error(`the answer of ${response.url} is longer than ${limit} characters`);
  }
  return text;
}

function codeOf(text: string): string | null {
  try {
    return errorResponse.parse(JSON.parse(text)).error.code;
  } catch {
    return null;
  }
}
