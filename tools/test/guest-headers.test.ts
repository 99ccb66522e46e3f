import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseGuestLine } from '../beat/guest-lines.mjs';

const source = fileURLToPath(new URL('../../native/guest/test/headers.c', import.meta.url));
let directory: string;
let output: string[];
let status: number | null;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'guest-headers-'));
  const program = join(directory, 'headers');
  execFileSync('gcc', ['-std=gnu17', '-O1', '-fsanitize=address,undefined', '-o', program, source]);
  const done = spawnSync(program, { encoding: 'utf8' });
  output = done.stdout.split('\n');
  status = done.status;
}, 60_000);

afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe("the guests' headers", () => {
  it('show every changed bit, every old and every mixed page, and read words, deadlines and patterns as they say (R3)', () => {
    expect(output.filter((line) => line.startsWith('FAILED'))).toEqual([]);
    expect(status).toBe(0);
  });

  it('print lines that the beat meter reads back as they were meant', () => {
    const lines = output
      .filter((line) => line.startsWith('LINE '))
      .map((line) => parseGuestLine(line.slice(5)));
    expect(lines).toEqual([
      { kind: 'hello', pages: 131072, rate: 20000, tscKhz: 2596063 },
      { kind: 'hello', pages: 131072, rate: 'max', tscKhz: 1 },
      { kind: 'short-beat', low16: 1 },
      { kind: 'short-beat', low16: 0xffff },
      { kind: 'beat', counter: 64, writes: 0, bad: 0 },
      { kind: 'beat', counter: 0x123456780, writes: 0x100000000, bad: 0xffffffff },
      { kind: 'bad', what: 'page', index: 4000000000, counter: 7, word: 127, want: 0xabcd, have: 0xffffffff },
      { kind: 'verified', ok: true, pages: 16384, bad: 0 },
      { kind: 'verified', ok: false, pages: 16384, bad: 3 },
      { kind: 'disk', blocksRead: 0x10, blocksChecked: 0x2000000000 },
      { kind: 'refused', reason: 'rate has a value that cannot be read' },
    ]);
  });
});
