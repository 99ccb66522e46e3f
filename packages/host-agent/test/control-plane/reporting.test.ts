import { upcallBody } from '@drover/protocol';
import { describe, expect, it } from 'vitest';
import type { HostAgentOptions } from '../../src/index.js';
import { spec, startTestAgent } from '../support/agent.js';
import { FakeControlPlane, refusing } from '../support/fake-control-plane.js';
import { until } from '../support/until.js';

const NOBODY = 'http://127.0.0.1:9';

function reportingTo(urls: string[], change: object = {}): Partial<HostAgentOptions> {
  return { controlPlane: { urls, heartbeatMs: 50, timeoutMs: 2_000, ...change } };
}

describe('a host with a control plane', () => {
  it('registers under its id, and says again and again that it lives', async () => {
    const plane = await FakeControlPlane.start();
    const test = await startTestAgent(reportingTo([plane.url], { labels: { rack: 'r1' } }));
    await until(
      async () => plane.registrations,
      (all) => all.length >= 3,
    );
    const [first] = plane.registrations;
    expect(first).toMatchObject({
      method: 'PUT',
      url: `/hosts/${test.agent.hostId}`,
      headers: { 'api-version': '1.0.0' },
    });
    expect(JSON.parse(String(first?.body))).toEqual({
      name: 'north',
      url: test.agent.url,
      labels: { rack: 'r1' },
    });
    await test.agent.close();
    const after = plane.asked.length;
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(plane.asked).toHaveLength(after);
  });

  it('tries its control planes in order, and stays with the one that answers', async () => {
    const plane = await FakeControlPlane.start();
    await startTestAgent(reportingTo([NOBODY, plane.url]));
    await until(
      async () => plane.registrations,
      (all) => all.length >= 2,
    );
  });

  it('rings for every state that it shows, without the state (R10)', async () => {
    const plane = await FakeControlPlane.start();
    const test = await startTestAgent(reportingTo([plane.url]));
    const { state } = await test.client.createInstance({ spec: spec('web-1'), start: true });
    await until(
      async () => plane.rings,
      (all) => all.includes(state.vmmId),
    );
    await until(
      async () => plane.asked.length,
      (now) => now === plane.asked.length,
    );
    const before = plane.rings.length;
    await test.client.stopInstance('web-1', { force: true });
    await until(
      async () => plane.rings.length,
      (now) => now > before,
    );
    expect(plane.asked.filter(({ method, body }) => method === 'POST' && body !== '')).toEqual([]);
  });

  it('keeps the last state of a VMM that ended until it is acknowledged, over a restart too (R10)', async () => {
    const plane = await FakeControlPlane.start();
    const test = await startTestAgent(reportingTo([plane.url]));
    const { state } = await test.client.createInstance({ spec: spec('web-1'), start: true });
    await test.client.stopInstance('web-1', { force: true });
    const { state: next } = await test.client.startInstance('web-1');
    expect(await test.client.getVmm(state.vmmId)).toMatchObject({ ended: { reason: 'replaced' } });
    await test.client.stopInstance('web-1', { force: true });
    await test.client.deleteInstance('web-1');
    await test.restart();
    const kept = await test.client.listVmms();
    expect(kept.map((vmm) => [vmm.state.vmmId, vmm.ended?.reason])).toEqual([
      [state.vmmId, 'replaced'],
      [next.vmmId, 'deleted'],
    ]);
    for (const vmm of kept) {
      expect(await test.client.acknowledgeVmm(vmm.state.vmmId, vmm.state.generation)).toBe(true);
    }
    expect(await test.client.listVmms()).toEqual([]);
    expect(plane.rings).toContain(next.vmmId);
  });

  it('does its work while the control plane hangs, and stops in time (R11, R12)', async () => {
    const plane = await FakeControlPlane.start();
    for (const every of ['POST ', 'PUT ', 'GET ']) plane.answers.set(every, () => undefined);
    const test = await startTestAgent(reportingTo([plane.url], { timeoutMs: 60_000 }));
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) {
      await test.client.createInstance({ spec: spec(name), start: true });
    }
    expect((await test.client.listInstances()).map(({ state }) => state.life)).toEqual(
      Array.from({ length: 6 }, () => 'running'),
    );
    // A few rings hang, and all others wait for them.
    expect(plane.rings.length).toBeLessThanOrEqual(4);
    await test.agent.close();
  });

  it('tries again after a failure, and forgets what the control plane does not know', async () => {
    const plane = await FakeControlPlane.start();
    plane.answers.set('POST ', (response) => {
      plane.answers.set('POST ', refusing(404, 'vmm-not-found'));
      refusing(503, 'database-unavailable')(response);
    });
    const test = await startTestAgent(reportingTo([plane.url]));
    const { state } = await test.client.createInstance({ spec: spec('web-1') });
    await until(
      async () => plane.rings,
      (all) => all.length >= 2,
    );
    expect(plane.rings.slice(0, 2)).toEqual([state.vmmId, state.vmmId]);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(plane.rings).toHaveLength(2);
    expect(plane.upcalls).toEqual([]);
  });
});

describe('a host with a control plane that has no doorbell', () => {
  it('sends it the state as older releases do, until its release changes', async () => {
    const plane = await FakeControlPlane.start();
    plane.release = '0.1.0';
    plane.withoutDoorbell();
    const test = await startTestAgent(reportingTo([plane.url]));
    const { state } = await test.client.createInstance({ spec: spec('web-1'), start: true });
    await until(
      async () => plane.upcalls.at(-1),
      (last) => last !== undefined && JSON.parse(last.body).body.generation === state.generation,
    );
    expect(upcallBody.parse(JSON.parse(String(plane.upcalls.at(-1)?.body))).body).toEqual(state);
    const tried = plane.rings.length;
    await test.client.stopInstance('web-1', { force: true });
    await until(
      async () => plane.upcalls.at(-1),
      (last) => JSON.parse(String(last?.body)).body.life === 'stopped',
    );
    // It was asked once, by the rings that were under way then.
    expect(plane.rings).toHaveLength(tried);
    plane.release = '0.2.0';
    plane.answers.delete('POST /doorbells');
    const sent = plane.upcalls.length;
    const heard = plane.registrations.length;
    await until(
      async () => plane.registrations.length,
      (now) => now >= heard + 3,
    );
    await test.client.startInstance('web-1');
    await until(
      async () => plane.rings.length,
      (now) => now > tried,
    );
    expect(plane.upcalls).toHaveLength(sent);
  });
});
