import { describe, expect, it } from 'vitest';
import { DroverError, type InstanceSpecInput, readInstanceSpec, writeInstanceSpec } from '../src/index.js';

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
      cpu: { model: 'qemu64', features: {} },
      accelerator: 'auto',
      boot: { from: 'kernel', kernel: '/boot/vmlinuz', cmdline: '' },
      components: {},
    });
  });

  it('refuses a version it does not know, whatever is in the body, and lists those it knows (R7)', () => {
    expect(refusalOf(envelope({ anything: ['at', 'all'] }, 7))).toBe(
      'spec-version-unknown: This is an instance spec of version 7, and this release reads version 1 alone; use a release of Drover that knows version 7.',
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
    [{ schema: 'drover.instance-spec', version: 1, body: smallest, more: 1 }, 'document-schema-unknown'],
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

describe('writing an instance spec', () => {
  it('takes the newest version that the reader accepts', () => {
    expect(writeInstanceSpec(smallest, [1, 9]).version).toBe(1);
  });

  it('refuses a reader that accepts none of ours, naming both sides (R7)', () => {
    expect(() => writeInstanceSpec(smallest, [2, 3])).toThrow(
      'The reader accepts an instance spec of versions 2, 3, and this release writes version 1 alone; upgrade the older side.',
    );
  });

  it('never writes what could not be read back', () => {
    expect(() => writeInstanceSpec({ ...smallest, cpus: 0 })).toThrow('spec.cpus: must be at least 1.');
    const dangling = { disk: { kind: 'virtio-disk', backend: 'file' } } as const;
    expect(() => writeInstanceSpec({ ...smallest, components: dangling })).toThrow(
      'spec.components.disk.backend',
    );
  });
});
