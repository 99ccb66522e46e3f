/** A control plane over real HTTP that answers as a test says, and remembers what it was asked. */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export class FakeControlPlane {
  readonly asked: Asked[] = [];
  url = '';
  /** Answers that are not as usual, by `METHOD /path` or its beginning. */
  readonly answers = new Map<string, (response: ServerResponse, asked: Asked) => void>();
  release = '0.2.0';

  static async start(): Promise<FakeControlPlane> {
    const plane = new FakeControlPlane();
    const server = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += String(chunk);
      const one = {
        method: String(request.method),
        url: String(request.url),
        headers: request.headers,
        body,
      };
      plane.asked.push(one);
      plane.#answer(one, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    plane.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    return plane;
  }

  /** VMMs that were rung for, in order. */
  get rings(): string[] {
    return this.asked.flatMap(({ method, url }) =>
      method === 'POST' ? [url.replace('/doorbells/vmms/', '')] : [],
    );
  }

  get upcalls(): Asked[] {
    return this.asked.filter(({ url }) => url.startsWith('/vmms/'));
  }

  get registrations(): Asked[] {
    return this.asked.filter(({ url }) => url.startsWith('/hosts/'));
  }

  /** Takes the doorbell away, as in a release that had none. */
  withoutDoorbell(): void {
    this.answers.set('POST /doorbells', refusing(404, 'endpoint-not-found'));
  }

  #answer(one: Asked, response: ServerResponse): void {
    const known = [...this.answers].find(([key]) => `${one.method} ${one.url}`.startsWith(key));
    if (known) known[1](response, one);
    else if (one.url === '/') {
      send(response, 200, { release: this.release, apiVersions: ['1.0.0'] });
    } else if (one.url.startsWith('/hosts/')) {
      send(response, 200, { id: one.url.slice(7), state: 'active', heartbeatMs: 1_000 });
    } else response.writeHead(204).end();
  }
}

export function send(response: ServerResponse, status: number, document: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(document));
}

export const refusing =
  (status: number, code: string) =>
  (response: ServerResponse): void =>
    send(response, status, { error: { code, message: 'No.', retryable: false } });
