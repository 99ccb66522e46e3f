import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { encodeQmpCommand, type QmpCommandName, qmpCommands } from '../../src/index.js';

const spec = readFileSync(new URL('../../src/qmp/SPEC.md', import.meta.url), 'utf8');

describe('monitor commands', () => {
  it('stand in SPEC.md, each once, in the order of the table', () => {
    const [, section = ''] = spec.split('## Commands');
    const written = [...(section.split('## ')[0] ?? '').matchAll(/^\| `([^`]+)`/gm)].map(([, name]) => name);
    expect(written).toEqual(Object.keys(qmpCommands));
  });

  it('name in SPEC.md every argument that they take and every field that is used', () => {
    for (const [name, { arguments: args, answer }] of Object.entries(qmpCommands)) {
      const row = spec.split('\n').find((line) => line.startsWith(`| \`${name}\``)) ?? '';
      for (const schema of [args, answer]) {
        const inner = 'unwrap' in schema ? schema.unwrap() : schema;
        const shape = 'shape' in inner ? inner.shape : {};
        for (const field of Object.keys(shape)) expect(row, name).toContain(`\`${field}\``);
      }
    }
  });

  it('are one line, whatever is in them', () => {
    const line = encodeQmpCommand({
      ...({ key: 'exec-oob', command: 'yank', id: 7 } as const),
      arguments: { text: 'a\nb' },
    });
    expect(line).toBe('{"exec-oob":"yank","arguments":{"text":"a\\nb"},"id":7}\n');
    expect(encodeQmpCommand({ key: 'execute', command: 'stop', id: 1 })).toBe('{"execute":"stop","id":1}\n');
  });

  it.each([
    ['query-status', { status: 'running', running: true, later: [1] }, { status: 'running' }],
    ['query-machines', [{ name: 'pc-q35-7.2', 'cpu-max': 288, alias: 'q35' }], undefined],
    ['query-migrate', {}, undefined],
  ] satisfies readonly [QmpCommandName, unknown, unknown][])(
    'take of an answer to %s what is used and leave the rest alone',
    (name, given, used) => {
      expect(qmpCommands[name].answer.parse(given)).toEqual(used ?? given);
    },
  );

  it.each([
    ['query-status', { status: 3 }],
    ['query-status', null],
    ['query-machines', [{ name: 'x' }]],
    ['query-migrate-capabilities', {}],
  ] satisfies readonly [QmpCommandName, unknown][])(
    'refuse an answer to %s of another form',
    (name, given) => {
      expect(qmpCommands[name].answer.safeParse(given).success).toBe(false);
    },
  );
});
