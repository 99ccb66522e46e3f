import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { spec, startTestAgent } from '../support/agent.js';

const NOBODY = '00000000-0000-4000-8000-000000000001';

describe('a VMM', () => {
  it('is shown by its own id as its instance is, and the next start is another one (R10)', async () => {
    const test = await startTestAgent();
    const { state } = await test.client.createInstance({ spec: spec('web-1'), start: true });
    const shown = { state, instanceName: 'web-1', migration: null, ended: null };
    expect(await test.client.getVmm(state.vmmId)).toEqual(shown);
    expect(await test.client.listVmms()).toEqual([shown]);
    await test.client.stopInstance('web-1', { force: true });
    expect(await test.client.getVmm(state.vmmId)).toMatchObject({ state: { life: 'stopped' }, ended: null });
    const { state: next } = await test.client.startInstance('web-1');
    expect(next.vmmId).not.toBe(state.vmmId);
    expect(await test.client.listVmms()).toMatchObject([{ state: { vmmId: next.vmmId } }]);
  });

  it('that is not here is said to be no VMM, not no endpoint', async () => {
    const test = await startTestAgent();
    await expect(test.client.getVmm(NOBODY)).rejects.toMatchObject({ code: 'vmm-not-found', status: 404 });
  });

  it('that ends is not kept where no control plane will ever ask', async () => {
    const test = await startTestAgent();
    const { state } = await test.client.createInstance({ spec: spec('web-1') });
    await test.client.deleteInstance('web-1');
    await expect(test.client.getVmm(state.vmmId)).rejects.toMatchObject({ code: 'vmm-not-found' });
    expect(readdirSync(join(test.root, 'state', 'vmms'))).toEqual([]);
    // Whoever asks late is told what is true: it is not kept.
    expect(await test.client.acknowledgeVmm(state.vmmId, '1')).toBe(true);
  });
});

describe('a request for one VMM of an instance', () => {
  it('does nothing when the instance has another one by now (R1)', async () => {
    const test = await startTestAgent();
    const first = await test.client.createInstance({ spec: spec('web-1'), start: true });
    await test.client.stopInstance('web-1', { vmm: first.state.vmmId, force: true });
    const second = await test.client.startInstance('web-1');
    const late = { vmm: first.state.vmmId };
    const refusal = {
      code: 'vmm-not-current',
      status: 409,
      message: expect.stringContaining(second.state.vmmId),
    };
    await expect(test.client.stopInstance('web-1', { ...late, force: true })).rejects.toMatchObject(refusal);
    expect(test.host.running(first.id)).toHaveLength(1);
    await test.client.stopInstance('web-1', { force: true });
    await expect(test.client.deleteInstance('web-1', late)).rejects.toMatchObject(refusal);
    expect(await test.client.listInstances()).toHaveLength(1);
    await test.client.deleteInstance('web-1', { vmm: second.state.vmmId });
    expect(await test.client.listInstances()).toEqual([]);
  });
});
