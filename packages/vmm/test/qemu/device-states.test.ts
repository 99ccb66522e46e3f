/** Device states as a real QEMU has them. */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { native } from '@drover/native';
import type { InstanceSpecInput } from '@drover/types';
import { expect, it, onTestFinished } from 'vitest';
import { writeBlobs } from '../../src/qemu/blobs.js';
import { commandLine } from '../../src/qemu/command-line.js';
import { guestStates } from '../../src/qemu/device-states.js';
import { connectMonitor } from '../../src/qemu/monitor.js';
import { vmmPaths } from '../../src/qemu/paths.js';
import { QemuProbe } from '../../src/qemu/probe.js';
import { prepareSave, saveState } from '../../src/qemu/save.js';
import { StateDescriptionCache } from '../../src/qemu/state-descriptions.js';
import { defaultTuning } from '../../src/qemu/tuning.js';
import { describeQemu, driver, launch, owned, request, until, whyNoQemu } from '../support/qemu.js';
import { serialPort } from '../support/specs.js';
import { neverAborted, sink } from '../support/state.js';
import { temporaryDirectory } from '../support/temporary.js';

const kvm = whyNoQemu() === null ? native().probeKvm().kind : 'absent';

/** Everything that QEMU can save and that runs on every host, on a machine with or without PCI. */
function components(machineType: string): NonNullable<InstanceSpecInput['components']> {
  return {
    ...serialPort,
    seed: { kind: 'virtio-disk', backend: 'content' },
    content: { kind: 'blob-storage', contentBase64: Buffer.alloc(512).toString('base64') },
    lan: { kind: 'virtio-nic', backend: 'user', mac: '52:54:00:00:00:01' },
    user: { kind: 'user-network' },
    random: { kind: 'rng' },
    ...(machineType === 'microvm' ? {} : { oops: { kind: 'pvpanic' } as const }),
  };
}

describeQemu('device states', () => {
  const machines = [
    ['pc-q35-7.2', 'tcg'],
    ['pc-i440fx-7.2', 'tcg'],
    ['microvm', 'tcg'],
    ['pc-q35-7.2', 'kvm'],
    ['microvm', 'kvm'],
  ] as const;
  for (const [machineType, accelerator] of machines) {
    const because =
      accelerator === 'tcg' || kvm === 'full' || kvm === 'emulated' ? '' : ` (skipped: /dev/kvm is ${kvm})`;
    it.skipIf(because !== '')(
      `of a ${machineType} under ${accelerator} are listed exactly as they are in QEMU's stream${because}`,
      async () => {
        const { spec } = request({
          accelerator,
          cpu: { model: 'qemu64', features: { cx16: false } },
          components: components(machineType),
        });
        const described = await new StateDescriptionCache().of(
          (await new QemuProbe('qemu-system-x86_64').facts()).binary,
        );
        const inStream = (await savedSections({ spec, machineType, accelerator })).filter((name) =>
          described.has(name),
        );
        expect(guestStates(spec, { machineType, accelerator })).toEqual([...new Set(inStream)].sort());
      },
    );
  }

  it('that a guest writes are the last that its host reads, of the build that it runs', async () => {
    const { vmm } = await launch({ components: components('q35') });
    const written = await vmm.deviceStates();
    const readable = await driver().deviceStates();
    expect(written).toMatchObject({ 'qemu-stream': 1, 'qemu/virtio-blk': 2, 'qemu/pvpanic-pci': 1 });
    for (const [kind, version] of Object.entries(written)) {
      expect(readable[kind]?.at(-1), kind).toBe(version);
    }
    expect(readable).toHaveProperty('qemu/virtio-vhost_vsock');
    expect(Object.keys(readable).length).toBeLessThanOrEqual(256);
    expect(await vmm.blockers()).toEqual([]);
  });

  it('that a guest writes are those of the build that it runs, whatever is installed meanwhile', async () => {
    const qemuBinary = await copyOfQemu();
    const upgraded = driver({ qemuBinary });
    const vmm = owned(await upgraded.launch(request()));
    const before = await vmm.deviceStates();
    rmSync(qemuBinary);
    writeFileSync(qemuBinary, '#!/bin/sh\nexit 1\n', { mode: 0o700 });
    vmm.release();
    const again = owned(await driver().adopt(vmm.record, request().spec));
    expect(await again.deviceStates()).toEqual(before);
    await expect(upgraded.deviceStates()).rejects.toMatchObject({ code: 'qemu-unusable' });
  });
});

/** A copy of QEMU that a test may replace; it finds its modules and firmware beside its own folder. */
async function copyOfQemu(): Promise<string> {
  const { binary } = await new QemuProbe('qemu-system-x86_64').facts();
  const prefix = dirname(dirname(binary));
  const root = temporaryDirectory();
  for (const beside of ['lib', 'share']) symlinkSync(join(prefix, beside), join(root, beside));
  const copy = join(root, 'bin', 'qemu-system-x86_64');
  mkdirSync(dirname(copy));
  await copyFile(binary, copy);
  return copy;
}

/** Names of the device states in the stream of a guest, by the description that QEMU can put at its end. */
async function savedSections(
  guest: Pick<Parameters<typeof commandLine>[0], 'spec' | 'machineType' | 'accelerator'>,
): Promise<string[]> {
  const paths = vmmPaths(temporaryDirectory());
  await writeBlobs(guest.spec, paths);
  const memory = openSync(join(paths.directory, 'ram'), 'w+');
  const line = commandLine({
    ...guest,
    instanceId: '6f1c5b1e-0000-4000-8000-000000000001',
    incoming: false,
    paths,
    consoleLog: join(paths.directory, 'serial.log'),
    storage: new Map(),
  });
  const described = line.map((value) => value.replace('suppress-vmdesc=on', 'suppress-vmdesc=off'));
  const child = spawn('qemu-system-x86_64', described, { stdio: ['ignore', 'ignore', 'ignore', memory] });
  closeSync(memory);
  onTestFinished(() => void child.kill('SIGKILL'));
  const qmp = await connectMonitor(paths, child.pid ?? 0, 10_000, defaultTuning);
  onTestFinished(() => qmp.close());
  const { path, content } = await sink();
  await prepareSave(qmp, defaultTuning);
  await saveState(qmp, path, neverAborted(), defaultTuning);
  let sections: string[] | null = null;
  await until('the description came', () => {
    sections = describedSections(content());
    return sections !== null;
  });
  return sections ?? [];
}

/** The description is JSON behind its length, 4 bytes big-endian; null before all of it came. */
function describedSections(stream: Buffer): string[] | null {
  const start = stream.lastIndexOf('{"page_size"');
  if (start < 4) return null;
  const end = start + stream.readUInt32BE(start - 4);
  if (stream.length < end) return null;
  const { devices } = JSON.parse(stream.toString('utf8', start, end));
  return devices.map(({ vmsd_name }: { vmsd_name?: string }) => vmsd_name ?? '');
}
