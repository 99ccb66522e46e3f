import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineSplitter } from '../../src/line-splitter.js';
import { parseQmpLine } from '../../src/qmp/message.js';

describe('lines of the monitor', () => {
  it('come out the same however the bytes were cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme', maxLength: 40 }).map((text) => text.replace(/[\r\n]/g, ''))),
        fc.array(fc.nat(30)),
        (lines, cuts) => {
          const bytes = Buffer.from(lines.map((line) => `${line}\r\n`).join(''));
          const splitter = new LineSplitter(1000);
          const got: string[] = [];
          let at = 0;
          for (const cut of [...cuts, bytes.length]) {
            got.push(...(splitter.push(bytes.subarray(at, at + cut)) ?? ['over the limit']));
            at += cut;
          }
          expect(got).toEqual(lines.map((line) => line.trim()).filter((line) => line !== ''));
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('are refused over the limit, finished or not, before they are held (R6)', () => {
    expect(new LineSplitter(10).push(Buffer.from('12345678901'))).toBeNull();
    expect(new LineSplitter(10).push(Buffer.from('12345678901\n'))).toBeNull();
    const splitter = new LineSplitter(10);
    expect(splitter.push(Buffer.from('1234567890'))).toEqual([]);
    expect(splitter.push(Buffer.from('\n12'))).toEqual(['1234567890']);
    expect(splitter.push(Buffer.from('345678901'))).toBeNull();
  });

  it('are read as greeting, return, error or event', () => {
    expect(
      parseQmpLine(
        '{"QMP":{"version":{"qemu":{"micro":2,"minor":1,"major":9},"package":""},"capabilities":[]}}',
      ),
    ).toEqual({ kind: 'greeting', version: '9.1.2', outOfBand: false });
    expect(parseQmpLine('{"return":{"a":1},"id":4}')).toEqual({ kind: 'return', id: 4, value: { a: 1 } });
    expect(parseQmpLine('{"error":{"class":"GenericError","desc":"no"}}')).toEqual({
      kind: 'error',
      id: null,
      errorClass: 'GenericError',
      description: 'no',
    });
    expect(parseQmpLine('{"event":"STOP","timestamp":{"seconds":1,"microseconds":2}}')).toEqual({
      kind: 'event',
      event: { name: 'STOP', data: {} },
    });
  });

  it('that are anything else are never taken for a message, and never throw (R6)', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (line) => {
        const message = parseQmpLine(line);
        if (message !== null) expect(['greeting', 'return', 'error', 'event']).toContain(message.kind);
      }),
      { numRuns: 2000 },
    );
    for (const line of [
      '',
      'null',
      '[]',
      '3',
      '{}',
      '{"error":{}}',
      '{"event":3}',
      '{"return":1,"id":"x"}',
    ]) {
      expect(parseQmpLine(line), line).toBeNull();
    }
  });
});
