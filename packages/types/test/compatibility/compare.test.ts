import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addedBySpec } from '../../src/compatibility/spec-features.js';
import {
  type Compatibility,
  type CompatibilityFinding,
  compareCompatibility,
  INSTANCE_SPEC_VERSIONS,
  noteCodes,
  readCompatibility,
  refusalCodes,
} from '../../src/index.js';
import { frozenDocuments } from '../corpus.js';

const manifests = new Map(
  frozenDocuments('compatibility/v1').map(({ file, text }) => [
    file.replace(/^.*\/|\.json$/g, ''),
    readCompatibility(text),
  ]),
);

function named(name: string): Compatibility {
  const found = manifests.get(name);
  if (found === undefined) throw new Error(`there is no ${name}`);
  return found;
}

function codes(a: Compatibility, b: Compatibility): readonly string[] {
  return compareCompatibility(a, b).findings.map(
    ({ direction, severity, code }) => `${direction} ${severity} ${code}`,
  );
}

function finding(a: Compatibility, b: Compatibility, code: string): CompatibilityFinding {
  const found = compareCompatibility(a, b).findings.find((candidate) => candidate.code === code);
  if (found === undefined) throw new Error(`no ${code} in ${codes(a, b)}`);
  return found;
}

const host = named('host-with-qemu');

describe('comparing two releases', () => {
  it('finds nothing between two equal ones, and says what they would use', () => {
    expect(compareCompatibility(host, { ...host, host: 'north-2' })).toEqual({
      moves: { 'a-to-b': true, 'b-to-a': true },
      agreed: { peerProtocol: 2, instanceSpec: 3, agentApi: '2.0.0', capabilities: [] },
      findings: [],
    });
  });

  it('lets an old and a new release work together by the old one’s versions, and says what stays behind (R7)', () => {
    const [old, young] = [named('first-release'), named('bare-release')];
    const { moves, agreed } = compareCompatibility(old, young);
    expect(moves).toEqual({ 'a-to-b': true, 'b-to-a': true });
    expect(agreed).toEqual({ peerProtocol: 1, instanceSpec: 1, agentApi: '1.0.0', capabilities: [] });
    expect(codes(old, young)).toEqual([
      'both note peer-version-older',
      'b-to-a note spec-features-stay',
      'both note api-version-older',
      'b-to-a note documents-newer',
    ]);
    expect(finding(old, young, 'spec-features-stay').sentence).toBe(
      'release 0.1.0 reads instance spec 1, so an instance stays on release 0.2.0 when it uses SMBIOS information, CPUID entries, pvpanic, an rng, block storage or blob storage (instance spec 2); or an NVMe disk without write cache, vsock, the VMM "machine" or a stopped clock (instance spec 3).',
    );
  });

  it('refuses both directions where no version is common, naming both windows and the side to upgrade (R7)', () => {
    const [old, far] = [named('bare-release'), named('oldest-dropped')];
    expect(compareCompatibility(old, far).moves).toEqual({ 'a-to-b': false, 'b-to-a': false });
    expect(finding(old, far, 'peer-version-unknown')).toMatchObject({
      direction: 'both',
      severity: 'refused',
      sentence: 'release 0.2.0 speaks peer protocol 1–2, release 9.0.0 7–8: no version is common.',
      remedy: 'Upgrade release 0.2.0.',
    });
    expect(finding(old, far, 'spec-version-unknown').sentence).toContain(
      'instance spec 1–3, release 9.0.0 4–6',
    );
    expect(finding(old, far, 'api-version-unknown').sentence).toContain('3.0.0, 4.0.0, 10.0.0');
  });

  it('says which of two that are called the same it means', () => {
    const old = { ...named('bare-release'), peerProtocol: [1] };
    expect(finding(old, named('bare-release'), 'peer-version-older').sentence).toContain('release 0.2.0 [A]');
  });

  it('names a capability that only one side has', () => {
    expect(finding(host, named('with-capabilities'), 'capability-unused').sentence).toBe(
      'north-1 (release 0.2.0) has no compression, post-copy, delta, so migrations with able-1 (release 0.2.0) go without.',
    );
  });

  it('skips a version that is missing inside a window', () => {
    const gap = named('gap-in-a-window');
    expect(compareCompatibility(gap, { ...gap, instanceSpec: [1, 2] }).agreed.instanceSpec).toBe(1);
  });

  it('has a line for what each instance spec added', () => {
    for (const version of INSTANCE_SPEC_VERSIONS.slice(1))
      expect(addedBySpec(version)).toContain(`spec ${version})`);
  });
});

