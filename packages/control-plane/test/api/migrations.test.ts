import { randomUUID } from 'node:crypto';
import type {
  AuditEntry,
  DrainView,
  FleetInstance,
  FleetMigration,
  HostView,
  PreflightResult,
} from '@drover/protocol';
import { describe, expect, it } from 'vitest';
import type { FakeHost } from '../../src/testing/index.js';
import { fullSpec, startTestPlane, type TestPlane, until } from '../support/control-plane.js';

const FAST = { migrations: { followMs: 20, quietMs: 200 } };

/** A guest that runs on a host, as the control plane knows it. */
async function guest(test: TestPlane, host: FakeHost, name: string, change = {}): Promise<string> {
  const { id, vmmId } = host.addInstance(fullSpec(name, change));
  host.ring(vmmId);
  await until(async () => {
    await host.register();
    const { status, body } = await test.ask<FleetInstance>('GET', `/instances/${name}`);
    return status === 200 && body.vmm !== null;
  });
  return id;
}

async function ended(test: TestPlane, id: string): Promise<FleetMigration> {
  await until(async () => {
    const { body } = await test.ask<FleetMigration>('GET', `/migrations/${id}`);
    return body.endedAt !== null;
  });
  return (await test.ask<FleetMigration>('GET', `/migrations/${id}`)).body;
}

