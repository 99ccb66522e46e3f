import { describe, expect, it } from 'vitest';
import type { AgentProcess } from '../harness/agent-process.js';
import type { Build } from '../harness/build.js';
import { bareSpec } from '../harness/guests.js';
import { beginMove, ended, type Guest, move, sound, soundness, startGuest } from '../harness/moving.js';
import { useTwoHosts } from '../harness/use-two-hosts.js';
import { builds, buildsMissing, orWhyNot, type ReleaseBuild, windowsOf } from './builds.js';

/** The peer protocol of a build as a refusal says it. */
async function sayWindow(build: ReleaseBuild): Promise<string> {
  const { peer } = await windowsOf(build);
  return peer.length === 1 ? `version ${peer[0]}` : `versions ${peer[0]} to ${peer.at(-1)}`;
}

describe.skipIf(buildsMissing !== null)(`a release that cannot take the guest${orWhyNot}`, () => {
  const hosts = useTwoHosts();

  /** Asks for a move that must be refused before anything happened (R7); returns the sentence. */
  async function refused(guest: Guest, from: AgentProcess, to: AgentProcess, code: string): Promise<string> {
    const before = await from.client.getInstance(guest.name);
    const result = await ended(from, (await beginMove(guest, from, to)).id);
    expect(result).toMatchObject({ state: 'failed', error: { code } });
    expect(await to.client.listInstances()).toEqual([]);
    const { vmmId, pid, epoch } = before.state;
    expect(await from.client.getInstance(guest.name)).toMatchObject({
      state: { life: 'running', vmmId, pid, epoch },
    });
    expect(await soundness(guest)).toEqual(sound);
    return result.error?.message ?? '';
  }

  it.each([
    ['the old release', 'one that is too new', builds.old, builds.tooNew, { b: builds.old }],
    ['this release', 'one that is too new', builds.new, builds.tooNew, { b: builds.new }],
    ['one that is too new', 'this release', builds.tooNew, builds.new, { a: builds.new }],
  ] as const)(
    '%s to %s: both windows are named, and the guest moves once a host has another release (R7)',
    async (_from, _to, from, to, remedy: { a?: Build; b?: Build }) => {
      await Promise.all([hosts.a.become(from), hosts.b.become(to)]);
      const guest = await startGuest(
        hosts.a,
        bareSpec({ name: 'waiting', pages: 64, rate: 100, memoryMiB: 64 }),
      );
      const sentence = await refused(guest, hosts.a, hosts.b, 'peer-version-unknown');
      expect(sentence).toContain(await sayWindow(from));
      expect(sentence).toContain(await sayWindow(to));
      await Promise.all([hosts.a.become(remedy.a ?? from), hosts.b.become(remedy.b ?? to)]);
      expect(await move(guest, hosts.a, hosts.b)).toMatchObject({ state: 'completed', error: null });
      expect(await soundness(guest)).toEqual(sound);
      guest.meter.detach();
    },
  );

  it('every feature that the old release does not know is named, and the guest is free to go elsewhere (R7, R8)', async () => {
    await Promise.all([hosts.a.become(builds.new), hosts.b.become(builds.old)]);
    const spec = bareSpec({
      name: 'modern',
      pages: 64,
      rate: 100,
      memoryMiB: 64,
      components: { rng0: { kind: 'rng' } },
    });
    const guest = await startGuest(hosts.a, { ...spec, smbios: { serial: 'D-1' } }, { specVersion: 2 });
    const sentence = await refused(guest, hosts.a, hosts.b, 'spec-not-convertible');
    expect(sentence).toContain('smbios needs instance spec 2');
    expect(sentence).toContain('rng0 (rng) needs instance spec 2');
    await hosts.b.become(builds.new);
    expect(await move(guest, hosts.a, hosts.b, { verify: true })).toMatchObject({
      state: 'completed',
      error: null,
    });
    expect(await soundness(guest)).toEqual(sound);
    guest.meter.detach();
  });
});
