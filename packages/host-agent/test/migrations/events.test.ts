import type { ServerResponse } from 'node:http';
import { PassThrough } from 'node:stream';
import type { MigrationProgress } from '@drover/types';
import { describe, expect, it } from 'vitest';
import { EventStreams } from '../../src/api/event-stream.js';
import { Migration } from '../../src/migrations/migration.js';
import { newMigrationView } from '../../src/migrations/store.js';
import { temporaryDirectory } from '../support/directory.js';

const uuid = '00000000-0000-4000-8000-000000000001';

function migration(): Migration {
  const view = newMigrationView({
    id: uuid,
    instanceId: uuid,
    instanceName: 'web-1',
    role: 'source',
    peer: 'south:7701',
    phase: 'rounds',
  });
  return new Migration({ view, request: null }, temporaryDirectory());
}

function progress(round: number): MigrationProgress {
  return {
    phase: 'rounds',
    round,
    elapsedMs: 1,
    wireBytes: 1,
    pagesSent: 1,
    pagesRemaining: 1,
    bandwidthBytesPerSecond: 1,
    dirtyPagesPerSecond: null,
    expectedDowntimeMs: null,
  };
}

/** A response whose client reads nothing until it is asked to. */
class SlowResponse extends PassThrough {
  writeHead() {
    return this;
  }
  flushHeaders() {}
}

describe('the events of a migration', () => {
  it('reach who comes late, and who comes back gets what it has not seen, each once', async () => {
    const one = migration();
    for (const round of [1, 2, 3]) one.progress(progress(round));
    const seen: number[] = [];
    const leave = one.events.subscribe(1, ({ id }) => seen.push(id));
    one.note('on its way');
    leave();
    one.progress(progress(4));
    expect(seen).toEqual([2, 3, 4]);
  });

  it('are all sent again to who knows of events from before a restart', () => {
    const one = migration();
    one.note('asking');
    const seen: number[] = [];
    one.events.subscribe(57, ({ id }) => seen.push(id));
    expect(seen).toEqual([1]);
  });

  it('stay bounded however long the migration takes (R6)', () => {
    const one = migration();
    for (let round = 0; round < 5_000; round += 1) one.progress(progress(round));
    let count = 0;
    one.events.subscribe(0, () => {
      count += 1;
    });
    expect(count).toBeLessThanOrEqual(512);
  });

  it('end with the end, which is on disk by then', async () => {
    const one = migration();
    const kinds: string[] = [];
    one.events.subscribe(0, ({ event }) => kinds.push(event.kind));
    await one.end({ state: 'cancelled', report: null, error: null });
    expect(kinds).toEqual(['ended']);
    await one.ended;
  });

  it('leave progress out for a reader that is too slow, but never the end', async () => {
    const one = migration();
    const response = new SlowResponse({ highWaterMark: 1 });
    new EventStreams(60_000).serve(response as unknown as ServerResponse, one, 0, {
      version: '2.0.0',
      event: (event) => event,
    });
    for (let round = 0; round < 3_000; round += 1) one.progress(progress(round));
    await one.end({ state: 'completed', report: null, error: null });
    let text = '';
    for await (const chunk of response) text += String(chunk);
    expect(text.match(/event: progress/g)?.length).toBeLessThan(1_000);
    expect(text).toMatch(/event: ended\ndata: .*"completed".*\n\n$/);
  });
});
