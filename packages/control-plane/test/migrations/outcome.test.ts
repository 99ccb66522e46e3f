import type { MigrationViewV3 } from '@drover/protocol';
import { describe, expect, it } from 'vitest';
import {
  conclude,
  type DestinationEntry,
  destinationEntryOf,
  needsDestination,
  type SourceEntry,
  sourceEntryOf,
  type Word,
} from '../../src/migrations/outcome.js';

type Pair = readonly [source: SourceEntry | null, destination: DestinationEntry | null];

/**
 * The handover as the agents' journals go through it, step by step: every pair of journals that can be at one moment. The source gives
 * away only to a READY destination, and takes back only from one that has aborted or never had it.
 */
function reachable(): readonly Pair[] {
  const after = ([source, destination]: Pair): readonly Pair[] => [
    ...(source === null ? [['owned', destination] as const] : []),
    ...(source === 'owned' ? [['aborted', destination] as const] : []),
    ...(source === 'owned' && destination === 'ready' ? [['relinquished', destination] as const] : []),
    ...(source === 'relinquished' && destination === 'owned' ? [['done', destination] as const] : []),
    ...(source === 'relinquished' && destination === 'aborted' ? [['taken-back', destination] as const] : []),
    ...(source === 'owned' && destination === null ? [[source, 'preparing'] as const] : []),
    ...(source === 'owned' && destination === 'preparing' ? [[source, 'ready'] as const] : []),
    ...(destination === 'preparing' || destination === null ? [[source, 'aborted'] as const] : []),
    // READY ends by COMMIT or ABORT alone; the source sends ABORT once it has journaled it.
    ...(source === 'aborted' && destination === 'ready' ? [[source, 'aborted'] as const] : []),
    ...(source === 'relinquished' && destination === 'ready'
      ? [[source, 'owned'] as const, [source, 'aborted'] as const]
      : []),
  ];
  const seen = new Map<string, Pair>();
  const open: Pair[] = [[null, null]];
  for (let pair = open.pop(); pair !== undefined; pair = open.pop()) {
    if (seen.has(String(pair))) continue;
    seen.set(String(pair), pair);
    open.push(...after(pair));
  }
  return [...seen.values()];
}

/** Journals that can still come of a pair. */
function futures(from: Pair): readonly Pair[] {
  const all = reachable();
  const ends = all.filter(([source, destination]) => {
    if (from[1] === 'owned') return destination === 'owned';
    if (from[1] === 'aborted') return destination === 'aborted';
    if (from[0] === 'aborted') return source === 'aborted';
    return true;
  });
  return ends;
}

const answered = <Entry>(entry: Entry | null): Word<Entry> => ({ kind: 'answered', entry, view: null });
const silent = {
  kind: 'silent',
  error: { code: 'agent-unreachable', message: 'Silent.', retryable: true },
} as const;
const lost = { kind: 'lost' } as const;

const view = (change: Partial<MigrationViewV3>): MigrationViewV3 => ({
  id: '00000000-0000-4000-8000-000000000001',
  instanceId: '00000000-0000-4000-8000-000000000002',
  instanceName: 'guest',
  role: 'source',
  peer: '127.0.0.1:1',
  state: 'running',
  phase: 'rounds',
  progress: null,
  report: null,
  error: null,
  startedAt: '2026-01-01T00:00:00.000Z',
  endedAt: null,
  ownership: null,
  doubt: null,
  ...change,
});

describe('what is concluded of a migration (R4)', () => {
  const pairs = reachable();

  it('is never that it completed where the destination may not own it, nor that the guest stays where it may (R1, R2)', () => {
    expect(pairs.length).toBeGreaterThan(12);
    for (const [source, destination] of pairs) {
      for (const sourceWord of [answered(source), silent, lost]) {
        for (const destinationWord of [answered(destination), silent, lost, { kind: 'not-asked' } as const]) {
          const { kind } = conclude(sourceWord, destinationWord);
          const where = `${source}/${destination} by ${sourceWord.kind}/${destinationWord.kind}: ${kind}`;
          if (kind === 'completed') expect(destination, where).toBe('owned');
          // A destination that knows nothing of it never will where its source is lost.
          if (kind === 'stays' && !(sourceWord.kind === 'lost' && destination === null)) {
            expect(
              futures([source, destination]).some(([, later]) => later === 'owned'),
              where,
            ).toBe(false);
          }
          if (kind === 'never-began') {
            expect(source, where).toBe(null);
            expect([null, 'aborted'], where).toContain(destination);
          }
        }
      }
    }
  });

  it('is the end, wherever both agents answer and both journals have ended', () => {
    const ends = new Map<string, string>([
      ['done,owned', 'completed'],
      ['taken-back,aborted', 'stays'],
      ['aborted,aborted', 'stays'],
      ['aborted,', 'stays'],
    ]);
    for (const [source, destination] of pairs) {
      const expected = ends.get(`${source ?? ''},${destination ?? ''}`);
      if (expected === undefined) continue;
      expect(conclude(answered(source), answered(destination)).kind).toBe(expected);
      ends.delete(`${source ?? ''},${destination ?? ''}`);
    }
    expect([...ends.keys()]).toEqual([]);
  });

  it('needs one side alone where that can tell', () => {
    for (const [source] of pairs) {
      const word = answered(source);
      const alone = conclude(word, { kind: 'not-asked' }).kind;
      if (!needsDestination(word)) expect(['moving', 'completed', 'stays']).toContain(alone);
      else expect(['completed', 'stays', 'never-began']).not.toContain(alone);
    }
  });

  it('is nothing where both are silent', () => {
    expect(conclude(silent, silent).kind).toBe('unknown');
    expect(conclude(lost, silent).kind).toBe('unknown');
    expect(conclude(answered<SourceEntry>('relinquished'), lost).kind).toBe('in-doubt');
    expect(conclude(silent, answered<DestinationEntry>('ready')).kind).toBe('in-doubt');
    expect(conclude(lost, answered<DestinationEntry>('preparing')).kind).toBe('unknown');
  });

  it('has the report of whoever has it, and the reason of whoever says that the guest stays', () => {
    const error = { code: 'migration-cancelled', message: 'Cancelled.', retryable: false };
    const cancelled = view({ state: 'cancelled', error });
    expect(conclude({ kind: 'answered', entry: 'aborted', view: cancelled }, { kind: 'not-asked' })).toEqual({
      kind: 'stays',
      cancelled: true,
      error,
    });
  });

  it('takes the view of an agent that shows no journal for what it amounts to', () => {
    expect(sourceEntryOf(view({}))).toBe('owned');
    expect(sourceEntryOf(view({ state: 'in-doubt', phase: 'handover' }))).toBe('relinquished');
    expect(sourceEntryOf(view({ state: 'completed', phase: 'done' }))).toBe('done');
    expect(sourceEntryOf(view({ state: 'failed' }))).toBe('aborted');
    expect(sourceEntryOf(view({ state: 'failed', phase: 'handover' }))).toBe('taken-back');
    expect(destinationEntryOf(view({ role: 'destination' }))).toBe('ready');
    expect(destinationEntryOf(view({ role: 'destination', state: 'completed' }))).toBe('owned');
    expect(destinationEntryOf(view({ role: 'destination', state: 'cancelled' }))).toBe('aborted');
  });
});
