import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatHostPort } from '@drover/protocol';
import { describe, expect, it } from 'vitest';
import { spec, startTestAgent } from '../support/agent.js';
import { cutHandover, ended } from '../support/cut-handover.js';
import { interruptedAt } from '../support/interrupted.js';
import { until } from '../support/until.js';

describe('a handover that both agents were restarted in', () => {
  it('is finished when the destination was ready: it is told again, and alone runs the guest (R1, R2, R4)', async () => {
    const cut = await cutHandover(['preparing', 'ready']);
    expect((await ended(cut)).state).toBe('completed');
    expect(cut.northVmm.state).toBe('gone');
    expect(cut.southVmm.state).toBe('running');
    expect(await cut.north.client.listInstances()).toEqual([]);
    const arrived = await until(
      () => cut.south.client.getInstance(cut.instance.id),
      ({ state }) => state.life === 'running',
    );
    expect(arrived.state.epoch).toBe('2');
    expect((await cut.south.client.getMigration(cut.migrationId)).state).toBe('completed');
    expect((await cut.south.client.stopInstance('web-1', { force: true })).state.life).toBe('stopped');
  });

  it('is finished when the destination owned the instance already', async () => {
    const cut = await cutHandover(['preparing', 'ready', 'owned']);
    expect(cut.southVmm.state).toBe('running');
    expect((await ended(cut)).state).toBe('completed');
    expect(cut.northVmm.state).toBe('gone');
    expect(await cut.north.client.listInstances()).toEqual([]);
  });

  it('is taken back, under a higher epoch, when the destination had aborted (R1, R2)', async () => {
    const cut = await cutHandover(['preparing', 'aborted']);
    const migration = await ended(cut);
    expect(migration).toMatchObject({ state: 'failed', error: { code: 'destination-did-not-take-over' } });
    expect(cut.northVmm.state).toBe('running');
    expect(cut.southVmm.state).toBe('gone');
    const { state } = await cut.north.client.getInstance('web-1');
    expect(state).toMatchObject({ life: 'running', epoch: '3', error: null });
    expect(await cut.south.client.listInstances()).toEqual([]);
  });

  it('is taken back without a guest when its VMM was lost meanwhile: north says so and can start it (R2)', async () => {
    const cut = await cutHandover(['preparing', 'aborted'], undefined, {
      whileCut: (northVmm) => northVmm.destroy(),
    });
    expect((await ended(cut)).error?.code).toBe('destination-did-not-take-over');
    const { state } = await cut.north.client.getInstance('web-1');
    expect(state).toMatchObject({ life: 'failed', epoch: '3', error: { code: 'vmm-lost' } });
    expect((await cut.north.client.startInstance('web-1')).state.life).toBe('running');
  });

  it('is off when north had not relinquished: south is told so, tears down, and can be moved to again (R2, R12)', async () => {
    const cut = await cutHandover(['preparing', 'ready'], [['owned', 1n]]);
    expect(cut.northVmm.state).toBe('running');
    await until(
      () => cut.south.client.listInstances(),
      (instances) => instances.length === 0,
    );
    expect(cut.southVmm.state).toBe('gone');
    expect((await cut.south.client.getMigration(cut.migrationId)).state).toBe('cancelled');
    const left = () =>
      readdirSync(join(cut.north.root, 'state', 'migrations')).filter((name) => name.includes('abort'));
    await until(
      async () => left(),
      (names) => names.length === 0,
    );
  });

  it('is off, and south is told as soon as it can be, when it cannot be reached at first', async () => {
    const cut = await cutHandover(['preparing', 'ready']);
    await ended(cut);
    const test = await startTestAgent();
    const instance = await test.client.createInstance({ spec: spec('web-2'), start: true });
    const peer = '127.0.0.1:9';
    await test.restart(async () => {
      await interruptedAt(test, instance, 'source', [['owned', 1n]], { peer });
    });
    const notices = () =>
      readdirSync(join(test.root, 'state', 'migrations')).filter((name) => name.includes('abort'));
    expect((await test.client.getInstance('web-2')).state.life).toBe('running');
    expect(notices()).toHaveLength(1);
    await test.restart();
    expect(notices()).toHaveLength(1);
    const [notice = ''] = notices();
    await test.restart(() => {
      const path = join(test.root, 'state', 'migrations', notice);
      writeFileSync(path, readFileSync(path, 'utf8').replace(peer, formatHostPort(cut.south.agent.peer)));
    });
    await until(
      async () => notices(),
      (names) => names.length === 0,
    );
  });
});