describe('migrations over the public API', () => {
  it('move a guest, and say so step by step (R12)', async () => {
    const test = await startTestPlane(FAST);
    const north = await test.host({ name: 'north' });
    const south = await test.host({ name: 'south' });
    const instanceId = await guest(test, north, 'web');
    const id = randomUUID();
    const request = { id, instance: 'web', settings: { maxDowntimeMs: 50 } };
    const { status, body } = await test.ask<FleetMigration>('POST', '/migrations', request);
    expect(status).toBe(202);
    expect(body).toMatchObject({ id, instanceId, instanceName: 'web', source: { name: 'north' } });
    const again = await test.ask<FleetMigration>('POST', '/migrations', request);
    expect([again.status, again.body.id]).toEqual([202, id]);
    const watched = await fetch(`${test.plane.url}/migrations/${id}/events`, {
      headers: { 'api-version': '1.0.0' },
    });
    const events = await watched.text();
    expect(events).toContain('"state":"completed"');
    const migration = await ended(test, id);
    expect(migration).toMatchObject({ state: 'completed', destination: { id: south.id, name: 'south' } });
    expect(migration.steps.map(({ name, state }) => `${name} ${state}`)).toEqual([
      'preflight done',
      'reserve done',
      'prepare done',
      'move done',
      'confirm done',
      'release done',
    ]);
    const instance = await test.instance('web');
    expect(instance).toMatchObject({ migrationId: null, vmm: { hostId: south.id } });
    expect(
      south.requests.concat(north.requests).filter(({ endpoint }) => endpoint === 'startMigration'),
    ).toHaveLength(1);
    const other = await test.ask('POST', '/migrations', { ...request, settings: {} });
    expect([other.status, other.body.error.code]).toEqual([409, 'migration-id-in-use']);
    const list = await test.ask<{ items: FleetMigration[] }>('GET', '/migrations?host=north&state=completed');
    expect(list.body.items.map((each) => each.id)).toEqual([id]);
    const audit = await test.ask<{ items: AuditEntry[] }>('GET', `/audit?target=migration/${id}`);
    expect(audit.body.items.map(({ action, outcome }) => `${action} ${outcome}`)).toContain(
      'createMigration ok',
    );
  });

  it('are cancelled while they can be, and refuse a second one meanwhile', async () => {
    const test = await startTestPlane(FAST);
    const north = await test.host({ name: 'north' });
    await test.host({ name: 'south' });
    await guest(test, north, 'web');
    north.courses.push({ hold: true });
    const { body } = await test.ask<FleetMigration>('POST', '/migrations', { instance: 'web' });
    await until(
      async () => (await test.ask<FleetMigration>('GET', `/migrations/${body.id}`)).body.phase === 'rounds',
    );
    const second = await test.ask('POST', '/migrations', { instance: 'web' });
    expect([second.status, second.body.error.code, second.body.error.retryable]).toEqual([
      409,
      'migration-under-way',
      true,
    ]);
    expect((await test.ask('POST', `/migrations/${body.id}/cancel`)).status).toBe(200);
    expect(await ended(test, body.id)).toMatchObject({ state: 'cancelled', cancelRequested: true });
    expect((await test.instance('web')).vmm).toMatchObject({ hostId: north.id });
    const missing = await test.ask('GET', `/migrations/${randomUUID()}`);
    expect([missing.status, missing.body.error.code]).toEqual([404, 'migration-not-found']);
  });

  it('stay in doubt until a lost destination is taken back from, and only from a host that is lost (R1, R4)', async () => {
    const test = await startTestPlane(FAST);
    const north = await test.host({ name: 'north' });
    const south = await test.host({ name: 'south' });
    await guest(test, north, 'web');
    north.courses.push({ inDoubt: true });
    const { body } = await test.ask<FleetMigration>('POST', '/migrations', {
      instance: 'web',
      destination: 'south',
    });
    await until(
      async () => (await test.ask<FleetMigration>('GET', `/migrations/${body.id}`)).body.state === 'in-doubt',
    );
    const decide = { decision: 'take-back', lostHost: 'south', reason: 'The rack burned.' };
    const early = await test.ask('POST', `/migrations/${body.id}/resolve`, decide);
    expect([early.status, early.body.error.code]).toEqual([409, 'host-not-lost']);
    south.faults.set('*', 'refuse');
    await test.ask('POST', '/hosts/south/lost', { confirm: 'south', reason: 'It burned.' });
    expect((await test.ask('POST', `/migrations/${body.id}/resolve`, decide)).status).toBe(200);
    expect((await ended(test, body.id)).state).toBe('failed');
    await until(async () => (await test.instance('web')).vmm?.state.life === 'running');
    expect((await test.instance('web')).vmm).toMatchObject({ hostId: north.id });
    const late = await test.ask('POST', `/migrations/${body.id}/resolve`, decide);
    expect([late.status, late.body.error.code]).toEqual([409, 'migration-not-in-doubt']);
  });

  it('are judged beforehand by the same findings that they end with', async () => {
    const test = await startTestPlane(FAST);
    const north = await test.host({ name: 'north', cpuFeatures: ['avx2', 'sse2'] });
    await test.host({ name: 'south', cpuFeatures: ['sse2'] });
    await test.host({ name: 'west', memoryBytes: 1 << 20 });
    const east = await test.host({ name: 'east' });
    east.preflight = ({ role }) =>
      role === 'destination'
        ? [{ severity: 'refused', code: 'disk-unusable', sentence: 'No disk.', remedy: 'Mount it.' }]
        : [];
    await guest(test, north, 'web', { cpu: { model: 'host', features: {} } });
    const { status, body } = await test.ask<{ results: PreflightResult[] }>('POST', '/preflights', {
      instance: 'web',
    });
    expect(status).toBe(200);
    const codes = Object.fromEntries(
      body.results.map(({ host, moves, findings }) => [host.name, [moves, findings[0]?.code]]),
    );
    expect(codes).toEqual({
      south: [false, 'cpu-not-offered'],
      west: [false, 'host-full'],
      east: [false, 'disk-unusable'],
    });
    expect(body.results.find(({ host }) => host.name === 'south')?.findings[0]?.sentence).toContain(
      'lacks avx2',
    );
    for (const { host, findings } of body.results) {
      const made = await test.ask<FleetMigration>('POST', '/migrations', {
        instance: 'web',
        destination: host.name,
      });
      const migration = await ended(test, made.body.id);
      expect(migration).toMatchObject({ state: 'failed', error: { code: findings[0]?.code } });
      expect(migration.steps.find(({ name }) => name === 'preflight')?.state).toBe('failed');
    }
    const none = await test.ask<FleetMigration>('POST', '/migrations', { instance: 'web' });
    const nowhere = await ended(test, none.body.id);
    expect(nowhere.error?.code).toBe('no-host-fits');
    expect(nowhere.error?.message).toContain('lacks avx2');
  });

  it('are judged by what the source says that its guest was promised of its processor', async () => {
    const test = await startTestPlane(FAST);
    const north = await test.host({ name: 'north' });
    north.guestCpu = { cpuid: [{ leaf: 7, subleaf: 0, eax: 0, ebx: 32, ecx: 0, edx: 0 }], msrs: [16] };
    const east = await test.host({ name: 'east' });
    east.preflight = (body) =>
      body.role === 'destination' && body.cpu?.cpuid[0]?.ebx === 32
        ? [{ severity: 'refused', code: 'cpu-not-offered', sentence: 'No avx2.', remedy: 'Choose another.' }]
        : [];
    await test.host({ name: 'south', api: '3.0.0' });
    await guest(test, north, 'web');
    const { body } = await test.ask<{ results: PreflightResult[] }>('POST', '/preflights', {
      instance: 'web',
    });
    expect(
      body.results.map(({ host, moves, findings }) => [
        host.name,
        moves,
        findings.map(({ code, severity }) => `${severity} ${code}`),
      ]),
    ).toEqual([
      ['east', false, ['refused cpu-not-offered']],
      ['south', true, ['note guest-cpu-not-compared']],
    ]);
    const made = await test.ask<FleetMigration>('POST', '/migrations', { instance: 'web' });
    expect(await ended(test, made.body.id)).toMatchObject({ state: 'completed' });
    await until(async () => (await test.instance('web')).vmm?.hostId !== north.id);
    expect(east.instances.size).toBe(0);
  });

  it('are told beforehand that they would wait for another to end', async () => {
    const test = await startTestPlane({ migrations: { ...FAST.migrations, perHostIn: 1 } });
    const north = await test.host({ name: 'north' });
    const south = await test.host({ name: 'south' });
    await test.host({ name: 'west' });
    await guest(test, north, 'first');
    await guest(test, north, 'second');
    north.courses.push({ hold: true });
    const { body } = await test.ask<FleetMigration>('POST', '/migrations', {
      instance: 'first',
      destination: 'south',
    });
    await until(() => north.migrations.has(body.id));
    const preflight = await test.ask<{ results: PreflightResult[] }>('POST', '/preflights', {
      instance: 'second',
    });
    const told = preflight.body.results.map(({ host, moves, findings }) => [
      host.name,
      moves,
      findings.map(({ code, severity }) => `${severity} ${code}`),
    ]);
    expect(told).toEqual([
      ['south', true, ['note migration-waits-its-turn']],
      ['west', true, []],
    ]);
    north.migrations.get(body.id)?.goOn();
    await ended(test, body.id);
    expect(south.instances.size).toBe(1);
  });

  it('work with agents that choose ids themselves and show no journal', async () => {
    const test = await startTestPlane(FAST);
    const north = await test.host({ name: 'north', api: '2.0.0' });
    const south = await test.host({ name: 'south', api: '2.0.0' });
    await guest(test, north, 'web');
    const { body } = await test.ask<FleetMigration>('POST', '/migrations', { instance: 'web' });
    expect(await ended(test, body.id)).toMatchObject({ state: 'completed' });
    await until(async () => (await test.instance('web')).vmm?.hostId === south.id);
    expect(north.migrations.size).toBe(1);
    expect(north.migrations.has(body.id)).toBe(false);
  });
});

