import {
  parseBandwidth,
  readCompatibility,
  readHost,
  readInstanceSpec,
  readMigrationReport,
  readVmmState,
  replaceBackends,
  type typesErrors,
  writeHost,
  writeInstanceSpec,
  writeMigrationReport,
  writeVmmState,
} from '../../src/index.js';
import { frozenDocuments } from '../corpus.js';

type Code = keyof typeof typesErrors.definitions;

/** Ways to be refused, for every code and every reason behind one. A new code or rule needs its line here. */
export const refusals: Readonly<Record<Code, readonly (() => unknown)[]>> = {
  'spec-invalid': [
    () => read({ cpu: { modle: 'host' } }),
    () => read({ ' odd\u001b key': 1 }),
    () => read({ name: undefined }),
    () => read({ name: 'N' }),
    () => read({ cpus: 0 }),
    () => read({ cpus: 'one' }),
    () => read({ accelerator: 'hvf' }),
    () => read({ machineType: 'Q 35' }),
    () => read({ boot: { from: 'disks', order: [] } }),
    () => read({ boot: { from: 'network' } }),
    () => read({ cpu: { model: 'x', features: { 'A B': true } } }),
    () => read({ smbios: {} }),
    () => read({ smbios: { uuid: 'X' } }),
    () => parts({ 'Not an id': { kind: 'rng' } }),
    () => parts({ d: disk('f') }),
    () => parts({ d: disk('n'), n: { kind: 'user-network' } }),
    () => parts({ d: disk('f'), e: disk('f'), f: file('/f') }),
    () => parts({ f: file('/f') }),
    () => parts({ d: disk('f'), e: disk('g'), f: file('/f'), g: file('/f') }),
    () => parts({ a: { kind: 'rng', pciSlot: 1 }, b: { kind: 'rng', pciSlot: 1 } }),
    () => parts({ a: { kind: 'vsock', cid: 3 }, b: { kind: 'vsock', cid: 4 } }),
    () => parts({ n: { ...nic('u'), mac: '01:00:00:00:00:00' }, u: { kind: 'user-network' } }),
    () => parts({ n: { ...nic('u'), mac: '00:00:00:00:00:00' }, u: { kind: 'user-network' } }),
    () => parts({ d: disk('b'), b: { kind: 'blob-storage', contentBase64: 'A'.repeat(400_000) } }),
    () => parts({ d: disk('b'), b: { kind: 'blob-storage', contentBase64: 'A'.repeat(349_528) } }),
    () => parts({ d: disk('b'), b: { kind: 'blob-storage', contentBase64: 'AAA=' } }),
    () => parts({ d: disk('b'), b: { kind: 'blob-storage', contentBase64: 'AA==' } }),
    () => parts({ d: disk('b'), b: { kind: 'blob-storage', contentBase64: 'A' } }),
    () => parts({ d: disk('b'), b: { kind: 'block-storage', path: '/etc/shadow' } }),
    () => read({ cpu: { model: 'x', cpuid: [leaf(1, null), leaf(1, 0)] } }),
    () => read({ boot: { from: 'disks', order: ['nothing'] } }),
    () => read({ boot: { from: 'disks', order: ['r'] }, components: { r: { kind: 'rng' } } }),
    () => read({ boot: { from: 'disks', order: ['d', 'd'] }, components: { d: disk('f'), f: file('/f') } }),
    () => writeInstanceSpec({ ...smallest, cpus: 0 }),
  ],
  'spec-version-unknown': [
    () => readInstanceSpec(envelope({}, 'drover.instance-spec', 4)),
    () => writeInstanceSpec(smallest, []),
  ],
  'spec-not-convertible': [
    () => writeInstanceSpec({ ...smallest, smbios: { sku: '1' } }, [1]),
    () => writeInstanceSpec({ ...smallest, clock: 'stopped' }, [1, 2]),
  ],
  'backend-replacement-invalid': [
    () => replace({ other: file('/g') }),
    () => replace({ d: disk('f') }),
    () => replace({ f: { kind: 'file-storage' } }),
    () => replace({ f: disk('f') }),
    () => replace({ f: { kind: 'block-storage', path: '/dev/sdb' } }),
    () => replace({ f: { ...file('/f'), readOnly: true } }),
    () => replace({ f: file('/g') }),
  ],
  'document-invalid': [
    () => readVmmState(edited('vmm-state/v1', { epoch: '99999999999999999999' })),
    () => readMigrationReport(edited('migration-report/v2', { rounds: {} })),
    () => readHost(edited('host/v1', { release: 'x'.repeat(65) })),
    () => readHost(edited('host/v2', { name: 'another' })),
    () => readHost(edited('host/v2', { release: 'another' })),
    () => readHost(edited('host/v3', { cpu: { vendor: 'v', model: 'm', features: ['b', 'a'] } })),
    () => readHost(edited('host/v3', { cpu: { vendor: 'v', model: 'm', features: ['a', 'a'] } })),
    () =>
      readHost(edited('host/v1', { accepts: { peerProtocol: [2, 1], instanceSpec: [1], vmmState: [1] } })),
    () => readCompatibility(edited('compatibility/v1', { peerProtocol: [1, 1] })),
    () => readCompatibility(edited('compatibility/v1', { capabilities: ['a', 'a'] })),
    () => readCompatibility(edited('compatibility/v1', { host: null, drivers: [driver] })),
  ],
  'document-version-unknown': [
    () => readCompatibility(envelope({}, 'drover.compatibility', 2)),
    () => readHost(envelope({}, 'drover.host', 4)),
    () => writeVmmState(readVmmState(edited('vmm-state/v2', {})), [3]),
  ],
  'document-not-convertible': [
    () => writeVmmState(readVmmState(edited('vmm-state/v2', { driver: 'machine', ramMode: 'relay' })), [1]),
    () =>
      writeMigrationReport(
        readMigrationReport(
          edited('migration-report/v2', {
            ...{ driver: 'machine', ramMode: 'relay', tracker: null, deviceStates: {} },
            capabilities: ['delta'],
          }),
        ),
        [1],
      ),
    () =>
      writeMigrationReport(
        readMigrationReport(edited('migration-report/v2', { tracker: 'soft-dirty' })),
        [1],
      ),
    () => writeHost(readHost(edited('host/v2', {})), [1]),
    () => writeHost(readHost(edited('host/v3', {})), [2]),
  ],
  'document-schema-unknown': [
    () => readHost(envelope({}, 'drover.vmm-state')),
    () => readHost(envelope({}, 'drover.snapshot')),
    () => readHost({ schema: 'drover.host', version: 1 }),
  ],
  'document-malformed': [
    () => readHost('{'),
    () => readHost('"'),
    () => readHost(new Uint8Array([0xff])),
    () => readHost('{"a":1,"a":2}'),
    () => readHost('{\n"b":{"__proto__":1}}'),
    () => readHost('{"\\u0061":[1,9007199254740993]}'),
    () => readHost('[1.00000000000000000001]'),
    () => readHost('['.repeat(33)),
    () => readHost(JSON.parse(`${'['.repeat(33)}${']'.repeat(33)}`)),
    () => readHost([[2 ** 53]]),
    () => readHost({ a: Number.NaN }),
    () => readHost({ a: 1n }),
    () => readHost(new Date()),
    () => readHost(JSON.parse('{"__proto__":1}')),
  ],
  'document-too-large': [
    () => readHost(new Uint8Array((1 << 20) + 1)),
    () => readHost('é'.repeat((1 << 19) + 1)),
    () => readHost('x'.repeat((1 << 20) + 1)),
    () => readHost(['x'.repeat(1 << 20)]),
    () => writeInstanceSpec({ ...smallest, components: manyRngs() }),
    () => writeInstanceSpec({ ...smallest, components: escapedRequests() }),
  ],
  'quantity-invalid': [() => parseBandwidth('fast')],
};

