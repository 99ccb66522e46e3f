import type { PreflightResult } from '@drover/protocol';
import { expect, it } from 'vitest';
import { outsideContract } from '../support/contract.js';
import { fullSpec, spec, startTestPlane, until } from '../support/control-plane.js';

it('says which host answered what outside the contract, in one sentence with a code (R6)', async () => {
  const test = await startTestPlane();
  const north = await test.host({ name: 'north' });
  north.faults.set('createInstance', 'garbled');
  const { status } = await test.ask('POST', '/instances', { spec: spec('web'), start: true });
  expect(status).toBe(201);
  await until(async () => (await test.instance('web')).problem?.code === 'agent-response-invalid');
  const { problem } = await test.instance('web');
  expect(problem?.message).toMatch(
    /^Host north: What answers at http\S+ does not speak agent API 4\.0\.0: its answer to POST \/instances is not as the contract has it: answer\.id: is number where string is expected \(and \d+ more problems\); check/,
  );
  expect(problem?.message).not.toMatch(/[[\]{}\n]/);
  north.faults.clear();
  await until(async () => (await test.instance('web')).problem === null);
});

it('says so too to those who ask for a preflight, and refuses only the host that answered so', async () => {
  const test = await startTestPlane();
  const [north, south] = [await test.host({ name: 'north' }), await test.host({ name: 'south' })];
  await test.host({ name: 'west' });
  north.addInstance(fullSpec('web'));
  await until(async () => (await test.ask('GET', '/instances/web')).status === 200);
  await until(async () => (await test.instance('web')).vmm !== null);
  south.faults.set('checkPreflight', 'garbled');
  const { body } = await test.ask<{ results: PreflightResult[] }>('POST', '/preflights', { instance: 'web' });
  expect(body.results.map(({ host, moves }) => [host.name, moves])).toEqual([
    ['south', false],
    ['west', true],
  ]);
  expect(body.results[0]?.findings).toContainEqual(
    expect.objectContaining({
      severity: 'refused',
      code: 'agent-response-invalid',
      sentence: expect.stringMatching(
        /^Host south: .* POST \/preflights? is not as the contract has it: answer/,
      ),
    }),
  );
});

it('is itself held to the contract by every test that reads', async () => {
  const test = await startTestPlane();
  await test.host({ name: 'north' });
  const { body } = await test.ask<{ items: object[]; nextCursor: null }>('GET', '/hosts?limit=1');
  expect(outsideContract('/hosts?limit=1', body)).toBe(null);
  const more = { ...body, items: [{ ...body.items[0], mood: 'good' }] };
  expect(outsideContract('/hosts?limit=1', more)).toBe('listHosts.items.0.mood: is not in the contract');
  const less = { ...body, items: [{ ...body.items[0], vmms: undefined }] };
  expect(outsideContract('/hosts', less)).toBe('listHosts.items[0].vmms: is missing');
  expect(outsideContract('/hosts/north', { id: 1 })).toMatch(/^getHost\.id: is number/);
});
