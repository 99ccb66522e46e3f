import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DroverError,
  type InstanceSpecInput,
  instanceSpecSchema,
  missingInSpecVersions,
  readInstanceSpec,
  writeInstanceSpec,
  writeInstanceSpecForStorage,
} from '../src/index.js';

const smallest: InstanceSpecInput = {
  name: 'a',
  cpus: 1,
  memoryMiB: 64,
  boot: { from: 'kernel', kernel: '/boot/vmlinuz' },
};

function envelope(body: unknown, version = 1): unknown {
  return { schema: 'drover.instance-spec', version, body };
}

/** Code and sentence of the refusal. */
function refusalOf(document: unknown): string {
  try {
    readInstanceSpec(document);
  } catch (thrown) {
    if (thrown instanceof DroverError) return `${thrown.code}: ${thrown.message}`;
    throw thrown;
  }
  return 'read';
}

describe('reading an instance spec', () => {
  it('fills in the defaults', () => {
    expect(readInstanceSpec(JSON.stringify(envelope(smallest)))).toEqual({
      ...smallest,
      vmm: 'qemu',
      machineType: 'q35',
      cpu: { model: 'qemu64', features: {}, cpuid: [] },
      accelerator: 'auto',
      smbios: null,
      clock: 'wall',
      boot: { from: 'kernel', kernel: '/boot/vmlinuz', cmdline: '' },
      components: {},
    });
  });

  it('refuses a version it does not know, whatever is in the body, and lists those it knows (R7)', () => {
    expect(refusalOf(envelope({ anything: ['at', 'all'] }, 7))).toBe(
      'spec-version-unknown: This is an instance spec of version 7, and this release reads versions 1–3; use a release of Drover that knows version 7.',
    );
  });

  it.each([
    [
      { ...smallest, cpu: { modle: 'host' } },
      'spec.cpu.modle: unknown key; known: model, features (and 1 more problem).',
    ],
    [
      { ...smallest, x: 1, y: 2 },
      'spec.x: unknown key; known: name, vmm, cpus, memoryMiB, machineType, cpu, accelerator, boot, components (and 1 more problem).',
    ],
    [
      { ...smallest, 'a\u001b[2J': 1 },
      'spec["a\\u001b[2J"]: unknown key; known: name, vmm, cpus, memoryMiB, machineType, cpu, accelerator, boot, components.',
    ],
    [{ ...smallest, name: undefined }, 'spec.name: is missing.'],
    [{ ...smallest, name: 'Web 1' }, 'spec.name: is not a host-name label (a–z, 0–9, "-").'],
    [{ ...smallest, cpus: 0 }, 'spec.cpus: must be at least 1.'],
    [{ ...smallest, cpus: 256 }, 'spec.cpus: must be at most 255.'],
    [{ ...smallest, cpus: '2' }, 'spec.cpus: is string where number is expected.'],
    [{ ...smallest, memoryMiB: 1.5 }, 'spec.memoryMiB: is number where int is expected.'],
    [{ ...smallest, vmm: 'bochs' }, 'spec.vmm: is not "qemu".'],
    [{ ...smallest, accelerator: 'hvf' }, 'spec.accelerator: is not one of "auto", "kvm", "tcg".'],
    [{ ...smallest, machineType: 'Q 35' }, 'spec.machineType: does not match /^[a-z0-9.-]{1,40}$/.'],
    [{ ...smallest, boot: { from: 'network' } }, 'spec.boot.from: is not one of "kernel", "disks".'],
    [
      { ...smallest, boot: { from: 'kernel', kernel: 'vmlinuz' } },
      'spec.boot.kernel: is not an absolute path.',
    ],
    [{ ...smallest, boot: { from: 'disks', order: [] } }, 'spec.boot.order: must have at least 1 element.'],
    [
      { ...smallest, components: { Net: { kind: 'user-network' } } },
      'spec.components.Net: the key is not 1–32 characters a–z, 0–9 and "-".',
    ],
    [[], 'spec: is array where object is expected.'],
    [null, 'spec: is null where object is expected.'],
  ])('says in one sentence what is wrong with %j', (body, sentence) => {
    expect(refusalOf(envelope(body))).toBe(`spec-invalid: ${sentence}`);
  });

  it('names the kinds of component that there are', () => {
    expect(refusalOf(envelope({ ...smallest, components: { x: { kind: 'floppy' } } }))).toMatch(
      /^spec-invalid: spec\.components\.x\.kind: is not one of "virtio-disk", "nvme-disk", /,
    );
  });

  it.each([
    [smallest, 'document-schema-unknown'],
    [{ schema: 'drover.host', version: 1, body: smallest }, 'document-schema-unknown'],
    [{ schema: 'drover.instance-spec', version: 0, body: smallest }, 'document-schema-unknown'],
    [{ schema: 'drover.instance-spec', version: 1 }, 'document-schema-unknown'],
    [{ schema: 'drover.instance-spec', version: '1', body: smallest }, 'document-schema-unknown'],
    [{ schema: 'drover.instance-spec', version: 1.5, body: smallest }, 'document-schema-unknown'],
    ['{"schema":', 'document-malformed'],
    ['{"schema":"drover.instance-spec","version":1,"version":1,"body":{}}', 'document-malformed'],
    [`"${' '.repeat(1 << 20)}"`, 'document-too-large'],
    [undefined, 'document-malformed'],
    [() => smallest, 'document-malformed'],
  ])('refuses what is not an instance spec at all: %#', (document, code) => {
    expect(refusalOf(document)).toMatch(new RegExp(`^${code}: .*\\.$`));
  });
});

