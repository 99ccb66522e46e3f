import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Vmm } from '@drover/vmm';
import pino from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { Doubt, type InDoubtMigration, settleInDoubt } from '../src/index.js';
import { FakeSourceJournal } from './world/fake-journals.js';
import { type Answer, type Script, ScriptedDestination } from './world/scripted-destination.js';

const closing: Array<() => void> = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** A source that has relinquished epoch 5 to a destination which answers from `script`. */
async function doubt(script: Script) {
  const destination = await ScriptedDestination.start(script);
  const log: string[] = [];
  const notes: string[] = [];
  const shutdown = new AbortController();
  closing.push(() => {
    shutdown.abort();
    destination.close();
  });
  const vmm = {
    resume: async () => void log.push('resume'),
    destroy: async () => void log.push('destroy'),
    status: async () => 'paused' as const,
  } as unknown as Vmm;
  const migration: InDoubtMigration = {
    migrationId: randomUUID(),
    instance: { id: randomUUID(), name: 'guest-a' },
    epoch: 5n,
    vmm,
    destination: { host: '127.0.0.1', port: destination.port },
    journal: new FakeSourceJournal(log),
    release: '0.1.0',
    hostName: 'source-host',
    shutdown: shutdown.signal,
    logger: pino({ level: 'silent' }),
    onNote: (text) => void notes.push(text),
    deadlines: { queryMs: 500, runningMs: 500, queryBackoffMs: [1, 10] },
  };
  return { migration, destination, log, notes, shutdown };
}

const says = (outcome: Exclude<Answer, 'silence'>['outcome'], epoch = '6'): Answer => ({ outcome, epoch });

describe('an outcome that is in doubt (R4)', () => {
  it('is completed when the destination owns the instance: DONE first, then the VMM goes', async () => {
    const { migration, log } = await doubt({ answers: [says('owned')] });
    expect(await settleInDoubt(migration)).toEqual({ kind: 'completed', vmmDestroyed: true });
    expect(log).toEqual(['source: done', 'destroy']);
  });

  it('is taken back when the destination aborted: under a higher epoch on disk, then the guest runs', async () => {
    const { migration, log } = await doubt({ answers: [says('aborted')] });
    expect(await settleInDoubt(migration)).toMatchObject({
      kind: 'failed',
      guest: 'running',
      error: { code: 'destination-did-not-take-over' },
    });
    expect(log).toEqual(['source: taken back 7', 'resume']);
  });

  it('is not taken back while the journal cannot say so', async () => {
    const { migration, log } = await doubt({ answers: [says('aborted')] });
    let failures = 2;
    (migration.journal as FakeSourceJournal).before = () => {
      if (failures-- > 0) throw new Error('disk full');
    };
    await settleInDoubt(migration);
    expect(log).toEqual(['source: taken back 7', 'resume']);
  });

  it('is committed again when the destination is still READY', async () => {
    const { migration, destination, log } = await doubt({ answers: [says('ready')], commit: 'running' });
    expect(await settleInDoubt(migration)).toMatchObject({ kind: 'completed' });
    expect(destination.requests).toEqual(['outcomeQuery', 'commit']);
    expect(log).toEqual(['source: done', 'destroy']);
  });

  it('is asked again when that COMMIT brings no RUNNING either', async () => {
    const answers = [says('ready'), says('ready'), says('owned')];
    const { migration, destination } = await doubt({ answers, commit: 'silence' });
    expect(await settleInDoubt(migration)).toMatchObject({ kind: 'completed' });
    expect(destination.requests).toEqual([
      'outcomeQuery',
      'commit',
      'outcomeQuery',
      'commit',
      'outcomeQuery',
    ]);
  });

  it.each<[string, Answer]>([
    ['it has no record of it', says('unknown', '0')],
    ['it is still preparing', says('preparing')],
    ['it owned it before, at an older epoch', says('owned', '5')],
    ['it is READY for another epoch', says('ready', '9')],
    ['it breaks the connection', 'silence'],
  ])('stays in doubt and paused while the destination says that %s', async (_what, answer) => {
    const { migration, destination, log, notes, shutdown } = await doubt({
      answers: [answer],
      commit: 'running',
    });
    const settled = settleInDoubt(migration);
    while (destination.requests.length < 4) await sleep(5);
    expect(log).toEqual([]);
    expect(destination.requests).not.toContain('commit');
    shutdown.abort();
    expect(await settled).toMatchObject({ kind: 'in-doubt', error: { code: 'outcome-unknown' } });
    expect(log).toEqual([]);
    expect(notes).toHaveLength(1);
  });

  it('goes on asking a destination that is not there, and hears it when it is back', async () => {
    const { migration, notes } = await doubt({ answers: ['silence', 'silence', says('owned')] });
    expect(await settleInDoubt(migration)).toMatchObject({ kind: 'completed' });
    expect(notes.length).toBeGreaterThan(0);
  });

  it('is settled without a VMM too, where that ended meanwhile', async () => {
    const { migration, log } = await doubt({ answers: [says('aborted')] });
    expect(await settleInDoubt({ ...migration, vmm: null })).toMatchObject({ kind: 'failed', guest: 'gone' });
    expect(log).toEqual(['source: taken back 7']);
  });
});

