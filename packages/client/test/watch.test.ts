import type { ServerResponse } from 'node:http';
import type { MigrationEvent } from '@drover/protocol/agent';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventStreamParser } from '../src/event-stream.js';
import { AgentClient } from '../src/index.js';
import { type Answer, fakeAgent, json, nobody } from './fake-agent.js';

const uuid = '00000000-0000-4000-8000-000000000001';
const at = '2026-01-02T03:04:05.000Z';
const note = (message: string): MigrationEvent => ({ kind: 'note', at, message });
const ended: MigrationEvent = {
  kind: 'ended',
  at,
  migration: {
    id: uuid,
    instanceId: uuid,
    instanceName: 'web-1',
    role: 'source',
    peer: 'south:7701',
    state: 'completed',
    phase: 'done',
    progress: null,
    report: null,
    error: null,
    startedAt: at,
    endedAt: at,
    ownership: null,
    doubt: null,
  },
};

function send(response: ServerResponse, id: number, event: MigrationEvent): void {
  response.write(`id: ${id}\nevent: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`);
}

function stream(serve: (response: ServerResponse) => void): Answer {
  return (_asked, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    serve(response);
  };
}

async function collect(events: AsyncIterable<MigrationEvent>): Promise<string[]> {
  const seen: string[] = [];
  for await (const event of events) seen.push(event.kind === 'note' ? event.message : event.kind);
  return seen;
}

describe('watching a migration', () => {
  it('yields every event and ends with the end', async () => {
    const { url, asked } = await fakeAgent(
      stream((response) => {
        response.write(': still here\n\n');
        send(response, 1, note('one'));
        send(response, 2, ended);
      }),
    );
    expect(await collect(new AgentClient({ url }).watchMigration(uuid))).toEqual(['one', 'ended']);
    expect(asked).toHaveLength(1);
    expect(asked[0]?.url).toBe(`/migrations/${uuid}/events`);
  });

  it('comes back after a lost connection with the last id that it has, and misses and repeats nothing', async () => {
    const { url, asked } = await fakeAgent(
      stream((response) => {
        send(response, 1, note('one'));
        send(response, 2, note('two'));
        setTimeout(() => response.destroy(), 20);
      }),
      json(503, { error: { code: 'agent-stopping', message: 'It is stopping.', retryable: true } }),
      stream((response) => {
        send(response, 3, note('three'));
        send(response, 4, ended);
      }),
    );
    const seen = await collect(new AgentClient({ url }).watchMigration(uuid));
    expect(seen).toEqual(['one', 'two', 'three', 'ended']);
    expect(asked.map(({ headers }) => headers['last-event-id'])).toEqual([undefined, '2', '2']);
  });

  it('takes silence for a lost connection', async () => {
    const { url, asked } = await fakeAgent(
      stream((response) => send(response, 1, note('one'))),
      stream((response) => send(response, 2, ended)),
    );
    const watching = new AgentClient({ url }).watchMigration(uuid, { silenceMs: 100 });
    expect(await collect(watching)).toEqual(['one', 'ended']);
    expect(asked).toHaveLength(2);
  });

  it('gives up with the reason when the agent stays away', async () => {
    const client = new AgentClient({ url: await nobody() });
    await expect(collect(client.watchMigration(uuid, { giveUpMs: 100 }))).rejects.toMatchObject({
      code: 'agent-unreachable',
    });
  });

  it('does not come back to a refusal', async () => {
    const { url, asked } = await fakeAgent(
      json(404, { error: { code: 'migration-not-found', message: 'No such migration.', retryable: false } }),
    );
    await expect(collect(new AgentClient({ url }).watchMigration(uuid))).rejects.toMatchObject({
      code: 'migration-not-found',
    });
    expect(asked).toHaveLength(1);
  });

  it('stops when it is told to, and lets the connection go when the loop is left', async () => {
    let closed = 0;
    const { url } = await fakeAgent(
      stream((response) => {
        response.on('close', () => {
          closed += 1;
        });
        send(response, 1, note('one'));
      }),
    );
    const client = new AgentClient({ url });
    const stop = new AbortController();
    const watching = collect(client.watchMigration(uuid, { signal: stop.signal }));
    setTimeout(() => stop.abort(new Error('enough')), 50);
    await expect(watching).rejects.toThrow('enough');
    for await (const event of client.watchMigration(uuid)) {
      expect(event.kind).toBe('note');
      break;
    }
    await expect.poll(() => closed).toBe(2);
  });
});

describe('the event stream parser', () => {
  it('finds the same events however the text is cut', () => {
    const event = fc.record({
      id: fc.stringMatching(/^[0-9]{1,4}$/),
      lines: fc.array(fc.stringMatching(/^[^\r\n]{1,20}$/), { minLength: 1, maxLength: 3 }),
      comment: fc.boolean(),
    });
    fc.assert(
      fc.property(
        fc.array(event),
        fc.array(fc.nat({ max: 400 })),
        fc.constantFrom('\n', '\r\n'),
        (events, cuts, newline) => {
          const text = events
            .map(({ id, lines, comment }) =>
              [
                ...(comment ? [': c', ''] : []),
                `id: ${id}`,
                ...lines.map((line) => `data: ${line}`),
                '',
                '',
              ].join(newline),
            )
            .join('');
          const places = [...new Set(cuts.map((cut) => Math.min(cut, text.length)))].toSorted(
            (a, b) => a - b,
          );
          const pieces = [0, ...places].map((from, index) => text.slice(from, places[index] ?? text.length));
          const parser = new EventStreamParser();
          const found = pieces.flatMap((piece) => parser.push(piece));
          expect(found).toEqual(events.map(({ id, lines }) => ({ id, data: lines.join('\n') })));
        },
      ),
    );
  });

  it('gives up on a line without an end (R6)', () => {
    const parser = new EventStreamParser();
    expect(() => {
      for (let i = 0; i < 10; i += 1) parser.push('x'.repeat(1 << 20));
    }).toThrow(RangeError);
  });
});