describe('the envelope', () => {
  it('may have more in it than this release knows, which is ignored', () => {
    const more = { schema: 'drover.instance-spec', version: 1, body: smallest, signature: { by: 'x' } };
    expect(readInstanceSpec(more)).toEqual(readInstanceSpec(envelope(smallest)));
  });

  it('of a schema that nobody knows is refused with those that are known', () => {
    expect(refusalOf({ schema: 'drover.snapshot', version: 1, body: {} })).toBe(
      'document-schema-unknown: This is a document of schema "drover.snapshot" where an instance spec ("drover.instance-spec") is expected; this release knows drover.compatibility, drover.host, drover.instance-spec, drover.migration-report, drover.vmm-state.',
    );
  });

  it('is read from bytes, which must be UTF-8', () => {
    const bytes = Buffer.from(
      JSON.stringify(envelope({ ...smallest, boot: { from: 'kernel', kernel: '/é' } })),
    );
    expect(readInstanceSpec(bytes).boot).toMatchObject({ kernel: '/é' });
    bytes[bytes.indexOf(0xc3)] = 0xff;
    expect(refusalOf(bytes)).toBe('document-malformed: The text given as an instance spec is not UTF-8.');
    expect(refusalOf(new Uint8Array((1 << 20) + 1))).toMatch(/^document-too-large: /);
  });

  it('keeps 64-bit numbers out of doubles: one that would be rounded is refused with its place and the limit', () => {
    const text = JSON.stringify(envelope(smallest)).replace('"memoryMiB":64', '"memoryMiB":9007199254740993');
    expect(refusalOf(text)).toBe(
      'document-malformed: The text given as an instance spec holds in document.body.memoryMiB, line 1 the number 9007199254740993, beyond the limit of ±9007199254740991.',
    );
    expect(refusalOf(envelope({ ...smallest, memoryMiB: 2 ** 60 }))).toMatch(
      /holds in document\.body\.memoryMiB the number 1152921504606847000, beyond the limit/,
    );
  });

  it('never prevents reading a spec whose opaque volume request is anything at all, byte for byte', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 50 }), (request) => {
        const backend = { kind: 'block-storage', path: '/dev/sdb', request } as const;
        const spec = {
          ...smallest,
          components: { d: { kind: 'virtio-disk', backend: 'b' }, b: backend },
        } as const;
        const read = readInstanceSpec(JSON.stringify(writeInstanceSpec(spec)));
        expect(read.components.b).toMatchObject({ request });
      }),
    );
  });
});