describe('an operator who declares the destination lost', () => {
  it('has the instance taken back while it cannot be asked: the higher epoch on disk first, then the guest runs (R1, R4)', async () => {
    const { migration, destination, log } = await doubt({ answers: [] });
    destination.close();
    const about = new Doubt();
    const settling = settleInDoubt({ ...migration, doubt: about });
    await until(() => about.attempts > 2);
    expect(about.lastAnswer).toContain('No connection');
    expect(await about.takeBack('its power is off')).toEqual({ kind: 'taken-back' });
    expect(await settling).toMatchObject({
      kind: 'failed',
      guest: 'running',
      error: { code: 'destination-declared-lost', message: expect.stringContaining('its power is off') },
    });
    expect(log).toEqual(['source: taken back 7', 'resume']);
  });

  it.each([
    ['owned', 'completed', ['source: done', 'destroy']],
    ['ready', 'completed', ['source: done', 'destroy']],
  ] as const)(
    'is refused by one whose journal says %s, and that is acted on (R1)',
    async (outcome, kind, did) => {
      // The first question is answered with nothing; by the second the operator has spoken.
      const { migration, log } = await doubt({ answers: ['silence', says(outcome)], commit: 'running' });
      const about = new Doubt();
      const settling = settleInDoubt({ ...migration, doubt: about });
      expect(await about.takeBack('I think so')).toMatchObject({
        kind: 'contradicted',
        sentence: expect.stringContaining(`says ${outcome}`),
      });
      expect(await settling).toMatchObject({ kind });
      expect(log).toEqual(did);
    },
  );

  it('is not taken for a COMMIT without an answer: after one nothing is taken back unasked (R1)', async () => {
    const { migration, log, shutdown } = await doubt({ answers: ['silence', says('ready')] });
    const about = new Doubt();
    const settling = settleInDoubt({ ...migration, doubt: about });
    expect(await about.takeBack('I think so')).toMatchObject({ kind: 'contradicted' });
    await until(() => about.attempts > 2);
    expect(log).toEqual([]);
    shutdown.abort();
    expect(await settling).toMatchObject({ kind: 'in-doubt' });
  });

  it('is told where the journal cannot take it: the guest stays paused until it can (R4)', async () => {
    const { migration, destination, log } = await doubt({ answers: [] });
    destination.close();
    let failures = 2;
    (migration.journal as FakeSourceJournal).before = () => {
      if (failures-- > 0) throw new Error('disk full');
    };
    const about = new Doubt();
    const settling = settleInDoubt({ ...migration, doubt: about });
    expect(await about.takeBack('burnt')).toEqual({ kind: 'taken-back' });
    expect(await settling).toMatchObject({ kind: 'failed', guest: 'running' });
    expect(log).toEqual(['source: taken back 7', 'resume']);
  });

  it('is told so when nothing is in doubt any more', async () => {
    const { migration } = await doubt({ answers: [says('owned')] });
    const about = new Doubt();
    await settleInDoubt({ ...migration, doubt: about });
    expect(await about.takeBack('late')).toEqual({ kind: 'over' });
  });
});

async function until(isTrue: () => boolean): Promise<void> {
  for (let tries = 0; !isTrue() && tries < 1_000; tries += 1) await sleep(5);
  expect(isTrue()).toBe(true);
}
