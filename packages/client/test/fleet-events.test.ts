import type { ServerResponse } from 'node:http';
import type { FleetEvent, FleetMigration } from '@drover/protocol/public';
import { describe, expect, it } from 'vitest';
import { ControlPlaneClient } from '../src/index.js';
import { type Answer, fakeAgent, json } from './fake-agent.js';
import { at, host, migration, uuid } from './fleet-documents.js';

const moved = (state: FleetMigration['state']): FleetEvent => ({
  kind: 'migration',
  at,
  migration: migration(state),
});
const gap: FleetEvent = { kind: 'gap', at };

const stream =
  (events: readonly (readonly [id: number, FleetEvent])[], end: (response: ServerResponse) => void): Answer =>
  (_asked, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const [id, event] of events) {
      response.write(`id: ${id}\nevent: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`);
    }
    end(response);
  };
const hangUp = (response: ServerResponse) => setTimeout(() => response.destroy(), 20);

describe('watching a migration of the fleet', () => {
  it('yields what it is each time, and ends when it has ended and not before', async () => {
    const { url } = await fakeAgent(
      stream(
        [
          [1, moved('running')],
          [2, moved('in-doubt')],
          [3, moved('completed')],
        ],
        hangUp,
      ),
    );
    const states = [];
    for await (const { state } of new ControlPlaneClient({ url }).watchMigration(uuid)) states.push(state);
    expect(states).toEqual(['running', 'in-doubt', 'completed']);
  });

  it('reads the migration anew where events were missed', async () => {
    const { url, asked } = await fakeAgent(
      stream(
        [
          [1, moved('running')],
          [9, gap],
        ],
        () => undefined,
      ),
      json(200, migration('failed')),
    );
    const states = [];
    for await (const { state } of new ControlPlaneClient({ url }).watchMigration(uuid)) states.push(state);
    expect(states).toEqual(['running', 'failed']);
    expect(asked.map((one) => one.url)).toEqual([`/migrations/${uuid}/events`, `/migrations/${uuid}`]);
  });
});

describe('watching everything', () => {
  it('comes back after the last event that it has, and repeats nothing', async () => {
    const hostEvent = (name: string): FleetEvent => ({ kind: 'host', at, host: host(name) });
    const { url, asked } = await fakeAgent(
      stream([[5, hostEvent('a')]], hangUp),
      json(503, { error: { code: 'database-unavailable', message: 'It is away.', retryable: true } }),
      stream([[6, hostEvent('b')]], () => undefined),
    );
    const client = new ControlPlaneClient({ url });
    const seen: [string, string][] = [];
    for await (const { id, event } of client.watchEvents({ kinds: ['host', 'drain'], lastEventId: '4' })) {
      seen.push([id, event.kind === 'host' ? event.host.name : event.kind]);
      if (seen.length === 2) break;
    }
    expect(seen).toEqual([
      ['5', 'a'],
      ['6', 'b'],
    ]);
    expect(asked.map((one) => one.url)).toEqual(Array(3).fill('/events?kinds=host%2Cdrain'));
    expect(asked.map(({ headers }) => headers['last-event-id'])).toEqual(['4', '5', '5']);
  });

  it('hands a gap to the caller, who knows what to read again', async () => {
    const { url } = await fakeAgent(stream([[7, gap]], () => undefined));
    for await (const { event } of new ControlPlaneClient({ url }).watchEvents()) {
      expect(event.kind).toBe('gap');
      break;
    }
  });

  it('does not take for an event what is none (R6)', async () => {
    const { url, asked } = await fakeAgent((_asked, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('id: 1\ndata: {"kind":"host"}\n\n');
    });
    const watching = new ControlPlaneClient({ url }).watchEvents();
    await expect(watching.next()).rejects.toMatchObject({ code: 'control-plane-response-invalid' });
    expect(asked).toHaveLength(1);
  });
});
