import type { InstanceSpec } from '@drover/types';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { commandLine } from '../src/qemu/command-line.js';
import { vmmPaths } from '../src/qemu/paths.js';
import { serialPort, spec } from './support/specs.js';

function lineFor(instance: InstanceSpec, changed: Partial<Parameters<typeof commandLine>[0]> = {}): string[] {
  return commandLine({
    instanceId: '6f1c5b1e-0000-4000-8000-000000000001',
    spec: instance,
    machineType: 'pc-q35-7.2',
    accelerator: 'tcg',
    incoming: false,
    paths: vmmPaths('/run/d/1'),
    consoleLog: '/var/log/1.log',
    storage: new Map(),
    ...changed,
  });
}

/** The arguments as lines of `-option value`. */
function text(line: string[]): string {
  return line.join(' ').replace(/ -(?=[a-z])/g, '\n-');
}

const guest = { kernel: '/boot/k', initrd: '/boot/i' };

describe('the command line', () => {
  it('of a kernel with a console', () => {
    const instance = spec({
      cpus: 2,
      memoryMiB: 1024,
      cpu: { model: 'qemu64', features: { 'sse4.2': true, cx16: false } },
      boot: { from: 'kernel', ...guest, cmdline: 'console=ttyS0 a,b' },
      components: serialPort,
    });
    expect(text(lineFor(instance))).toMatchInlineSnapshot(`
      "-name guest=web-1,debug-threads=on
      -uuid 6f1c5b1e-0000-4000-8000-000000000001
      -nodefaults
      -no-user-config
      -display none
      -vga none
      -msg timestamp=on
      -accel tcg,thread=multi
      -m size=1024M
      -object memory-backend-file,id=ram0,mem-path=/proc/self/fd/3,share=on,size=1024M
      -machine pc-q35-7.2,memory-backend=ram0,suppress-vmdesc=on,dump-guest-core=off
      -cpu qemu64,cx16=off,sse4.2=on
      -smp cpus=2,sockets=1,cores=2,threads=1
      -kernel /boot/k
      -initrd /boot/i
      -append console=ttyS0 a,b
      -chardev socket,id=com1,path=/run/d/1/console.sock,server=on,wait=off,logfile=/var/log/1.log,logappend=on
      -serial chardev:com1
      -chardev socket,id=monitor,path=/run/d/1/qmp.sock,server=on,wait=off
      -mon chardev=monitor,mode=control -S
      -action shutdown=pause,panic=pause"
    `);
  });

  it('of disks and networks, under KVM, for a destination', () => {
    const instance = spec({
      boot: { from: 'disks', order: ['root', 'data'] },
      components: {
        data: { kind: 'nvme-disk', backend: 'data-file', serial: 'D1', pciSlot: 2 },
        root: { kind: 'virtio-disk', backend: 'root-file', serial: 'R1' },
        'root-file': { kind: 'file-storage', path: '/d/root, 1.qcow2', format: 'qcow2' },
        'data-file': {
          kind: 'file-storage',
          path: '/dev/vg/data',
          format: 'raw',
          cache: 'none',
          readOnly: true,
        },
        lan: { kind: 'virtio-nic', backend: 'lan-tap', mac: '52:54:00:00:00:01' },
        'lan-tap': { kind: 'tap-network', interface: 'tap0' },
        wan: { kind: 'virtio-nic', backend: 'wan-user', mac: '52:54:00:00:00:02' },
        'wan-user': { kind: 'user-network' },
      },
    });
    const line = lineFor(instance, {
      accelerator: 'kvm',
      incoming: true,
      storage: new Map([
        ['root-file', 'file'],
        ['data-file', 'host_device'],
      ]),
    });
    expect(text(line)).toMatchInlineSnapshot(`
      "-name guest=web-1,debug-threads=on
      -uuid 6f1c5b1e-0000-4000-8000-000000000001
      -nodefaults
      -no-user-config
      -display none
      -vga none
      -msg timestamp=on
      -accel kvm
      -m size=64M
      -object memory-backend-file,id=ram0,mem-path=/proc/self/fd/3,share=on,size=64M
      -machine pc-q35-7.2,memory-backend=ram0,suppress-vmdesc=on,dump-guest-core=off
      -cpu qemu64
      -smp cpus=1,sockets=1,cores=1,threads=1
      -blockdev {"driver":"raw","node-name":"disk0","read-only":true,"auto-read-only":false,"cache":{"direct":true,"no-flush":false},"file":{"driver":"host_device","filename":"/dev/vg/data","aio":"native","read-only":true,"auto-read-only":false,"cache":{"direct":true,"no-flush":false}}}
      -device nvme,id=data,drive=disk0,addr=0x2,serial=D1,bootindex=2
      -netdev tap,id=lan-tap,ifname=tap0,script=no,downscript=no,vhost=off
      -device virtio-net-pci,id=lan,netdev=lan-tap,mac=52:54:00:00:00:01,addr=0x3,romfile=
      -blockdev {"driver":"qcow2","node-name":"disk2","read-only":false,"auto-read-only":false,"cache":{"direct":false,"no-flush":false},"file":{"driver":"file","filename":"/d/root, 1.qcow2","aio":"threads","read-only":false,"auto-read-only":false,"cache":{"direct":false,"no-flush":false}}}
      -device virtio-blk-pci,id=root,drive=disk2,addr=0x4,serial=R1,bootindex=1
      -netdev user,id=wan-user
      -device virtio-net-pci,id=wan,netdev=wan-user,mac=52:54:00:00:00:02,addr=0x5,romfile=
      -serial none
      -chardev socket,id=monitor,path=/run/d/1/qmp.sock,server=on,wait=off
      -mon chardev=monitor,mode=control -S
      -action shutdown=pause,panic=pause
      -incoming defer"
    `);
  });

  it('of every other component', () => {
    const instance = spec({
      smbios: {
        manufacturer: 'Example, Inc.',
        product: 'P',
        version: '1',
        serial: 'S,,1',
        uuid: '6f1c5b1e-0000-4000-8000-000000000002',
        sku: 'K',
        family: 'F',
      },
      components: {
        panic: { kind: 'pvpanic', pciSlot: 9 },
        random: { kind: 'rng' },
        socket: { kind: 'vsock', cid: 4_000_000_000 },
        data: { kind: 'virtio-disk', backend: 'volume' },
        volume: { kind: 'block-storage', path: '/dev/vg/data', request: '{"size": 1}' },
        fast: { kind: 'nvme-disk', backend: 'cached', serial: 'N', writeCache: false },
        cached: { kind: 'block-storage', path: '/dev/vg/fast', cache: 'writeback', readOnly: true },
        seed: { kind: 'virtio-disk', backend: 'seed-content' },
        'seed-content': { kind: 'blob-storage', contentBase64: Buffer.alloc(512).toString('base64') },
      },
    });
    expect(text(lineFor(instance, { machineType: 'pc-i440fx-7.2' }))).toMatchInlineSnapshot(`
      "-name guest=web-1,debug-threads=on
      -uuid 6f1c5b1e-0000-4000-8000-000000000001
      -nodefaults
      -no-user-config
      -display none
      -vga none
      -msg timestamp=on
      -accel tcg,thread=multi
      -m size=64M
      -object memory-backend-file,id=ram0,mem-path=/proc/self/fd/3,share=on,size=64M
      -machine pc-i440fx-7.2,memory-backend=ram0,suppress-vmdesc=on,dump-guest-core=off
      -cpu qemu64
      -smp cpus=1,sockets=1,cores=1,threads=1
      -smbios type=1,manufacturer=Example,, Inc.,product=P,version=1,serial=S,,,,1,uuid=6f1c5b1e-0000-4000-8000-000000000002,sku=K,family=F
      -kernel /boot/kernel
      -blockdev {"driver":"raw","node-name":"disk0","read-only":false,"auto-read-only":false,"cache":{"direct":true,"no-flush":false},"file":{"driver":"host_device","filename":"/dev/vg/data","aio":"native","read-only":false,"auto-read-only":false,"cache":{"direct":true,"no-flush":false}}}
      -device virtio-blk-pci,id=data,drive=disk0,addr=0x2
      -blockdev {"driver":"raw","node-name":"disk1","read-only":true,"auto-read-only":false,"cache":{"direct":false,"no-flush":false},"file":{"driver":"host_device","filename":"/dev/vg/fast","aio":"threads","read-only":true,"auto-read-only":false,"cache":{"direct":false,"no-flush":false}}}
      -device nvme,id=fast,drive=disk1,addr=0x3,serial=N,write-cache=off
      -device pvpanic-pci,id=panic,addr=0x9
      -object rng-random,id=random-source,filename=/dev/urandom
      -device virtio-rng-pci,id=random,rng=random-source,addr=0x4
      -blockdev {"driver":"raw","node-name":"disk4","read-only":true,"auto-read-only":false,"cache":{"direct":false,"no-flush":false},"file":{"driver":"file","filename":"/run/d/1/blob-seed-content.img","aio":"threads","read-only":true,"auto-read-only":false,"cache":{"direct":false,"no-flush":false}}}
      -device virtio-blk-pci,id=seed,drive=disk4,addr=0x5
      -device vhost-vsock-pci,id=socket,guest-cid=4000000000,addr=0x6
      -serial none
      -chardev socket,id=monitor,path=/run/d/1/qmp.sock,server=on,wait=off
      -mon chardev=monitor,mode=control -S
      -action shutdown=pause,panic=pause"
    `);
  });

  it('of a microvm, whose devices sit on MMIO', () => {
    const instance = spec({
      components: {
        disk: { kind: 'virtio-disk', backend: 'file' },
        file: { kind: 'file-storage', path: '/d', format: 'raw' },
        lan: { kind: 'virtio-nic', backend: 'user', mac: '52:54:00:00:00:01' },
        random: { kind: 'rng' },
        user: { kind: 'user-network' },
      },
    });
    expect(text(lineFor(instance, { machineType: 'microvm' }))).toMatchInlineSnapshot(`
      "-name guest=web-1,debug-threads=on
      -uuid 6f1c5b1e-0000-4000-8000-000000000001
      -nodefaults
      -no-user-config
      -display none
      -vga none
      -msg timestamp=on
      -accel tcg,thread=multi
      -m size=64M
      -object memory-backend-file,id=ram0,mem-path=/proc/self/fd/3,share=on,size=64M
      -machine microvm,memory-backend=ram0,suppress-vmdesc=on,dump-guest-core=off
      -cpu qemu64
      -smp cpus=1,sockets=1,cores=1,threads=1
      -kernel /boot/kernel
      -blockdev {"driver":"raw","node-name":"disk0","read-only":false,"auto-read-only":false,"cache":{"direct":false,"no-flush":false},"file":{"driver":"file","filename":"/d","aio":"threads","read-only":false,"auto-read-only":false,"cache":{"direct":false,"no-flush":false}}}
      -device virtio-blk-device,id=disk,drive=disk0
      -netdev user,id=user
      -device virtio-net-device,id=lan,netdev=user,mac=52:54:00:00:00:01
      -object rng-random,id=random-source,filename=/dev/urandom
      -device virtio-rng-device,id=random,rng=random-source
      -serial none
      -chardev socket,id=monitor,path=/run/d/1/qmp.sock,server=on,wait=off
      -mon chardev=monitor,mode=control -S
      -action shutdown=pause,panic=pause"
    `);
  });

  it('doubles every comma of SMBIOS fields', () => {
    const field = fc.string({ unit: fc.constantFrom(',', 'a', '=', ' '), minLength: 1, maxLength: 30 });
    const fields = ['manufacturer', 'product', 'version', 'serial', 'sku', 'family'] as const;
    fc.assert(
      fc.property(fc.subarray([...fields], { minLength: 1 }), field, (given, value) => {
        const smbios = Object.fromEntries(given.map((name) => [name, value]));
        const line = lineFor(spec({ smbios }));
        const options = split(line[line.indexOf('-smbios') + 1] ?? '');
        expect([...options.keys()]).toEqual(['type', ...fields.filter((name) => given.includes(name))]);
        for (const name of given) expect(options.get(name)).toBe(value);
      }),
    );
    expect(lineFor(spec())).not.toContain('-smbios');
  });

  it('never starts the guest by itself and never quits with it (R1)', () => {
    for (const incoming of [true, false]) {
      const line = lineFor(spec(), { incoming });
      expect(line).toContain('-S');
      expect(line.join(' ')).toContain('-action shutdown=pause,panic=pause');
      expect(line.includes('-incoming')).toBe(incoming);
    }
  });

  it('doubles every comma of a path where QEMU splits at commas', () => {
    const path = fc
      .string({ unit: fc.constantFrom(',', 'a', '=', '/', ' ', '"', 'é'), minLength: 1, maxLength: 30 })
      .map((name) => `/${name}`);
    fc.assert(
      fc.property(path, path, path, path, (consoleLog, disk, kernel, directory) => {
        const instance = spec({
          boot: { from: 'kernel', kernel },
          components: {
            ...serialPort,
            disk: { kind: 'virtio-disk', backend: 'file' },
            file: { kind: 'file-storage', path: disk, format: 'raw' },
          },
        });
        const line = lineFor(instance, { consoleLog, paths: vmmPaths(directory) });
        const optionOf = (option: string, start: string): string =>
          line.find((value, index) => line[index - 1] === option && value.startsWith(start)) ?? '';
        expect(split(optionOf('-chardev', 'socket,id=com1')).get('logfile')).toBe(consoleLog);
        expect(split(optionOf('-chardev', 'socket,id=com1')).get('path')).toBe(vmmPaths(directory).console);
        expect(split(optionOf('-chardev', 'socket,id=monitor')).get('path')).toBe(
          vmmPaths(directory).monitor,
        );
        expect(JSON.parse(optionOf('-blockdev', '{')).file.filename).toBe(disk);
        expect(optionOf('-kernel', '')).toBe(kernel);
      }),
      { numRuns: 500 },
    );
  });

  it('counts PCI slots in hexadecimal, as QEMU reads them', () => {
    const components: InstanceSpec['components'] = { n: { kind: 'user-network' } };
    for (let index = 0; index < 16; index++) {
      const mac = `52:54:00:00:00:${(16 + index).toString(16)}`;
      components[`nic${String(index).padStart(2, '0')}`] = { kind: 'virtio-nic', backend: 'n', mac };
    }
    const line = lineFor({ ...spec(), components }).join(' ');
    expect(line).toContain('id=nic07,netdev=n,mac=52:54:00:00:00:17,addr=0x9,');
    expect(line).toContain('id=nic15,netdev=n,mac=52:54:00:00:00:1f,addr=0x11,');
  });

  it('gives the same places to devices whatever the order of the document', () => {
    const entries = Object.entries({
      a: { kind: 'virtio-nic', backend: 'na', mac: '52:54:00:00:00:01' },
      b: { kind: 'virtio-nic', backend: 'nb', mac: '52:54:00:00:00:02', pciSlot: 3 },
      c: { kind: 'virtio-nic', backend: 'nc', mac: '52:54:00:00:00:03' },
      na: { kind: 'user-network' },
      nb: { kind: 'user-network' },
      nc: { kind: 'user-network' },
    } as const);
    const expected = lineFor(spec({ components: Object.fromEntries(entries) }));
    expect(expected.join(' ')).toMatch(/id=a,.*addr=0x2,.*id=b,.*addr=0x3,.*id=c,.*addr=0x4,/);
    fc.assert(
      fc.property(fc.shuffledSubarray(entries, { minLength: entries.length }), (shuffled) => {
        expect(lineFor(spec({ components: Object.fromEntries(shuffled) }))).toEqual(expected);
      }),
    );
  });

  it.each([
    [
      'a PCI slot given twice',
      { a: { kind: 'virtio-nic', backend: 'n', mac: '52:54:00:00:00:01', pciSlot: 3 } as const },
      { b: { kind: 'virtio-nic', backend: 'n', mac: '52:54:00:00:00:02', pciSlot: 3 } as const },
      'pc-q35-7.2',
    ],
    [
      "the machine type's own slot",
      { a: { kind: 'virtio-nic', backend: 'n', mac: '52:54:00:00:00:01', pciSlot: 31 } as const },
      {},
      'pc-q35-7.2',
    ],
    [
      "the machine type's own slot",
      { a: { kind: 'virtio-nic', backend: 'n', mac: '52:54:00:00:00:01', pciSlot: 1 } as const },
      {},
      'pc-i440fx-7.2',
    ],
    [
      'PCI on a machine without it',
      { a: { kind: 'virtio-nic', backend: 'n', mac: '52:54:00:00:00:01', pciSlot: 3 } as const },
      {},
      'microvm',
    ],
    ['a PCI device on a machine without PCI', { a: { kind: 'pvpanic' } as const }, {}, 'microvm'],
    ['a vsock on MMIO', { a: { kind: 'vsock', cid: 3 } as const }, {}, 'microvm'],
    ['a missing backend', { a: { kind: 'virtio-disk', backend: 'toString' } as const }, {}, 'pc-q35-7.2'],
    ['a backend of another kind', { a: { kind: 'virtio-disk', backend: 'n' } as const }, {}, 'pc-q35-7.2'],
  ])('refuses %s by name', (_what, first, second, machineType) => {
    const components = { n: { kind: 'user-network' } as const, ...first, ...second };
    expect(() =>
      commandLine({
        ...{ instanceId: 'i', accelerator: 'tcg', incoming: false, consoleLog: '/l', storage: new Map() },
        paths: vmmPaths('/d'),
        // Some of these the document rules refuse as well; the driver does not rely on it.
        spec: { ...spec(), components: components as InstanceSpec['components'] },
        machineType,
      }),
    ).toThrow(expect.objectContaining({ code: 'spec-unsupported-by-qemu' }));
  });

  it('refuses a directory whose sockets would not fit', () => {
    expect(vmmPaths(`/${'x'.repeat(93)}`).console).toHaveLength(107);
    expect(() => vmmPaths(`/${'x'.repeat(94)}`)).toThrow(
      expect.objectContaining({ code: 'vmm-directory-too-long' }),
    );
  });
});

/** QEMU's own rule, written naively: a single comma ends a value, two are one comma. */
function split(options: string): Map<string, string> {
  const values: string[] = [];
  let value = '';
  for (let at = 0; at < options.length; at++) {
    if (options[at] !== ',') value += options[at];
    else if (options[at + 1] === ',') {
      value += ',';
      at++;
    } else {
      values.push(value);
      value = '';
    }
  }
  return new Map(
    [...values, value].map((text) => [text.split('=')[0] ?? '', text.slice(text.indexOf('=') + 1)]),
  );
}
