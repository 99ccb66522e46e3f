import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeInstanceSpec } from '@drover/types';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Build, thisCheckout } from '../harness/build.js';
import { drover } from '../harness/drover.js';
import { machineSpec } from '../harness/guests.js';
import { machinesMissing, orWhyNoMachines, said, startInstance, stateSpec } from '../harness/machines.js';
import { move, sound, soundness, startGuest } from '../harness/moving.js';
import { bareGuest } from '../harness/paths.js';
import { useTwoHosts } from '../harness/use-two-hosts.js';

const folder = mkdtempSync(join(tmpdir(), 'drover-refusals-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** An agent in a mount namespace of its own, made by these shell commands. */
function behind(commands: string): Build {
  const start = ['unshare', '--mount', 'sh', '-ec', `${commands}\nexec "$@"`, 'sh'];
  return { command: [...start, ...thisCheckout.command] };
}

/** A /dev without kvm. */
const withoutKvm = behind(`
mount -t tmpfs dev /mnt
for name in null zero full random urandom; do cp -a /dev/$name /mnt/; done
mkdir -p /mnt/shm
mount --move /mnt /dev`);

/** A /dev/kvm that nobody may open, root included. */
const withoutPermission = behind(`
mount -t tmpfs -o nodev dev /mnt
mknod /mnt/kvm c 10 232
mount --bind /mnt/kvm /dev/kvm`);

describe.skipIf(machinesMissing !== null)(`a machine that cannot be had${orWhyNoMachines}`, () => {
  const hosts = useTwoHosts();
  let lesserHost = thisCheckout;

  beforeAll(() => {
    const library = join(folder, 'lesser-host.so');
    const source = fileURLToPath(new URL('../harness/lesser-host.c', import.meta.url));
    execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl']);
    lesserHost = { command: ['env', `LD_PRELOAD=${library}`, ...thisCheckout.command] };
  });
  afterEach(() => hosts.b.become(thisCheckout));

  const good = machineSpec({ name: 'wrong', pages: 16, rate: 0, memoryMiB: 64 });
  const booting = (kernel: string) => ({ ...good, boot: { from: 'kernel', kernel } });
  const file = (name: string, bytes: Uint8Array) => {
    const path = join(folder, name);
    writeFileSync(path, bytes);
    return path;
  };

  /** Creates and starts it by the command: one sentence with the code, and nothing is left. */
  async function refusal(spec: unknown): Promise<string> {
    const result = await drover(
      ['instance', 'create', '-', '--start', '--agent', hosts.b.url],
      JSON.stringify(spec),
    );
    expect(result.code).toBeGreaterThan(0);
    const sentence = result.stderr.trim();
    expect(sentence.split('\n')).toHaveLength(1);
    return sentence;
  }

  it('because the host has no /dev/kvm, says so at create, and in the description of the host (R7)', async () => {
    await hosts.b.become(withoutKvm);
    expect(await refusal(good)).toMatch(
      /^drover: .*\/dev\/kvm.*; bhyve: this host has no \/dev\/vmmctl.* \[machine-unusable\]$/,
    );
    expect(await hosts.b.client.listInstances()).toEqual([]);
    const { drivers } = await hosts.b.client.getHost();
    expect(drivers.find(({ name }) => name === 'machine')?.unusable).toMatch(/\/dev\/kvm.*bhyve/);
  });

  it('because this user may not open /dev/kvm, says that (R7)', async () => {
    await hosts.b.become(withoutPermission);
    expect(await refusal(good)).toMatch(/add the user to the group kvm.*\[machine-unusable\]$/);
    expect(await hosts.b.client.listInstances()).toEqual([]);
  });

  it('at the destination of a migration leaves the guest where it is (R2, R7)', async () => {
    await hosts.b.become(withoutKvm);
    const guest = await startGuest(hosts.a, machineSpec({ name: 'stays', pages: 256, rate: 1_000 }), {
      specVersion: 3,
    });
    const refused = await move(guest, hosts.a, hosts.b);
    expect(refused).toMatchObject({ state: 'failed', error: { code: 'device-state-version-unsupported' } });
    expect(await soundness(guest)).toEqual(sound);
    guest.meter.detach();
  });

  it('because the destination’s processor has less than the guest was shown: what is missing is named, and nothing was made (R2, R7)', async () => {
    await hosts.b.become(lesserHost);
    const guest = await startGuest(hosts.a, machineSpec({ name: 'spoilt', pages: 256, rate: 1_000 }), {
      specVersion: 3,
    });
    // A preflight says it with the sentence that the migration ends with.
    const { cpu } = await hosts.a.client.checkPreflight({ role: 'source', instance: 'spoilt' });
    const { id: instanceId, spec } = await hosts.a.client.getInstance('spoilt');
    const arrival = { role: 'destination', instanceId, spec: writeInstanceSpec(spec) } as const;
    const { findings } = await hosts.b.client.checkPreflight({ ...arrival, cpu });
    const refused = await move(guest, hosts.a, hosts.b);
    expect(findings).toMatchObject([{ code: 'cpu-not-offered', sentence: refused.error?.message }]);
    expect(refused).toMatchObject({
      state: 'failed',
      error: {
        code: 'cpu-not-offered',
        message: expect.stringContaining('"spoilt" was shown of its own: lahf_lm, MSR 0x277 (IA32_PAT). '),
      },
      report: null,
    });
    expect(await hosts.b.client.listInstances()).toEqual([]);
    expect(await soundness(guest)).toEqual(sound);
    // The other way it goes, and back again: the guest keeps what it was promised there.
    guest.meter.detach();
    const humble = await startGuest(hosts.b, machineSpec({ name: 'humble', pages: 256, rate: 1_000 }), {
      specVersion: 3,
    });
    expect(await move(humble, hosts.b, hosts.a, { verify: true })).toMatchObject({ state: 'completed' });
    expect(await move(humble, hosts.a, hosts.b, { verify: true })).toMatchObject({ state: 'completed' });
    expect(await soundness(humble)).toEqual(sound);
    humble.meter.detach();
  });

  const elf = () => readFileSync(bareGuest);
  const bzImage = () => {
    const image = Buffer.alloc(4096);
    image[0x1f1] = 64;
    image.writeUInt16LE(0xaa55, 0x1fe);
    image.write('HdrS', 0x202);
    image.writeUInt16LE(0x20f, 0x206);
    return image;
  };
  it.each<[string, string, () => Uint8Array]>([
    ['text', 'text', () => Buffer.from('this is no kernel')],
    ['an empty file', 'empty', () => Buffer.alloc(0)],
    ['an ELF that is cut short', 'short.elf', () => elf().subarray(0, 300)],
    [
      'an ELF without a PVH entry',
      'plain.elf',
      () => Buffer.from(elf().toString('latin1').replace('Xen\0', 'Abc\0'), 'latin1'),
    ],
    ['a bzImage that is cut short', 'short.bz', bzImage],
  ])('because its kernel is none: %s', async (_what, name, bytes) => {
    const sentence = await refusal(booting(file(name, bytes())));
    expect(sentence).toMatch(/^drover: .*[Kk]ernel.* \[machine-start-failed\]$/);
    expect(await hosts.b.client.listInstances()).toEqual([]);
  });

  it('because the host has neither so many processors nor so much memory', async () => {
    expect(await refusal({ ...good, cpus: 255 })).toMatch(
      /255 CPUs; .* at most \d+.*\[(too-many-cpus|spec-invalid)\]$/,
    );
    expect(await refusal({ ...good, memoryMiB: 16_000_000 })).toMatch(
      /16000000 MiB.*\[memory-insufficient\]$/,
    );
    expect(await hosts.b.client.listInstances()).toEqual([]);
  });

  it('any more, because its guest took a triple fault, is shown as failed with its registers, and not as a hang', async () => {
    await startInstance(hosts.b, stateSpec({ name: 'faulty', words: 'check=fault' }));
    await said(hosts.b, 'faulty', 'STATE\n');
    await expect
      .poll(() => hosts.b.client.getInstance('faulty'), { timeout: 20_000 })
      .toMatchObject({
        state: {
          life: 'failed',
          error: {
            message: expect.stringMatching(/(triple fault|cannot emulate).*rip=[0-9a-f]+ .*cr3=[0-9a-f]+/),
          },
        },
      });
  });

  it('any more, because KVM cannot emulate its next instruction, is shown as failed with its registers and that instruction', async () => {
    await startInstance(hosts.b, stateSpec({ name: 'odd', words: 'check=emulation' }));
    await expect
      .poll(() => hosts.b.client.getInstance('odd'), { timeout: 20_000 })
      .toMatchObject({
        state: {
          life: 'failed',
          error: {
            message: expect.stringMatching(/(cannot emulate|triple fault|internal error).*rip=[0-9a-f]+/),
          },
        },
      });
  });
});
