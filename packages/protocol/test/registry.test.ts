import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { protocolErrors } from '../src/errors.js';
import {
  BulkKind,
  BulkType,
  Capability,
  ControlType,
  controlMessages,
  DEVICE_STATE_KINDS,
  IMPLEMENTED_CAPABILITIES,
  OPTIONAL_BIT,
  PEER_VERSIONS,
  PREAMBLE_MAGIC,
  RetiredNumbers,
  Role,
} from '../src/index.js';
import { bulkFrameStructs } from '../src/peer/bulk-frame.js';
import { bulkHelloStruct } from '../src/peer/bulk-hello.js';
import { controlHeaderStruct } from '../src/peer/control-frame.js';
import { preambleStruct } from '../src/peer/preamble.js';

const spec = readFileSync(new URL('../src/peer/SPEC.md', import.meta.url), 'utf8');

/** The rows of the first table under a heading, cells trimmed. */
function tableUnder(heading: string): readonly (readonly string[])[] {
  const [, rest = ''] = spec.split(`# ${heading}`);
  const lines = rest.split('\n');
  const start = lines.findIndex((line) => line.startsWith('|'));
  const length = lines.slice(start).findIndex((line) => !line.startsWith('|'));
  return lines.slice(start + 2, start + length).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

describe('the registry', () => {
  it('gives no number twice, over control and bulk together, and none that was retired', () => {
    const retired: Readonly<Record<keyof typeof RetiredNumbers, readonly number[]>> = RetiredNumbers;
    const given = {
      peerVersion: [...PEER_VERSIONS],
      role: Object.values(Role),
      controlType: Object.values(ControlType),
      bulkKind: Object.values(BulkKind),
      bulkType: Object.values(BulkType),
      capability: Object.values(Capability),
    } satisfies Record<keyof typeof RetiredNumbers, readonly number[]>;
    for (const [what, numbers] of Object.entries(given)) {
      const ever = [...numbers, ...retired[what as keyof typeof given]];
      expect(new Set(ever).size, what).toBe(ever.length);
    }
    const frames = [...given.controlType, ...given.bulkType, ...retired.controlType, ...retired.bulkType];
    expect(new Set(frames).size).toBe(frames.length);
  });

  it('offers no capability that has no number', () => {
    expect(Object.values(Capability)).toEqual(expect.arrayContaining([...IMPLEMENTED_CAPABILITIES]));
  });

  it('never changes a number that was given (additions go to the end)', () => {
    expect(ControlType).toMatchObject({
      ...{ hello: 0x0001, prepare: 0x0002, prepared: 0x0003, refuse: 0x0004, switchover: 0x0005 },
      ...{ digest: 0x0006, verified: 0x0007, ready: 0x0008, commit: 0x0009, running: 0x000a, abort: 0x000b },
      ...{ aborted: 0x000c, outcomeQuery: 0x000d, outcome: 0x000e },
      ...{ keepalive: 0x8001, roundDone: 0x8002, report: 0x8003 },
    });
    expect(BulkType).toMatchObject({
      ...{ data: 0x0101, zero: 0x0102, roundEnd: 0x0103, torn: 0x0104 },
      ...{ roundEndAck: 0x0105, state: 0x0106, stateEnd: 0x0107, stateEndAck: 0x0108 },
    });
    expect(Role).toMatchObject({ control: 1, bulk: 2, fault: 3 });
    expect(BulkKind).toMatchObject({ pages: 1, state: 2 });
    expect(Capability).toMatchObject({ compression: 1, 'post-copy': 2, delta: 3 });
    expect(PREAMBLE_MAGIC).toBe(0x52565244);
  });

  it('marks a message as optional by the top bit alone', () => {
    for (const [name, { type, optional }] of Object.values(controlMessages).flatMap(Object.entries)) {
      expect(type).toBe(ControlType[name as keyof typeof ControlType]);
      expect(optional).toBe(type >= OPTIONAL_BIT);
    }
    for (const type of Object.values(BulkType)) expect(type).toBeLessThan(OPTIONAL_BIT);
  });
});

describe('SPEC.md', () => {
  it.each([
    ['Preamble, 16 bytes', preambleStruct, 0],
    ['Control frame: 16-byte header', controlHeaderStruct, 0],
    ['Bulk hello, 48 bytes', bulkHelloStruct, 4],
    ['Bulk frame: 32-byte header', bulkFrameStructs[1], 4],
    ['Bulk frame: 32-byte header', bulkFrameStructs[2], 4],
  ] as const)('has the layout of the code: %s', (heading, { fields, size }, checksumBytes) => {
    const written = tableUnder(heading);
    const coded = Object.entries(fields).map(([name, { offset, form, doc }]) => [
      ...[String(offset), form],
      ...[doc === 'zero' ? `${name}, zero` : doc],
    ]);
    const covered = size - checksumBytes;
    if (checksumBytes > 0) coded.push([String(covered), 'u32', `CRC32C of bytes 0–${covered - 1}`]);
    expect(written).toEqual(coded);
  });

  it.each([...PEER_VERSIONS])(
    'lists every control message of version %i with its number and sender',
    (version) => {
      const written = tableUnder('Messages').map(([type, name, sender]) => [type, name, sender]);
      const coded = Object.entries(controlMessages[version]).map(([name, { type, sender }]) => [
        ...[`0x${type.toString(16).padStart(4, '0')}`, name, sender],
      ]);
      expect(written).toEqual(coded);
    },
  );

  it.each([...PEER_VERSIONS])('names every field of every control message of version %i', (version) => {
    const [, section = ''] = spec.split('\n### Fields\n');
    const items = section.split('\n### ')[0]?.matchAll(/^- \*\*(\w+)\*\*: ((?:.|\n {2})*)/gm) ?? [];
    const written = new Map([...items].map(([, name, fields]) => [name, fields]));
    expect([...written.keys()]).toEqual(Object.keys(controlMessages[version]));
    for (const [name, { schema }] of Object.entries(controlMessages[version])) {
      for (const field of Object.keys(schema.shape)) expect(written.get(name)).toContain(`\`${field}\``);
    }
  });

  it('has a row for each capability and its paragraph, and for each kind of device state of the protocol’s own', () => {
    const capabilities = tableUnder('Capabilities').map(([number, name]) => [name, Number(number)]);
    expect(Object.fromEntries(capabilities)).toEqual(Capability);
    for (const [name, number] of Object.entries(Capability))
      expect(spec).toContain(`**${name}** (${number}). `);
    const kinds = tableUnder('Device state').map(([kind, versions]) => [kind, versions]);
    const coded = Object.entries(DEVICE_STATE_KINDS).map(([kind, versions]) => [
      `\`${kind}\``,
      versions.join(', '),
    ]);
    expect(kinds).toEqual([...coded, ['`qemu/NAME`', "QEMU's"]]);
  });

  it('has a row for each version', () => {
    expect(tableUnder('Versions').map(([version]) => Number(version))).toEqual([...PEER_VERSIONS]);
  });

  it('lists every bulk frame with its number', () => {
    for (const [name, type] of Object.entries(BulkType)) {
      expect(spec).toContain(`| 0x${type.toString(16).padStart(4, '0')} ${name} `);
    }
  });
});

describe('the errors of this package', () => {
  it('have codes of kebab-case and summaries that end as sentences', () => {
    for (const [code, { summary }] of Object.entries(protocolErrors.definitions)) {
      expect(code).toMatch(/^[a-z]+(-[a-z0-9]+)*$/);
      expect(summary).toMatch(/^[A-Z].*\.$/);
    }
  });
});
