import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { releaseCompatibility } from '@drover/protocol';
import {
  type Compatibility,
  type DriverCompatibility,
  readCompatibility,
  writeCompatibility,
} from '@drover/types';
import { afterAll, describe, expect, it } from 'vitest';
import { renderManifest } from '../src/compatibility/manifest.js';
import { compatibility } from './support/documents.js';
import { startFakeAgent } from './support/fake-agent.js';
import { drover } from './support/run-drover.js';

const directory = mkdtempSync(join(tmpdir(), 'drover-compat-'));
afterAll(() => rmSync(directory, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

function manifest(changes: Partial<Compatibility> = {}): string {
  return JSON.stringify(writeCompatibility({ ...releaseCompatibility(), ...changes }));
}

const ours = file('ours.json', manifest());
const old = file('old.json', manifest({ release: '0.0.1', peerProtocol: [1], agentApi: ['1.0.0'] }));
const far = file('far.json', manifest({ release: '9.0.0', peerProtocol: [40, 41] }));

describe('drover compat', () => {
  it('exits 0 where both directions move, and says what is agreed and what is left unused (R7)', async () => {
    const { code, stdout, stderr } = await drover(['compat', old, ours]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(`A  release 0.0.1 (${old})\n`);
    expect(stdout).toContain('peer protocol 1\n');
    expect(stdout).toMatch(/^note {5}A ↔ B {2}.+\. \[peer-version-older\]\n +→ Nothing; .+\.$/m);
    expect(stdout).toMatch(/\nA → B {2}moves\nB → A {2}moves\n$/);
  });

  it('exits 3 where a direction is refused, with the reason and what to do (R7)', async () => {
    const { code, stdout, stderr } = await drover(['compat', ours, far]);
    expect({ code, stderr }).toEqual({ code: 3, stderr: '' });
    expect(stdout).toContain('peer protocol none in common\n');
    expect(stdout).toMatch(/^refused {2}A ↔ B {2}.+ \[peer-version-unknown\]\n +→ Upgrade release .+\.$/m);
    expect(stdout).toMatch(/\nA → B {2}refused\nB → A {2}refused\n$/);
  });

  it('gives the whole comparison as JSON, with the same exit code', async () => {
    const { code, stdout } = await drover(['compat', '--json', ours, far]);
    expect(code).toBe(3);
    expect(JSON.parse(stdout)).toMatchObject({
      moves: { 'a-to-b': false, 'b-to-a': false },
      agreed: { peerProtocol: null },
      findings: [{ severity: 'refused', code: 'peer-version-unknown', direction: 'both' }],
    });
  });

  it('reads one of the two from standard input, but not both', async () => {
    const input = manifest();
    expect((await drover(['compat', '-', ours], { input })).stdout).toContain('(standard input)');
    expect((await drover(['compat', ours, '-'], { input })).code).toBe(0);
    const both = await drover(['compat', '-', '-'], { input });
    expect(both.code).toBe(2);
    expect(both.stderr).toMatch(/^drover: .+ standard input.+\[cli-usage\]\n$/);
  });

  it.each([
    ['is not there', join(directory, 'missing.json'), 'cli-file-unreadable'],
    ['is a folder', directory, 'cli-file-unreadable'],
    ['is empty', file('empty.json', ''), 'document-malformed'],
    ['is not JSON', file('text.json', 'release 0.1.0'), 'document-malformed'],
    ['is not UTF-8', file('latin.json', Uint8Array.of(0x22, 0xe9, 0x22)), 'document-malformed'],
    ['names a key twice', file('twice.json', '{"schema": 1, "schema": 2}'), 'document-malformed'],
    [
      'is deeper than documents are',
      file('deep.json', '['.repeat(40) + ']'.repeat(40)),
      'document-malformed',
    ],
    ['is larger than documents are', file('large.json', ' '.repeat((1 << 20) + 7)), 'document-too-large'],
    ['never ends', '/dev/zero', 'document-too-large'],
    ['has no envelope', file('bare.json', '{"release": "0.1.0"}'), 'document-schema-unknown'],
    [
      'is another kind of document',
      file('other.json', JSON.stringify({ schema: 'drover.host', version: 1, body: {} })),
      'document-schema-unknown',
    ],
    [
      'has a version that nobody knows',
      file('newer.json', JSON.stringify({ schema: 'drover.compatibility', version: 99, body: {} })),
      'document-version-unknown',
    ],
    [
      'has a wrong field',
      file('wrong.json', manifest().replace('"peerProtocol":[', '"peerProtocol":["x",')),
      'document-invalid',
    ],
  ])(
    'refuses in one sentence, with the file before it, a manifest that %s (R6)',
    async (_, path, expected) => {
      const { code, stdout, stderr } = await drover(['compat', ours, path]);
      expect(code).toBe(2);
      expect(stdout).toBe('');
      expect(stderr).toMatch(new RegExp(`^drover: [^\\n]*${path}[^\\n]* \\[${expected}\\]\\n$`));
    },
  );
});

describe('drover version', () => {
  it('prints the manifest of this release as JSON, which compat takes (R7)', async () => {
    const { stdout } = await drover(['version', '--json']);
    expect(readCompatibility(stdout)).toEqual(releaseCompatibility());
    expect((await drover(['compat', file('printed.json', stdout), ours])).code).toBe(0);
  });

  it('prints every window for a person', async () => {
    const { stdout } = await drover(['version']);
    expect(stdout).toContain(`drover ${releaseCompatibility().release}\n`);
    for (const title of [
      ...['peer protocol', 'instance spec', 'VMM state', 'host description', 'migration report'],
      ...['agent API', 'Cloud Hypervisor wire', 'capabilities', 'device state qemu-stream'],
    ]) {
      expect(stdout).toMatch(new RegExp(`^  ${title} +\\S`, 'm'));
    }
  });

  it('asks a host for its manifest, with its VMMs and the states of their devices', async () => {
    const agent = await startFakeAgent();
    try {
      const json = await drover(['version', '--agent', agent.url, '--json']);
      expect(readCompatibility(json.stdout)).toEqual(compatibility);
      const { stdout } = await drover(['version', '--agent', agent.url]);
      expect(stdout).toContain('on host-b\n');
      expect(stdout).toMatch(/^ {2}device state qemu\/virtio-net +11$/m);
      expect(stdout).toMatch(
        /^ {2}driver qemu +7\.2\.22; kvm and tcg; RAM mode external; machine types pc-q35-7\.1, pc-q35-7\.2$/m,
      );
    } finally {
      await agent.close();
    }
  });
});

describe('a manifest for a person', () => {
  const [driver] = compatibility.drivers;
  const rendered = (changes: object) =>
    renderManifest({ ...compatibility, drivers: [{ ...(driver as DriverCompatibility), ...changes }] });

  it('counts the machine types where they are many', () => {
    const machineTypes = Array.from({ length: 9 }, (_, minor) => `pc-q35-8.${minor}`);
    expect(rendered({ machineTypes })).toContain('9 machine types, pc-q35-8.0 to pc-q35-8.8');
  });

  it('says of a driver that nothing can run on that it is not usable', () => {
    expect(rendered({ accelerators: [], version: null, machineTypes: [] })).toMatch(
      /driver qemu +not usable\n/,
    );
  });

  it('says none of a list that is empty', () => {
    expect(renderManifest({ ...compatibility, cloudHypervisorWire: [] })).toMatch(
      /Cloud Hypervisor wire +none\n/,
    );
  });
});
