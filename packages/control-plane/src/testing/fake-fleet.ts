/**
 * Any number of simulated hosts behind one real HTTP server: each host's agent API lies under a path of its own, so that thousands of them
 * fit into one process.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answer, Refusal } from './fake-agent.js';
import { FakeHost, type FakeHostOptions } from './fake-host.js';

/** First port that hosts say they take peers at; nothing listens there. */
const FIRST_PEER_PORT = 20_000;

export class FakeFleet {
  readonly hosts = new Map<string, FakeHost>();
  /** Where hosts register and ring; empty for nowhere. */
  controlPlane = '';
  /** How long each phase of a migration takes, ms. */
  phaseMs = 5;
  readonly #server: Server;
  readonly #timers = new Set<NodeJS.Timeout>();
  #nextPort = FIRST_PEER_PORT;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<FakeFleet> {
    const server = createServer({ keepAliveTimeout: 60_000 });
    const fleet = new FakeFleet(server);
    server.on('request', (request, response) => void fleet.#serve(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', 1_024, resolve));
    return fleet;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  addHost(options: FakeHostOptions = {}): FakeHost {
    const host = new FakeHost(this, this.#nextPort, options);
    this.#nextPort += 1;
    this.hosts.set(host.id, host);
    return host;
  }

  /** The host that takes peers there. */
  byPeer(port: number): FakeHost | undefined {
    return [...this.hosts.values()].find((host) => host.peer.port === port);
  }

  ring(vmmId: string): void {
    if (this.controlPlane === '') return;
    fetch(`${this.controlPlane}/doorbells/vmms/${vmmId}`, { method: 'POST' })
      .then((response) => response.arrayBuffer())
      .catch(() => undefined);
  }

  /** Does something later, unless the fleet is closed before. */
  later(ms: number, what: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      what();
    }, ms);
    this.#timers.add(timer);
  }

  async close(): Promise<void> {
    this.controlPlane = '';
    for (const timer of this.#timers) clearTimeout(timer);
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, hostId = '', ...rest] = (request.url ?? '/').split('/');
    const host = this.hosts.get(hostId);
    try {
      const body = await readBody(request);
      if (!host) throw new Refusal(404, 'endpoint-not-found', 'There is no such host.');
      await answer(host, request, `/${rest.join('/')}`, body, response);
    } catch (thrown) {
      if (response.headersSent || response.destroyed) return;
      const refusal =
        thrown instanceof Refusal
          ? thrown
          : new Refusal(500, 'internal', thrown instanceof Error ? thrown.message : '');
      const { status, code, message, retryable } = refusal;
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: { code, message, retryable } }));
    }
  }
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  const text = Buffer.concat(parts).toString('utf8');
  return text === '' ? null : JSON.parse(text);
}