describe('drains over the public API', () => {
  it('move what can move, retry what a retry can help, and say what stays and why (R12)', async () => {
    const test = await startTestPlane(FAST);
    const north = await test.host({ name: 'north' });
    await test.host({ name: 'south' });
    for (const name of ['good-a', 'good-b', 'flaky', 'refused']) await guest(test, north, name);
    const refused = (await test.instance('refused')).id;
    const flaky = (await test.instance('flaky')).id;
    north.preflight = (body) =>
      body.role === 'source' && body.instance === refused
        ? [
            {
              severity: 'refused',
              code: 'blocker-vfio',
              sentence: 'It has a host device.',
              remedy: 'Remove it.',
            },
          ]
        : [];
    let failures = 0;
    const pop = north.courses.shift.bind(north.courses);
    north.courses.shift = () => {
      const last = north.requests.findLast(({ endpoint }) => endpoint === 'startMigration');
      const isFlaky = (last?.body as { instance?: string } | null)?.instance === flaky;
      if (!isFlaky || failures >= 1) return pop();
      failures += 1;
      return { fail: { code: 'peer-silent', message: 'The peer fell silent.', retryable: true } };
    };
    const { status, body } = await test.ask<DrainView>('POST', '/hosts/north/drain', { concurrency: 2 });
    expect(status).toBe(202);
    const second = await test.ask('POST', '/hosts/north/drain', {});
    expect([second.status, second.body.error.code]).toEqual([409, 'drain-under-way']);
    await until(
      async () => (await test.ask<DrainView>('GET', `/drains/${body.id}`)).body.endedAt !== null,
      30_000,
    );
    const drain = (await test.ask<DrainView>('GET', `/drains/${body.id}`)).body;
    expect(drain).toMatchObject({
      state: 'ended-with-remains',
      hostName: 'north',
      total: 4,
      moved: 3,
      stays: 1,
    });
    expect(
      drain.items.map(({ instanceName, state, attempts, destination, error }) => [
        instanceName,
        state,
        attempts,
        destination,
        error?.code ?? null,
      ]),
    ).toEqual([
      ['flaky', 'moved', 2, 'south', null],
      ['good-a', 'moved', 1, 'south', null],
      ['good-b', 'moved', 1, 'south', null],
      ['refused', 'stays', 1, null, 'blocker-vfio'],
    ]);
    const host = (await test.ask<HostView>('GET', '/hosts/north')).body;
    expect([host.state, host.desired]).toEqual(['maintenance', 'maintenance']);
    const back = await test.ask<HostView>('POST', '/hosts/north/undrain');
    expect([back.status, back.body.state, back.body.desired]).toEqual([200, 'active', 'active']);
  }, 60_000);

  it('start nothing more once the host is undrained', async () => {
    const test = await startTestPlane(FAST);
    const north = await test.host({ name: 'north' });
    await test.host({ name: 'south' });
    for (const name of ['one', 'two']) await guest(test, north, name);
    north.courses.push({ hold: true });
    const { body } = await test.ask<DrainView>('POST', '/hosts/north/drain', { concurrency: 1 });
    await until(async () => north.migrations.size === 1);
    await test.ask('POST', '/hosts/north/undrain');
    for (const migration of north.migrations.values()) migration.goOn();
    await until(async () => (await test.ask<DrainView>('GET', `/drains/${body.id}`)).body.endedAt !== null);
    const drain = (await test.ask<DrainView>('GET', `/drains/${body.id}`)).body;
    expect([drain.state, drain.moved]).toEqual(['cancelled', 1]);
    expect(north.migrations.size).toBe(1);
    expect((await test.ask<HostView>('GET', '/hosts/north')).body.state).toBe('active');
  });

  it('are planned over the fleet without touching it', async () => {
    const test = await startTestPlane(FAST);
    const north = await test.host({ name: 'north' });
    await test.host({ name: 'south' });
    await guest(test, north, 'web');
    const before = north.requests.length;
    const { status, body } = await test.ask('POST', '/fleet/plans', {});
    expect(status).toBe(200);
    expect(body).toMatchObject({
      possible: true,
      steps: [
        { hosts: [{ name: 'south', vmms: 0 }], moves: [] },
        {
          hosts: [{ name: 'north', vmms: 1 }],
          moves: [{ instanceName: 'web', from: 'north', to: 'south', problem: null }],
        },
      ],
    });
    const changing = north.requests
      .slice(before)
      .filter(({ endpoint }) => /^(start|create|stop)/.test(endpoint));
    expect(changing).toEqual([]);
  });
});
