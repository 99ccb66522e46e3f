import { describe, expect, it } from 'vitest';
import { cutHandover, ended } from '../support/cut-handover.js';
import { until } from '../support/until.js';

const reason = 'fenced at the power strip';

/** A source in doubt whose destination does not answer. */
async function lostDestination() {
  const cut = await cutHandover(['preparing', 'ready'], undefined, { unreachable: true });
  const { peer } = await until(
    () => cut.north.client.getMigration(cut.migrationId),
    ({ doubt }) => (doubt?.attempts ?? 0) > 0,
  );
  return { ...cut, peer };
}

/** A destination that is READY and whose source has not come back. */
async function lostSource() {
  const cut = await cutHandover(['preparing', 'ready'], undefined, { unreachable: true });
  const { peer } = await cut.south.client.getMigration(cut.migrationId);
  return { ...cut, peer };
}

describe('a source in doubt', () => {
  it('says what it does not know, whom it waits for, how often it asked, and what can be done (R4)', async () => {
    const { north, migrationId, peer } = await lostDestination();
    const { doubt, state } = await north.client.getMigration(migrationId);
    expect(state).toBe('in-doubt');
    expect(doubt).toMatchObject({
      unknown: expect.stringContaining('web-1'),
      waitsFor: peer,
      attempts: expect.any(Number),
      lastAnswer: expect.stringContaining('No connection'),
      remedy: expect.stringContaining(`--decision take-back --lost-host ${peer}`),
    });
    expect(await north.client.getOwnership(migrationId)).toMatchObject({
      source: { state: 'relinquished', epoch: '2' },
      destination: null,
    });
  });

  it('takes the instance back, under a higher epoch, once the destination is declared lost (R1, R2)', async () => {
    const { north, northVmm, migrationId, peer } = await lostDestination();
    const body = { decision: 'take-back', lostHost: peer, reason } as const;
    const decided = await north.client.resolveMigration(migrationId, body);
    expect(decided).toMatchObject({
      ...{ state: 'failed', doubt: null, ownership: { state: 'taken-back', epoch: '3' } },
      error: { code: 'destination-declared-lost', message: expect.stringContaining(reason) },
    });
    expect(northVmm.state).toBe('running');
    expect((await north.client.getInstance('web-1')).state).toMatchObject({ life: 'running', epoch: '3' });
    await expect(north.client.resolveMigration(migrationId, body)).rejects.toMatchObject({
      code: 'migration-not-resolvable',
    });
  });

  it('tears down what that host holds under the older epoch when it comes back: it never runs (R1)', async () => {
    const cut = await lostDestination();
    await cut.north.client.resolveMigration(cut.migrationId, {
      ...{ decision: 'take-back', lostHost: cut.peer, reason },
    });
    await cut.reachable();
    await until(
      () => cut.south.client.listInstances(),
      (instances) => instances.length === 0,
    );
    expect(cut.southVmm.state).toBe('gone');
    expect(cut.northVmm.state).toBe('running');
    expect(await cut.south.client.getOwnership(cut.migrationId)).toMatchObject({
      destination: { state: 'aborted' },
    });
  });

  it('says so at the instance when that host comes back and owns it (R1)', async () => {
    const cut = await cutHandover(['preparing', 'ready', 'owned'], undefined, { unreachable: true });
    const { peer } = await cut.north.client.getMigration(cut.migrationId);
    await cut.north.client.resolveMigration(cut.migrationId, {
      decision: 'take-back',
      lostHost: peer,
      reason,
    });
    await cut.reachable();
    const { state } = await until(
      () => cut.north.client.getInstance('web-1'),
      ({ state }) => state.error !== null,
    );
    expect(state).toMatchObject({
      ...{ life: 'running', epoch: '3' },
      error: { code: 'instance-owned-twice', message: expect.stringContaining('epoch 2') },
    });
  });

  it.each([
    ['another host was named', { lostHost: '10.9.9.9:1' }, 'lost-host-not-named'],
    ['the decision is one for a destination', { decision: 'give-up' }, 'decision-not-possible'],
  ] as const)('stays as it is where %s', async (_, change, code) => {
    const { north, northVmm, migrationId, peer } = await lostDestination();
    const body = { decision: 'take-back', lostHost: peer as string, reason, ...change } as const;
    await expect(north.client.resolveMigration(migrationId, body)).rejects.toMatchObject({ code });
    expect((await north.client.getMigration(migrationId)).state).toBe('in-doubt');
    expect(northVmm.state).toBe('paused');
  });

  it('is settled by the destination wherever that can be asked, whatever an operator says (R1)', async () => {
    const cut = await lostDestination();
    const body = { decision: 'take-back', lostHost: cut.peer, reason } as const;
    await cut.reachable();
    await cut.north.client.resolveMigration(cut.migrationId, body).catch((thrown: unknown) => {
      expect(thrown).toMatchObject({
        code: expect.stringMatching(/^(other-host-answers|migration-not-resolvable)$/),
      });
    });
    expect((await ended(cut)).state).toBe('completed');
    expect(cut.northVmm.state).toBe('gone');
    expect(cut.southVmm.state).toBe('running');
  });
});

describe('a destination that is READY and has lost its source', () => {
  it('says that it waits, and for whom (R4)', async () => {
    const { south, migrationId, peer } = await lostSource();
    expect((await south.client.getMigration(migrationId)).doubt).toMatchObject({
      unknown: expect.stringContaining('web-1'),
      waitsFor: peer,
      remedy: expect.stringContaining('--decision take-over'),
    });
  });

  it('takes the instance over once the source is declared lost (R1, R2)', async () => {
    const { south, southVmm, migrationId, peer } = await lostSource();
    const body = { decision: 'take-over', lostHost: peer, reason } as const;
    expect(await south.client.resolveMigration(migrationId, body)).toMatchObject({
      state: 'completed',
      ownership: { state: 'owned', epoch: '2' },
    });
    expect(southVmm.state).toBe('running');
  });

  it('gives it up once the source is declared lost, and leaves nothing (R12)', async () => {
    const { south, southVmm, migrationId, peer } = await lostSource();
    const body = { decision: 'give-up', lostHost: peer, reason } as const;
    expect(await south.client.resolveMigration(migrationId, body)).toMatchObject({
      ...{ state: 'failed', ownership: { state: 'aborted' } },
      error: { code: 'source-declared-lost' },
    });
    expect(southVmm.state).toBe('gone');
    expect(await south.client.listInstances()).toEqual([]);
  });

  it('cannot take back what it never had', async () => {
    const { south, migrationId, peer } = await lostSource();
    const body = { decision: 'take-back', lostHost: peer, reason } as const;
    await expect(south.client.resolveMigration(migrationId, body)).rejects.toMatchObject({
      code: 'decision-not-possible',
    });
  });
});