describe('what instance spec 2 and 3 added', () => {
  const withBackend = (backend: unknown) => ({
    ...smallest,
    components: { d: { kind: 'virtio-disk', backend: 'b' }, b: backend },
  });
  const blob = (contentBase64: unknown) => withBackend({ kind: 'blob-storage', contentBase64 });
  const block = (more: object) => withBackend({ kind: 'block-storage', path: '/dev/sdb', ...more });
  const base64 = (bytes: number) => Buffer.alloc(bytes, 0x41).toString('base64');

  it.each([
    [blob(base64(512)), null],
    [blob(base64(256 * 1024)), null],
    [blob(base64(256 * 1024 + 512)), 'is larger than 262144 bytes decoded'],
    [blob(base64(256 * 1024 + 1)), 'is larger than 262144 bytes decoded'],
    [blob(base64(500)), 'is 500 bytes decoded, which is not a whole number of 512-byte sectors'],
    [blob(''), 'is 0 bytes decoded, which is not a whole number of 512-byte sectors'],
    [blob(base64(512).replace(/=$/, '')), 'is not base64 with its padding'],
    [blob(`${base64(512).slice(0, -2)}F=`), 'is not base64 with its padding'],
    [blob(`\n${base64(512)}`), 'is not base64 with its padding'],
    [block({ path: '/dev/disk/by-id/x:y' }), null],
    [block({ path: '/dev/...' }), null],
    [block({ path: '/dev' }), 'is not the path of a device under /dev/'],
    [block({ path: '/dev/' }), 'is not the path of a device under /dev/'],
    [block({ path: '/devil' }), 'is not the path of a device under /dev/'],
    [block({ path: 'x/dev/sdb' }), 'is not the path of a device under /dev/'],
    [block({ path: '/dev//sdb' }), 'is not the path of a device under /dev/'],
    [block({ path: '/dev/sdb/' }), 'is not the path of a device under /dev/'],
    [block({ path: '/dev/../etc/shadow' }), 'is not the path of a device under /dev/'],
    [block({ path: '/dev/./sdb' }), 'is not the path of a device under /dev/'],
    [block({ path: '/dev/x/..' }), 'is not the path of a device under /dev/'],
    [block({ request: 'é'.repeat(32 * 1024) }), null],
    [block({ request: `é${'é'.repeat(32 * 1024)}` }), 'is larger than 65536 bytes'],
    [{ ...smallest, smbios: { serial: '' } }, 'is not 1–64 printable ASCII characters'],
    [{ ...smallest, smbios: { serial: 'a\nb' } }, 'is not 1–64 printable ASCII characters'],
    [{ ...smallest, smbios: {} }, 'has no field; give one, or leave it out'],
    [
      { ...smallest, smbios: { uuid: 'ABCDEF00-0000-0000-0000-000000000000' } },
      'is not a UUID in lower case',
    ],
    [{ ...smallest, components: { v: { kind: 'vsock', cid: 2 } } }, 'must be at least 3'],
    [{ ...smallest, components: { v: { kind: 'vsock', cid: 0xffff_ffff } } }, 'must be at most 4294967294'],
  ])('is held to its limits: %#', (body, problem) => {
    const refusal = refusalOf(envelope(body, 3));
    if (problem === null) expect(refusal).toBe('read');
    else expect(refusal).toMatch(/^spec-invalid: /);
    if (problem !== null) expect(refusal).toContain(`: ${problem}.`);
  });

  it.each([
    [{ ...smallest, smbios: null }, 1],
    [{ ...smallest, clock: 'wall' }, 2],
    [{ ...smallest, components: { v: { kind: 'vsock', cid: 3 } } }, 2],
    [{ ...smallest, components: { p: { kind: 'pvpanic' } } }, 1],
    [{ ...smallest, vmm: 'machine' }, 2],
  ])('is unknown to older versions: %#', (body, version) => {
    expect(refusalOf(envelope(body, version))).toMatch(/^spec-invalid: /);
    expect(refusalOf(envelope(body, version + 1))).toBe('read');
  });
});

