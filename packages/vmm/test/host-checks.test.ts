import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkBootFiles, checkMemory } from '../src/host/checks.js';
import { availableMemory } from '../src/host/memory.js';
import { checkAgainstQemu, checkDisks, checkNetworks, checkVsock } from '../src/qemu/host-checks.js';
import type { QemuFacts } from '../src/qemu/probe.js';
import { spec } from './support/specs.js';
import { temporaryDirectory } from './support/temporary.js';

const facts: QemuFacts = {
  binary: '/usr/bin/qemu-system-x86_64',
  version: '7.2.22',
  machines: [
    { name: 'pc-q35-7.2', alias: 'q35', maxCpus: 4 },
    { name: 'pc-q35-7.1', alias: null, maxCpus: 4 },
    { name: 'none', alias: null, maxCpus: 1 },
  ],
  cpuModels: ['qemu64'],
};

function disk(storage: object) {
  return spec({ components: { root: { kind: 'file-storage', format: 'raw', path: '/x', ...storage } } });
}

/** A header of version 2, and behind it the name of the backing file. */
function qcow2(backing: string | null): Buffer {
  const header = Buffer.alloc(104);
  header.writeUInt32BE(0x514649fb, 0);
  header.writeUInt32BE(2, 4);
  if (backing === null) return header;
  header.writeBigUInt64BE(BigInt(header.length), 8);
  header.writeUInt32BE(Buffer.byteLength(backing), 16);
  return Buffer.concat([header, Buffer.from(backing)]);
}