const smallest = { name: 'a', cpus: 1, memoryMiB: 1, boot: { from: 'kernel', kernel: '/k' } } as const;
const driver = { name: 'qemu', version: null, machineTypes: [], accelerators: [], ramModes: [] };

function disk(backend: string) {
  return { kind: 'virtio-disk', backend } as const;
}

function nic(backend: string) {
  return { kind: 'virtio-nic', backend } as const;
}

function file(path: string) {
  return { kind: 'file-storage', path, format: 'raw' } as const;
}

function leaf(number: number, subleaf: number | null) {
  return { leaf: number, subleaf, eax: 0, ebx: 0, ecx: 0, edx: 0 };
}

function envelope(body: unknown, schema: string, version = 1): unknown {
  return { schema, version, body };
}

function read(fields: object): unknown {
  return readInstanceSpec(envelope({ ...smallest, ...fields }, 'drover.instance-spec', 3));
}

function parts(components: object): unknown {
  return read({ components });
}

/** Replaces backends of a spec with two disks, on /f and /g. */
function replace(replacements: Readonly<Record<string, unknown>>): unknown {
  const components = { d: disk('f'), f: file('/f'), e: disk('g'), g: file('/g') };
  const spec = readInstanceSpec(envelope({ ...smallest, components }, 'drover.instance-spec', 1));
  return replaceBackends(spec, replacements);
}

/** The first frozen document of a folder with other fields. */
function edited(folder: string, fields: object): unknown {
  const document = JSON.parse(frozenDocuments(folder)[0]?.text ?? '');
  return { ...document, body: { ...document.body, ...fields } };
}

function manyRngs() {
  return Object.fromEntries(
    Array.from({ length: 40_000 }, (_, index) => [`r${index}`, { kind: 'rng' } as const]),
  );
}

/** Small as values, and six bytes for each character as a text. */
function escapedRequests() {
  const request = '\u0000'.repeat(64 * 1024);
  return Object.fromEntries(
    ['a', 'b', 'c'].flatMap((id) => [
      [id, disk(`${id}-dev`)],
      [`${id}-dev`, { kind: 'block-storage', path: `/dev/${id}`, request } as const],
    ]),
  );
}
