import type { DrainView, HostView } from '@drover/protocol';
import { describe, expect, it } from 'vitest';
import type { Move } from '../demo/move.mjs';
import { completedDocument, fleetTable, reportTable, shortcoming } from '../demo/report.mjs';

function move(change: Partial<Move> = {}): Move {
  return {
    from: 'a',
    to: 'b',
    report: {
      migrationId: '22222222-2222-4222-8222-222222222222',
      instanceId: '11111111-1111-4111-8111-111111111111',
      driver: 'qemu',
      ramMode: 'external',
      accelerator: 'tcg',
      tracker: 'pagemap-scan',
      protocolVersion: 1,
      specVersion: 1,
      epoch: '2',
      settings: {
        connections: 2,
        bandwidthBytesPerSecond: null,
        maxDowntimeMs: 100,
        maxRounds: 60,
        timeoutMs: 3_600_000,
        verify: true,
      },
      totalMs: 1234,
      rounds: [
        {
          round: 0,
          durationMs: 900,
          pages: 100,
          dataPages: 90,
          zeroPages: 0,
          tornPages: 0,
          wireBytes: 4096 * 90,
          quiescedMs: 0,
        },
      ],
      wireBytes: 4096 * 90,
      dataPages: 90,
      zeroPages: 0,
      stateBytes: 206_005,
      downtime: {
        totalMs: 12,
        pauseMs: 1,
        lastRoundMs: 2,
        stateSaveMs: 4,
        verifyMs: 1,
        loadMs: 2,
        handoverMs: 1,
        resumeMs: 1,
      },
      verified: true,
      deviceStates: { 'qemu-stream': 1 },
      capabilities: [],
    },
    gapMs: 13.5,
    missingBeats: 0,
    doubleBeats: 0,
    corruptPages: 0,
    alive: true,
    ...change,
  };
}

const id = '11111111-1111-4111-8111-111111111111';
const at = '2026-01-01T00:00:00.000Z';
const drain: DrainView = {
  id,
  hostId: id,
  hostName: 'a',
  state: 'completed',
  concurrency: 2,
  total: 1,
  moved: 1,
  stays: 0,
  items: [],
  createdAt: at,
  endedAt: at,
};
function host(name: string): HostView {
  return {
    id,
    name,
    url: 'http://127.0.0.1:7700',
    state: 'maintenance',
    desired: 'maintenance',
    labels: {},
    description: null,
    capacity: { cpus: 2, memoryBytes: 4 * 2 ** 30, cpusUsed: 0, memoryBytesUsed: 0 },
    vmms: 0,
    registeredAt: at,
    lastSeenAt: at,
    reason: null,
  };
}

describe('the report of the demo', () => {
  it('is one document of the agreed form', () => {
    const shown = { moves: [move(), move({ from: 'b', to: 'a' })], drains: [drain], hosts: [host('a')] };
    expect(completedDocument({ driver: 'qemu', accelerator: 'tcg', ...shown })).toEqual({
      result: 'completed',
      driver: 'qemu',
      ramMode: 'external',
      accelerator: 'tcg',
      migrations: [0, 1].map(() => ({
        totalMs: 1234,
        downtimeMs: 12,
        rounds: 1,
        bytesSent: 368_640,
        pagesSent: 90,
        verified: true,
      })),
      drains: [{ host: 'a', state: 'completed', total: 1, moved: 1 }],
      hosts: [{ name: 'a', state: 'maintenance', vmms: 0 }],
      guest: { alive: true, corruptPages: 0 },
    });
  });

  it('ends with the fleet, a line a host', () => {
    expect(fleetTable([host('a'), { ...host('b'), state: 'active', vmms: 1 }])).toBe(
      '  a    maintenance  0 VMMs  0 B of 4 GiB given to guests\n  b    active       1 VMM   0 B of 4 GiB given to guests',
    );
  });

  it('has a column a move', () => {
    const table = reportTable([move(), move({ from: 'b', to: 'a', gapMs: 20 })]);
    expect(table).toMatch(/a → b +b → a/);
    expect(table).toMatch(/gap of the heart +13.5 ms +20 ms/);
  });

  it('finds nothing missing in a demo that showed everything', () => {
    expect(shortcoming([move(), move()])).toBeNull();
  });

  it.each([
    ['memory that was not compared (R3)', { report: { ...move().report, verified: null } }, /not compared/],
    ['bad pages (R3)', { corruptPages: 2 }, /2 bad pages/],
    ['a guest that ran twice (R1)', { doubleBeats: 1 }, /two places/],
    ['a guest that fell silent (R2)', { alive: false }, /does not beat/],
  ])('says so of %s', (_, change, sentence) => {
    expect(shortcoming([move(), move(change)])).toMatch(sentence);
  });
});
