import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { cxxFindings, withoutComments } from '../lint/cxx-source.mjs';
import { peerFindings } from '../lint/numbers.mjs';
import { commandNames, readNumbers } from '../lint/registry.mjs';
import { typescriptFindings } from '../lint/typescript-source.mjs';
import { applyExceptions, formatFinding, wireStructureFindings } from '../lint/wire-structures.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string) => readFileSync(`${root}${path}`, 'utf8');

function rules(text: string, path = 'packages/vmm/src/x.ts'): readonly string[] {
  return typescriptFindings(path, text, new Set(['stop'])).map(({ rule, line }) => `${line} ${rule}`);
}

describe('the check for wire structures', () => {
  it('finds none in this repository', () => {
    expect(wireStructureFindings(root).map(formatFinding)).toEqual([]);
  });

  it('says file, line, what is there and where it belongs', () => {
    const [finding] = typescriptFindings('packages/vmm/src/x.ts', '\nbytes.readUInt16LE(4);\n', new Set());
    expect(finding && formatFinding(finding)).toBe(
      'packages/vmm/src/x.ts:2: reads or writes a number in bytes with readUInt16LE; declare the layout in packages/protocol with the codec, and use its encoder or decoder [binary-field]',
    );
  });
});

describe('in TypeScript it catches', () => {
  it.each([
    ['a DataView', 'const view = new DataView(bytes.buffer);', ['1 binary-field']],
    ['a number taken out of bytes', 'const size = header.readBigUInt64LE(8);', ['1 binary-field']],
    [
      'a number put into bytes',
      'view.setUint32(0, 5, true); bytes.writeInt8(1, 2);',
      ['1 binary-field', '1 binary-field'],
    ],
    [
      'JSON made beside a socket',
      `import { connect } from 'node:net';\nconst line = JSON.stringify(message);`,
      ['2 json-on-socket'],
    ],
    [
      'JSON read beside a socket',
      `import type { Socket } from 'node:net';\nJSON.parse(line);`,
      ['2 json-on-socket'],
    ],
    ['JSON lines on a stream', 'this.#stream.write(JSON.stringify({ id }));', ['1 json-on-socket']],
    [
      'a message schema beside a socket',
      `import { createServer } from 'node:net';\nconst hello = z.strictObject({ a: z.string() });`,
      ['2 message-schema'],
    ],
    [
      'a body schema beside a server',
      `import Fastify from 'fastify';\nconst body = z.object({ a: z.string() });`,
      ['2 message-schema'],
    ],
    [
      'a body schema beside a client',
      'const body = z.looseObject({});\nawait fetch(url);',
      ['1 message-schema'],
    ],
    ['a monitor command that nobody knows', `await qmp.execute('device_add', {});`, ['1 monitor-command']],
    [
      'a way past the index',
      `import { struct } from '@drover/protocol/dist/codec/struct.js';`,
      ['1 reach-in'],
    ],
    [
      'a way past the index, by path',
      `import { u16 } from '../../protocol/src/codec/field.js';`,
      ['1 reach-in'],
    ],
  ])('%s', (_, text, expected) => {
    expect(rules(text)).toEqual(expected);
  });
});

describe('in TypeScript it lets pass', () => {
  it.each([
    ['what only comments and strings say', `// new DataView(x)\nconst text = 'bytes.readUInt16LE(4)';`],
    [
      'JSON where only HTTP is spoken, whose bodies are the contract’s',
      `import Fastify from 'fastify';\nJSON.stringify(body);`,
    ],
    ['JSON on standard output', 'context.stdout.write(JSON.stringify(x));'],
    [
      'schemas of documents and settings, away from connections',
      'export const settings = z.strictObject({});',
    ],
    ['schema types beside a server', `import Fastify from 'fastify';\nconst schema: z.ZodType = given;`],
    [
      'the protocol’s own doors',
      `import { a } from '@drover/protocol';\nimport { b } from '@drover/protocol/agent';`,
    ],
    ['known monitor commands', `await qmp.execute('stop');`],
    ['methods that sound alike', 'map.get(1); list.set(2); file.readText(); regex.exec(text);'],
  ])('%s', (_, text) => {
    expect(rules(text)).toEqual([]);
  });
});