describe('writing an instance spec', () => {
  const withoutCache: InstanceSpecInput = {
    ...smallest,
    clock: 'stopped',
    smbios: { serial: '1' },
    components: {
      nvme0: { kind: 'nvme-disk', backend: 'f', serial: '1', writeCache: false },
      f: { kind: 'file-storage', path: '/f', format: 'raw' },
    },
  };

  it('takes the newest version that the reader accepts', () => {
    expect(writeInstanceSpec(smallest, [1, 9]).version).toBe(1);
    expect(writeInstanceSpec(smallest, [2, 1]).version).toBe(2);
    expect(writeInstanceSpec(smallest).version).toBe(3);
  });

  it('refuses a reader that accepts none of ours, naming both sides (R7)', () => {
    expect(() => writeInstanceSpec(smallest, [4, 5], 'host-b')).toThrow(
      'There is no version of an instance spec in common: host-b accepts 4–5, and this release writes 1–3; upgrade the older side.',
    );
    expect(() => writeInstanceSpec(smallest, [])).toThrow('the reader accepts none');
  });

  it('refuses a reader that accepts too little, naming each feature in the way (R7, R8)', () => {
    const nvmeAlone = { ...withoutCache, clock: 'wall', smbios: null } as const;
    expect(() => writeInstanceSpec(nvmeAlone, [1, 2], 'host-b')).toThrow(
      /^nvme0\.writeCache=false needs instance spec 3; host-b accepts 1–2\.$/,
    );
    expect(() => writeInstanceSpec(withoutCache, [1], 'host-b')).toThrow(
      /^clock=stopped needs instance spec 3, nvme0\.writeCache=false needs instance spec 3, smbios needs instance spec 2; host-b accepts 1\.$/,
    );
  });

  it('gives the same features as data, for a preflight', () => {
    const spec = instanceSpecSchema.parse(withoutCache);
    expect(missingInSpecVersions(spec, [1])).toEqual([
      { path: 'spec.clock', feature: 'clock=stopped', needs: 3 },
      { path: 'spec.components.nvme0.writeCache', feature: 'nvme0.writeCache=false', needs: 3 },
      { path: 'spec.smbios', feature: 'smbios', needs: 2 },
    ]);
    expect(missingInSpecVersions(spec, [3, 9])).toEqual([]);
    expect(missingInSpecVersions(spec, [9])).toBeNull();
  });

  it('stores in the oldest version that says everything, for an older release to read after a rollback', () => {
    expect(writeInstanceSpecForStorage(smallest).version).toBe(1);
    expect(writeInstanceSpecForStorage({ ...smallest, smbios: { sku: '1' } }).version).toBe(2);
    expect(writeInstanceSpecForStorage(withoutCache).version).toBe(3);
  });

  it('never writes what is too large to be read back (R6)', () => {
    const many = Object.fromEntries(
      Array.from({ length: 40_000 }, (_, index) => [`r${index}`, { kind: 'rng' } as const]),
    );
    // Small as a value, and six bytes for each character as a text.
    const request = '\u0000'.repeat(64 * 1024);
    const escaped = Object.fromEntries(
      ['a', 'b', 'c'].flatMap((id) => [
        [id, { kind: 'virtio-disk', backend: `${id}-dev` } as const],
        [`${id}-dev`, { kind: 'block-storage', path: `/dev/${id}`, request } as const],
      ]),
    );
    for (const components of [many, escaped]) {
      expect(() => writeInstanceSpec({ ...smallest, components })).toThrow('is larger than 1048576 bytes');
    }
  });

  it('never writes what could not be read back', () => {
    expect(() => writeInstanceSpec({ ...smallest, cpus: 0 })).toThrow('spec.cpus: must be at least 1.');
    const dangling = { disk: { kind: 'virtio-disk', backend: 'file' } } as const;
    expect(() => writeInstanceSpec({ ...smallest, components: dangling })).toThrow(
      'spec.components.disk.backend',
    );
  });
});
