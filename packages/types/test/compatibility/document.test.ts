import { describe, expect, it } from 'vitest';
import {
  COMPATIBILITY_VERSIONS,
  type Compatibility,
  compatibilityV1,
  type DroverError,
  readCompatibility,
  writeCompatibility,
} from '../../src/index.js';
import { asText, frozenDocuments } from '../corpus.js';

const documents = frozenDocuments('compatibility/v1');
const manifests = documents.map(({ text }) => readCompatibility(text));

function manifest(changes: Partial<Compatibility>): unknown {
  const [first] = manifests;
  return { schema: 'drover.compatibility', version: 1, body: { ...first, ...changes } };
}

function refusalOf(document: unknown): string {
  try {
    readCompatibility(document);
  } catch (thrown) {
    const { code, message } = thrown as DroverError;
    expect(code).toBe('document-invalid');
    return message;
  }
  throw new Error('it was read');
}

describe('the frozen manifests', () => {
  it.each(documents.map(({ file, text }) => [file, text]))('%s comes back to the byte (R8)', (_, text) => {
    expect(asText(writeCompatibility(readCompatibility(text)))).toBe(text);
  });

  it('cover every field, and of every list and nullable field both forms', () => {
    expect(manifests.length).toBeGreaterThanOrEqual(12);
    expect(COMPATIBILITY_VERSIONS).toEqual([1]);
    for (const field of Object.keys(compatibilityV1.shape) as (keyof Compatibility)[]) {
      const values = new Set(manifests.map((one) => JSON.stringify(one[field])));
      expect(values.size, field).toBeGreaterThan(1);
    }
    const empty = (field: 'drivers' | 'capabilities' | 'cloudHypervisorWire') =>
      new Set(manifests.map((one) => one[field].length === 0));
    for (const field of ['drivers', 'capabilities', 'cloudHypervisorWire'] as const) {
      expect(empty(field).size, field).toBe(2);
    }
    const drivers = manifests.flatMap((one) => one.drivers);
    expect(new Set(drivers.map(({ version }) => version === null)).size).toBe(2);
    expect(new Set(drivers.map(({ accelerators }) => accelerators.length === 0)).size).toBe(2);
    expect(new Set(manifests.map(({ host }) => host === null)).size).toBe(2);
  });
});

describe('a manifest is refused, with the path of the field (R6)', () => {
  it.each([
    [
      'a window that is empty',
      { peerProtocol: [] },
      /^compatibility\.peerProtocol: must have at least 1 element\.$/,
    ],
    ['a window that descends', { instanceSpec: [2, 1] }, /^compatibility\.instanceSpec: does not ascend\.$/],
    ['a version twice', { vmmState: [1, 1] }, /^compatibility\.vmmState: does not ascend\.$/],
    [
      'device versions that descend',
      { deviceStates: { 'qemu-stream': [2, 1] } },
      /qemu-stream: does not ascend\.$/,
    ],
    ['APIs that descend', { agentApi: ['10.0.0', '9.0.0'] }, /agentApi: does not ascend\.$/],
    [
      'an API that is no version',
      { agentApi: ['latest'] },
      /agentApi\[0\]: is not a version such as 1\.0\.0\.$/,
    ],
    ['a capability twice', { capabilities: ['delta', 'delta'] }, /capabilities: names "delta" twice\.$/],
    [
      'a bare release with drivers',
      {
        host: null,
        drivers: [{ name: 'qemu', version: null, machineTypes: [], accelerators: [], ramModes: [] }],
      },
      /drivers: is given without a host\.$/,
    ],
    [
      'more kinds than a peer may send',
      { deviceStates: Object.fromEntries(Array.from({ length: 257 }, (_, kind) => [`qemu/${kind}`, [1]])) },
      /deviceStates: has more than 256 kinds\.$/,
    ],
    [
      'a name that steers a terminal',
      { host: 'a\u001b[2J' },
      /^compatibility: has a name with control characters\.$/,
    ],
    [
      'a capability that turns text around',
      { capabilities: ['a\u202e'] },
      /has a name with control characters/,
    ],
    ['a kind with a control character', { deviceStates: { 'a\u0007': [1] } }, /deviceStates/],
  ])('for %s', (_, changes, sentence) => {
    expect(refusalOf(manifest(changes))).toMatch(sentence);
  });
});
