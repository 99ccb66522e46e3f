import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  doorbellApi,
  doorbellEndpoints,
  upcallApi,
  upcallBody,
  upcallEndpoints,
} from '../src/doorbell/index.js';

const state = {
  vmmId: '6f1c2f0a-5b8e-4c1d-9a77-0d2a4b6c8e10',
  instanceId: '6f1c2f0a-5b8e-4c1d-9a77-0d2a4b6c8e11',
  generation: '7',
  epoch: '1',
  life: 'running',
  driver: 'qemu',
  ramMode: 'external',
  accelerator: 'kvm',
  acceleratorReason: 'KVM runs it.',
  machineType: 'pc-q35-7.2',
  vmmVersion: '7.2.22',
  pid: 4711,
  error: null,
};

describe('the doorbell', () => {
  it('carries an id and nothing else, in one version without a number (R10)', () => {
    expect(doorbellEndpoints).toEqual({
      ringDoorbell: {
        method: 'POST',
        path: '/doorbells/vmms/{vmm}',
        summary: expect.any(String),
        body: null,
        query: null,
        response: 'none',
        status: 204,
      },
    });
    for (const api of [doorbellApi, upcallApi]) {
      expect(api.versionHeader).toBeNull();
      expect(api.versions.map(({ version }) => version)).toEqual(['1.0.0']);
    }
  });

  it('is listed whole in its SPEC.md, with the older upcall', () => {
    const spec = readFileSync(new URL('../src/doorbell/SPEC.md', import.meta.url), 'utf8');
    const written = [...spec.matchAll(/^\| (\w+) +\| ((?:POST|PUT) \S+) +\| (.*?) +\|$/gm)];
    expect(written.map(([, name, request, summary]) => [name, request, summary])).toEqual(
      Object.entries({ ...doorbellEndpoints, ...upcallEndpoints }).map(
        ([name, { method, path, summary }]) => [name, `${method} ${path}`, summary],
      ),
    );
  });
});

describe('the older upcall', () => {
  const document = { schema: 'drover.vmm-state', version: 1, body: state };

  it('takes a VMM state of version 1, and no field of a later one', () => {
    expect(upcallBody.parse(document)).toEqual(document);
    for (const body of [
      { ...state, later: 1 },
      { ...state, driver: 'machine' },
      { ...state, ramMode: 'relay' },
    ]) {
      expect(upcallBody.safeParse({ ...document, body }).success).toBe(false);
    }
    expect(upcallBody.safeParse({ ...document, version: 2 }).success).toBe(false);
    expect(upcallBody.safeParse({ ...document, schema: 'drover.host' }).success).toBe(false);
  });
});