describe('in C++ it catches', () => {
  it.each([
    ['integers put into bytes', 'put_le<uint16_t>(to, 3);', 'byte-order'],
    ['network byte order', 'auto n = htonl(5);', 'byte-order'],
    ['packed structs', 'struct __attribute__((packed)) Header { char a; };', 'packed'],
    ['packing by pragma', '#pragma pack(push, 1)', 'packed'],
    ['a struct sent as it lies', 'send(fd, &header, sizeof header, 0);', 'raw-struct'],
  ])('%s', (_, text, rule) => {
    expect(cxxFindings('native/src/core/x.cc', `\n${text}\n`)).toMatchObject([{ line: 2, rule }]);
  });

  it('and lets pass comments, strings, whole buffers and single bytes', () => {
    const text =
      '// put_le\n/* htonl(1)\n */ "ntohs(x)";\nsend(fd, bytes.data(), bytes.size(), 0);\nrecv(fd, &byte, 1, 0);';
    expect(cxxFindings('native/src/core/x.cc', text)).toEqual([]);
    expect(withoutComments(text).split('\n')).toHaveLength(5);
  });
});

describe('the numbers of C++', () => {
  const header = read('native/src/core/transfer/frames.h');
  const registry = read('packages/protocol/src/peer/registry.ts');

  it('are those of the registry', () => {
    expect(peerFindings(header, registry)).toEqual([]);
  });

  it.each([
    [
      'a changed frame type',
      /torn = 0x0104/,
      'torn = 0x0105',
      'FrameType::torn is 261 and BulkType.torn 260',
    ],
    ['a frame type too few', /\n\s*torn = 0x0104,/, '', 'FrameType::torn is missing and BulkType.torn 260'],
    [
      'a frame type too many',
      /torn = 0x0104,/,
      'torn = 0x0104, fresh = 0x0777,',
      'FrameType::fresh is not in BulkType',
    ],
    [
      'a changed limit',
      /kMaxRunPages = 1u << 20/,
      'kMaxRunPages = 1u << 21',
      'kMaxRunPages is 2097152 and PeerLimits.runPages 1048576',
    ],
  ])('give a finding for %s', (_, from, to, why) => {
    const changed = header.replace(from, to);
    expect(changed).not.toBe(header);
    expect(peerFindings(changed, registry).map((finding) => finding.why)).toEqual([why]);
  });

  it('are read from the registry as it is written', () => {
    const numbers = readNumbers(
      'export const A = 0x10;\nconst B = { x: 1 << 4, y: 2_0 * 2 } as const satisfies T;\nconst c = f();',
    );
    expect(numbers.get('A')).toBe(16);
    expect([...(numbers.get('B') as Map<string, number>)]).toEqual([
      ['x', 16],
      ['y', 40],
    ]);
    expect(numbers.has('c')).toBe(false);
  });
});

describe('exceptions', () => {
  const finding = { path: 'packages/a/src/b.ts', line: 3, rule: 'binary-field', why: 'w', where: 'x' };
  const allow = (path: string, rule = 'binary-field') =>
    applyExceptions([finding], [{ path, rule, why: 'so' }]);

  it('hold for one rule in one file or folder', () => {
    expect(allow('packages/a/src/b.ts')).toEqual([]);
    expect(allow('packages/a/')).toEqual([]);
    expect(allow('packages/a/src/c.ts').map(({ rule }) => rule)).toEqual(['binary-field', 'stale-exception']);
    expect(allow('packages/a/src/b.ts', 'packed').map(({ rule }) => rule)).toEqual([
      'binary-field',
      'stale-exception',
    ]);
  });
});

it('the table of monitor commands is found', () => {
  expect(commandNames(read('packages/protocol/src/qmp/commands.ts')).has('migrate-incoming')).toBe(true);
});
