import { readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { newestCommon } from '@drover/types';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Command, ConnectionRole } from '../src/cloud-hypervisor/registry.js';
import {
  AGENT_API_VERSIONS,
  agreeVersion,
  CLOUD_HYPERVISOR_WIRE_VERSIONS,
  encodePreamble,
  MACHINE_PROTOCOL_VERSIONS,
  MACHINE_STREAM_VERSIONS,
  PEER_VERSIONS,
  releaseCompatibility,
  SHIM_SUCCESS,
} from '../src/index.js';

const source = new URL('../src/', import.meta.url);
const protocols = ['agent', 'cloud-hypervisor', 'doorbell', 'machine', 'peer', 'public', 'qmp', 'shim'];
/** What the protocols are made with. */
const tools = ['codec'];

describe('the folders of this package', () => {
  it('are the protocols, each with its row in the README', () => {
    const folders = readdirSync(source, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    expect(folders.map(({ name }) => name).toSorted()).toEqual([...protocols, ...tools].toSorted());
    const readme = readFileSync(new URL('../README.md', source), 'utf8');
    const rows = [...readme.matchAll(/^\| `src\/([a-z-]+)\/` +\| [^|]+(?:→|↔)/gm)].map(([, name]) => name);
    expect(rows.toSorted()).toEqual(protocols);
  });

  it.each(protocols)('%s has a SPEC.md that says who speaks and who is upgraded first', (name) => {
    const spec = readFileSync(new URL(`${name}/SPEC.md`, source), 'utf8');
    expect(spec).toMatch(/^# .+\n/);
    expect(spec).toMatch(/upgraded first/i);
    expect(spec.length).toBeGreaterThan(500);
  });
});

describe('numbers over all protocols', () => {
  it('lead a connection of one protocol into no other', () => {
    const preamble = encodePreamble({ oldest: 1, newest: 1, role: 'control' });
    const first = new DataView(preamble.buffer).getUint16(0, true);
    // The first two bytes of Cloud Hypervisor's connections are a command or a role.
    const others: readonly number[] = [...Object.values(Command), ...Object.values(ConnectionRole)];
    expect(others).not.toContain(first);
    // A request line begins with a method, and a line of QMP with a brace.
    const text = Buffer.from(preamble).toString('latin1');
    for (const begin of ['GET ', 'POST', 'PUT ', 'DELE', 'HEAD', 'OPTI', 'PATC', 'HTTP', '{']) {
      expect(text.startsWith(begin)).toBe(false);
    }
  });

  it('keep the shim’s byte of success apart from every errno', () => {
    expect(Object.values(constants.errno)).not.toContain(SHIM_SUCCESS);
  });

  it('are in the manifest of this release, every version list as it is', () => {
    expect(releaseCompatibility()).toMatchObject({
      peerProtocol: [...PEER_VERSIONS],
      agentApi: [...AGENT_API_VERSIONS],
      cloudHypervisorWire: [...CLOUD_HYPERVISOR_WIRE_VERSIONS],
    });
  });

  it('ascend by one in every version list, so that a window says all of it', () => {
    for (const versions of [
      PEER_VERSIONS,
      CLOUD_HYPERVISOR_WIRE_VERSIONS,
      MACHINE_PROTOCOL_VERSIONS,
      MACHINE_STREAM_VERSIONS,
      AGENT_API_VERSIONS.map(Number.parseFloat),
    ]) {
      const [first = 0] = versions;
      expect([...versions]).toEqual(versions.map((_, index) => first + index));
    }
  });
});

describe('what a comparison of manifests says beforehand', () => {
  it('is the version that the two sides then agree on (R7)', () => {
    const window = fc.tuple(fc.integer({ min: 1, max: 9 }), fc.nat(3)).map(([oldest, more]) => ({
      oldest,
      newest: oldest + more,
      versions: Array.from({ length: more + 1 }, (_, index) => oldest + index),
    }));
    fc.assert(
      fc.property(window, window, (a, b) => {
        const agreed = agreeVersion(a.versions, b);
        expect(newestCommon(a.versions, b.versions)).toBe(agreed.ok ? agreed.version : null);
      }),
    );
  });
});