describe('comparing two hosts', () => {
  it('refuses a device state that the destination cannot read, in that direction alone', () => {
    const newer = named('host-with-newer-qemu');
    expect(compareCompatibility(host, newer).moves).toEqual({ 'a-to-b': true, 'b-to-a': false });
    expect(finding(host, newer, 'device-state-version-unsupported')).toMatchObject({
      direction: 'b-to-a',
      sentence:
        'south-1 (release 0.2.0) writes the state of qemu/virtio-net in version 12, and north-1 (release 0.2.0) reads 11: a guest that has one cannot move there.',
      remedy: 'Upgrade qemu on north-1 (release 0.2.0).',
    });
  });

  it('refuses a device that the destination does not have', () => {
    const { 'qemu/virtio-blk': _, ...fewer } = host.deviceStates;
    const other = { ...host, host: 'north-2', deviceStates: fewer };
    expect(finding(host, other, 'device-state-version-unsupported').sentence).toContain('has no such device');
    expect(codes(host, other)).toEqual(['a-to-b refused device-state-version-unsupported']);
  });

  it('notes which exact machine types stay, and refuses where none is common', () => {
    const newer = named('host-with-newer-qemu');
    expect(finding(newer, host, 'machine-types-stay')).toMatchObject({
      direction: 'a-to-b',
      severity: 'note',
      sentence:
        'north-1 (release 0.2.0) with qemu 7.2.22 has no pc-q35-8.0, pc-q35-9.0: guests of these types stay on south-1 (release 0.2.0).',
    });
    const [driver] = host.drivers;
    const other = {
      ...host,
      host: 'x',
      drivers: [{ ...(driver as never as object), machineTypes: ['virt'] }],
    };
    expect(codes(host, other as Compatibility)).toEqual([
      'a-to-b refused machine-type-unknown',
      'b-to-a refused machine-type-unknown',
    ]);
  });

  it('refuses guests under an accelerator, a driver or a RAM mode that the destination lacks', () => {
    expect(codes(host, named('host-without-kvm'))).toEqual(['a-to-b refused accelerator-unusable']);
    expect(codes(host, { ...named('host-without-qemu'), deviceStates: host.deviceStates })).toEqual([
      'a-to-b refused vmm-kind-unsupported',
    ]);
    expect(codes(named('host-with-machine'), host)).toEqual(['a-to-b refused vmm-kind-unsupported']);
    const [driver] = host.drivers;
    const relay = {
      ...host,
      drivers: [{ ...(driver as never as object), ramModes: ['relay'] }],
    } as Compatibility;
    expect(codes(host, relay)).toEqual([
      'a-to-b refused vmm-kind-unsupported',
      'b-to-a refused vmm-kind-unsupported',
    ]);
    expect(codes(host, named('host-with-relay'))).toEqual([]);
  });

  it('refuses guests under Cloud Hypervisor where the destination does not take the version that the source states', () => {
    const [older, newer] = [
      named('host-with-cloud-hypervisor'),
      named('host-with-newer-cloud-hypervisor-wire'),
    ];
    expect(codes(older, newer)).toEqual(['b-to-a refused cloud-hypervisor-version-unknown']);
    expect(codes(host, { ...host, host: 'north-2', cloudHypervisorWire: [1, 2] })).toEqual([]);
  });

  it('does not take for a lack what a host of the first release could not say', () => {
    const first = named('host-of-the-first-release');
    expect(compareCompatibility(host, first).moves).toEqual({ 'a-to-b': true, 'b-to-a': true });
    expect(codes(host, first).filter((code) => code.endsWith('hosts-unknown'))).toEqual([
      'both note hosts-unknown',
    ]);
    expect(finding(first, host, 'hosts-unknown').sentence).toBe(
      'first-1 (release 0.1.0) does not say which machine types and accelerators its qemu has, so they were not compared.',
    );
  });

  it('says that a bare release says nothing of hosts, and does not take its silence for a lack', () => {
    expect(codes(named('bare-release'), host)).toEqual(['both note hosts-unknown']);
  });
});

describe('any two manifests', () => {
  const pick = fc.constantFrom(...manifests.values());
  const window = fc
    .uniqueArray(fc.integer({ min: 1, max: 5 }), { minLength: 1 })
    .map((all) => all.toSorted());
  const anyManifest: fc.Arbitrary<Compatibility> = fc
    .tuple(pick, window, window, window)
    .map(([base, peerProtocol, instanceSpec, states]) => ({
      ...base,
      peerProtocol,
      instanceSpec,
      deviceStates: { 'qemu-stream': states },
    }));
  const turned = { 'a-to-b': 'b-to-a', 'b-to-a': 'a-to-b', both: 'both' } as const;

  it('get the same findings in both orders, with the directions turned', () => {
    fc.assert(
      fc.property(anyManifest, anyManifest, (a, b) => {
        const key = ({ direction, severity, code }: CompatibilityFinding) =>
          `${direction} ${severity} ${code}`;
        const there = compareCompatibility(a, b);
        const back = compareCompatibility(b, a);
        const turnedBack = back.findings.map((one) => key({ ...one, direction: turned[one.direction] }));
        expect(there.findings.map(key).toSorted()).toEqual(turnedBack.toSorted());
        expect(there.moves['a-to-b']).toBe(back.moves['b-to-a']);
        expect({ ...there.agreed, capabilities: there.agreed.capabilities.toSorted() }).toEqual({
          ...back.agreed,
          capabilities: back.agreed.capabilities.toSorted(),
        });
      }),
      { numRuns: 500 },
    );
  });

  it('may move exactly where every version that a migration needs is common, as a plain search finds it (R7)', () => {
    const bare = named('bare-release');
    fc.assert(
      fc.property(window, window, window, window, window, window, (p, q, s, t, u, v) => {
        const a = { ...bare, peerProtocol: p, instanceSpec: s, deviceStates: { 'qemu-stream': u } };
        const b = { ...bare, peerProtocol: q, instanceSpec: t, deviceStates: { 'qemu-stream': v } };
        const shares = (x: readonly number[], y: readonly number[]) => x.some((one) => y.includes(one));
        const can = shares(p, q) && shares(s, t) && v.includes(u.at(-1) as number);
        expect(compareCompatibility(a, b).moves['a-to-b']).toBe(can);
      }),
      { numRuns: 1_000 },
    );
  });

  it('give every code that there is, each finding one sentence and one remedy', () => {
    const seen = new Set<string>();
    for (const a of manifests.values()) {
      for (const b of manifests.values()) {
        for (const { severity, code, sentence, remedy } of compareCompatibility(a, b).findings) {
          seen.add(code);
          for (const text of [sentence, remedy]) expect(text).toMatch(/^[^\n]+\.$/);
          expect(severity === 'note').toBe(code in noteCodes);
        }
      }
    }
    expect([...seen].toSorted()).toEqual([...Object.keys(noteCodes), ...refusalCodes].toSorted());
  });
});