describe('the check against QEMU', () => {
  it('passes what it has', () => {
    checkAgainstQemu(spec({ cpus: 4, machineType: 'q35' }), facts);
    checkAgainstQemu(spec({ machineType: 'pc-q35-7.1' }), facts);
  });

  it.each([
    [{ machineType: 'pc-q35-9.0' }, 'machine-type-unknown', /"pc-q35-9.0"; it has pc-q35-7.2, pc-q35-7.1/],
    [{ machineType: 'none' }, 'machine-type-unknown', /"none"/],
    [{ cpus: 5 }, 'too-many-cpus', /5 CPUs; .* at most 4/],
    [{ cpu: { model: 'qemu65' } }, 'cpu-model-unknown', /"qemu65"/],
  ])('refuses %j', (input, code, message) => {
    expect(() => checkAgainstQemu(spec(input), facts)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });
});

describe('the check of files', () => {
  it('names a kernel or initrd that is not there', async () => {
    const directory = temporaryDirectory();
    const kernel = join(directory, 'kernel');
    writeFileSync(kernel, '');
    await checkBootFiles(spec({ boot: { from: 'kernel', kernel, initrd: kernel } }));
    await expect(
      checkBootFiles(spec({ boot: { from: 'kernel', kernel, initrd: `${kernel}.gz` } })),
    ).rejects.toMatchObject({
      code: 'boot-file-unreadable',
      message: expect.stringContaining(`The initrd ${kernel}.gz`),
    });
    await expect(checkBootFiles(spec({ boot: { from: 'kernel', kernel: directory } }))).rejects.toMatchObject(
      {
        code: 'boot-file-unreadable',
        message: expect.stringContaining('neither a file'),
      },
    );
  });

  it('finds out how a disk must be opened', async () => {
    const path = join(temporaryDirectory(), 'disk');
    writeFileSync(path, '');
    expect(await checkDisks(disk({ path }))).toEqual(new Map([['root', 'file']]));
  });

  it('names a disk that is missing or a directory, and a FIFO does not hold it up', async () => {
    const directory = temporaryDirectory();
    const fifo = join(directory, 'fifo');
    execFileSync('mkfifo', [fifo]);
    for (const [path, why] of [
      [join(directory, 'none'), 'does not exist'],
      [directory, 'directory'],
      [fifo, 'neither a file'],
      ['/dev/null', 'neither a file'],
    ] as const) {
      await expect(checkDisks(disk({ path })), path).rejects.toMatchObject({
        code: 'disk-unusable',
        message: expect.stringContaining(why),
      });
    }
    await expect(checkDisks(disk({ path: directory, readOnly: true }))).rejects.toMatchObject({
      code: 'disk-unusable',
    });
  });

  it('knows a qcow2 image, and all that it is backed by', async () => {
    const directory = temporaryDirectory();
    const at = (name: string) => join(directory, name);
    writeFileSync(at('base'), 'raw bytes');
    writeFileSync(at('middle'), qcow2(at('base')));
    writeFileSync(at('top'), qcow2('middle'));
    writeFileSync(at('remote'), qcow2('nbd://far/away'));
    for (const name of ['base', 'middle', 'top', 'remote']) {
      const format = name === 'base' ? 'raw' : 'qcow2';
      expect(await checkDisks(disk({ path: at(name), format })), name).toEqual(new Map([['root', 'file']]));
    }
  });

  it('names what is no qcow2 image, and a backing file that is not here', async () => {
    const directory = temporaryDirectory();
    const at = (name: string) => join(directory, name);
    writeFileSync(at('raw'), Buffer.alloc(4096));
    writeFileSync(at('short'), qcow2(null).subarray(0, 20));
    writeFileSync(at('orphan'), qcow2('gone'));
    writeFileSync(at('below'), qcow2('orphan'));
    writeFileSync(at('loop'), qcow2('loop'));
    writeFileSync(at('cut'), qcow2('a-name-that-is-cut-off').subarray(0, 100));
    for (const [name, why] of [
      ['raw', 'it is no qcow2 image'],
      ['short', 'it is no qcow2 image'],
      ['orphan', `its backing file ${at('gone')} is missing here: it does not exist`],
      ['below', `its backing file ${at('gone')} is missing here`],
      ['loop', 'has no end'],
      ['cut', 'outside of it'],
    ] as const) {
      await expect(checkDisks(disk({ path: at(name), format: 'qcow2' })), name).rejects.toMatchObject({
        code: 'disk-image-unusable',
        message: expect.stringContaining(why),
      });
    }
  });

  it('reads what qemu-img writes', async ({ skip }) => {
    const directory = temporaryDirectory();
    const image = (...args: string[]) =>
      execFileSync('qemu-img', ['create', '-q', ...args], { cwd: directory });
    try {
      execFileSync('qemu-img', ['--version']);
    } catch {
      skip('needs qemu-img');
    }
    image('-f', 'qcow2', 'base.qcow2', '1M');
    image('-f', 'qcow2', '-b', 'base.qcow2', '-F', 'qcow2', 'top.qcow2');
    const top = disk({ path: join(directory, 'top.qcow2'), format: 'qcow2' });
    expect(await checkDisks(top)).toEqual(new Map([['root', 'file']]));
    rmSync(join(directory, 'base.qcow2'));
    await expect(checkDisks(top)).rejects.toMatchObject({
      code: 'disk-image-unusable',
      message: expect.stringContaining('base.qcow2 is missing here'),
    });
  });

  it('takes no file for a block device', async () => {
    const path = join(temporaryDirectory(), 'sda');
    writeFileSync(path, '');
    // The document rules want a path under /dev, where a file is as easily made by mistake.
    const volume = { kind: 'block-storage', path, cache: 'writeback', readOnly: false } as const;
    await expect(checkDisks({ ...spec(), components: { volume } })).rejects.toMatchObject({
      code: 'disk-unusable',
      message: expect.stringContaining('it is a file and no block device'),
    });
    const gone = { ...volume, path: `${path}-gone` };
    await expect(checkDisks({ ...spec(), components: { gone } })).rejects.toMatchObject({
      code: 'disk-unusable',
      message: expect.stringContaining('does not exist'),
    });
  });

  it('names what a vsock device needs', async () => {
    const vsock = spec({ components: { v: { kind: 'vsock', cid: 3 } } });
    await checkVsock(vsock, '/dev/null');
    await checkVsock(spec(), '/nowhere');
    await expect(checkVsock(vsock, '/nowhere')).rejects.toMatchObject({
      code: 'vsock-unusable',
      message: expect.stringMatching(/"v".*needs \/nowhere, and it does not exist.*modprobe vhost_vsock/),
    });
  });

  it('names a network interface that is missing', async () => {
    const network = (name: string) => spec({ components: { lan: { kind: 'tap-network', interface: name } } });
    await checkNetworks(network('lo'));
    await expect(checkNetworks(network('tap-none'))).rejects.toMatchObject({
      code: 'network-interface-missing',
      message: expect.stringContaining('ip tuntap add tap-none'),
    });
  });
});

describe('the check of memory', () => {
  it('refuses more than there could ever be, with numbers', async () => {
    await checkMemory(spec({ memoryMiB: 1 }));
    await expect(checkMemory(spec({ memoryMiB: 16 * 1024 * 1024 }))).rejects.toMatchObject({
      code: 'memory-insufficient',
      message: expect.stringMatching(/has 16777216 MiB of memory; \d+ MiB are available/),
    });
  });

  it('knows the limits of control groups, and counts cache as free', async () => {
    const root = temporaryDirectory();
    const group = join(root, 'cgroup/a/b');
    mkdirSync(join(root, 'proc/self'), { recursive: true });
    mkdirSync(group, { recursive: true });
    writeFileSync(join(root, 'proc/meminfo'), 'MemTotal: 9 kB\nMemAvailable:    1000 kB\n');
    writeFileSync(join(root, 'proc/self/cgroup'), '0::/a/b\n');
    const available = () => availableMemory(join(root, 'proc'), join(root, 'cgroup'));
    expect(await available()).toEqual({ bytes: 1_024_000, limitedBy: 'the memory of the host' });
    writeFileSync(join(root, 'cgroup/a/memory.max'), '500000\n');
    writeFileSync(join(root, 'cgroup/a/memory.current'), '400000\n');
    writeFileSync(join(root, 'cgroup/a/memory.stat'), 'anon 1\ninactive_file 50000\n');
    writeFileSync(join(group, 'memory.max'), 'max\n');
    writeFileSync(join(group, 'memory.current'), '1\n');
    expect(await available()).toEqual({
      bytes: 150_000,
      limitedBy: 'the memory limit of control group /a',
    });
  });
});
