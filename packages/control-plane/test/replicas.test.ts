import type { FleetInstance, HostView } from '@drover/protocol';
import { sql } from 'kysely';
import { expect, it } from 'vitest';
import { fullSpec, spec, startTestPlane, until } from './support/control-plane.js';

it('gives a VMM that one replica made to those who ring at another, within a second or two', async () => {
  const test = await startTestPlane({ watchPeriodMs: 600_000 });
  const second = await test.replica();
  const host = await test.host();
  const made = await test.ask<FleetInstance>('POST', '/instances', { spec: spec('web') });
  const vmmId = made.body.vmm?.id ?? '';
  expect(vmmId).not.toBe('');
  test.fleet.controlPlane = '';
  host.publish(vmmId, { life: 'paused' });
  const ring = await fetch(`${second.url}/doorbells/vmms/${vmmId}`, { method: 'POST' });
  expect([204, 404]).toContain(ring.status);
  await until(async () => (await test.vmm(vmmId)).state.life === 'paused', 8_000);
});

it('goes on with an instance whose replica died in the middle of it', { timeout: 40_000 }, async () => {
  const test = await startTestPlane();
  const host = await test.host();
  const database = await test.database.open();
  host.faults.set('createInstance', 'hang');
  await test.ask('POST', '/instances', { spec: spec('web') });
  await test.plane.close();
  // As a kill leaves it: the lease is another's and runs on for a while.
  await database.run((db) =>
    db
      .updateTable('instances')
      .set({
        lease_owner: '00000000-0000-4000-8000-00000000dead',
        lease_until: sql<Date>`now() + interval '1 second'`,
      })
      .execute(),
  );
  host.faults.clear();
  test.plane = await test.replica();
  await until(async () => (await test.instance('web')).vmm?.state.life === 'running', 20_000);
  expect(host.instances.size).toBe(1);
});

it('goes on with its round after the clock of the database was set back or ahead', async () => {
  const test = await startTestPlane({ watchPeriodMs: 800 });
  const host = await test.host();
  const { vmmId } = host.addInstance(fullSpec('web'));
  await until(async () => (await test.ask('GET', `/vmms/${vmmId}`)).status === 200);
  const database = await test.database.open();
  host.dropDoorbells = true;
  for (const step of ['1 day', '-1 day']) {
    // A step of the clock makes every time that was written look moved the other way.
    await database.run((db) =>
      db
        .updateTable('host_watches')
        .set({
          due_at: sql<Date>`due_at + ${step}::interval`,
          seen_at: sql<Date>`seen_at + ${step}::interval`,
          listed_at: sql<Date>`listed_at + ${step}::interval`,
        })
        .execute(),
    );
    const { generation } = host.publish(vmmId).state;
    await until(async () => (await test.vmm(vmmId)).state.generation === generation, 5_000);
    expect((await test.ask<HostView>('GET', `/hosts/${host.id}`)).body.state).toBe('active');
  }
});

it('refuses a second process on one embedded database, and takes over from one that died', {
  timeout: 60_000,
}, async () => {
  const { databaseKinds } = await import('./support/databases.js');
  const database = await databaseKinds[0]?.create();
  if (!database) throw new Error('there is always PGlite');
  const test = await startTestPlane({}, database);
  await expect(test.replica()).rejects.toMatchObject({ code: 'database-directory-in-use' });
  await test.plane.close();
  const { writeFileSync } = await import('node:fs');
  // A process that is gone: no process has this start time.
  writeFileSync(`${database.url.slice('pglite:'.length)}/lock`, `${process.pid} 1 dead\n`);
  test.plane = await test.replica();
  expect((await test.ask('GET', '/readyz')).status).toBe(200);
});
