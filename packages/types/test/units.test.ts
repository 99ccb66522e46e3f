import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatBandwidth,
  formatBytes,
  formatDuration,
  parseBandwidth,
  parseDuration,
  parseSize,
  parseWholeMilliseconds,
} from '../src/index.js';

describe('a bandwidth', () => {
  it.each([
    ['1Gbit', 125_000_000],
    ['1gbit/s', 125_000_000],
    ['0.1Gbit', 12_500_000],
    ['8bit', 1],
    ['100MiB', 104_857_600],
    ['100 MiB/s', 104_857_600],
    ['1.5GB/s', 1_500_000_000],
    ['1kB', 1000],
    ['1KB', 1000],
    ['65536B', 65_536],
  ])('%s is %d bytes a second', (text, bytes) => {
    expect(parseBandwidth(text)).toBe(bytes);
  });

  it.each([
    '',
    '5',
    'Gbit',
    '-1GB',
    '1e3MB',
    '1,5GB',
    '1Mb',
    '1mb',
    '1b',
    '0x10MB',
    '1 G bit',
    '1..5GB',
    '999999999PB',
    '1MiB/h',
  ])('%j is refused, with an example', (text) => {
    expect(() => parseBandwidth(text)).toThrow(/is not a bandwidth: .*; write for example 1Gbit/);
  });
});

describe('a size and a duration', () => {
  it.each([
    ['256MiB', 268_435_456],
    ['4gib', 4_294_967_296],
    ['0.5KiB', 512],
    ['1PB', 1e15],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it('a size is not given in bits', () => {
    expect(() => parseSize('1Gbit')).toThrow(/the unit "Gbit" is not known/);
  });

  it.each([
    ['20ms', 20],
    ['1.5s', 1500],
    ['2m', 120_000],
    ['2min', 120_000],
    ['1h', 3_600_000],
    ['500us', 0.5],
    ['500µs', 0.5],
    ['0ms', 0],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each(['20', 'ms', '1d', '-1s', '1h30m', '∞s'])('%j is no duration', (text) => {
    expect(() => parseDuration(text)).toThrow(/is not a duration/);
  });

  it('a fraction of a millisecond is refused where whole ones are needed', () => {
    expect(parseWholeMilliseconds('1.5s')).toBe(1500);
    expect(() => parseWholeMilliseconds('1.5ms')).toThrow('"1.5ms" is not a whole number of milliseconds');
  });
});

describe('what is shown', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1 KiB'],
    [1536, '1.5 KiB'],
    [1_048_575, '1 MiB'],
    [270_532_608, '258 MiB'],
    [5e18, '4441 PiB'],
  ])('%d bytes are %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it.each([
    [125_000_000, '1 Gbit/s'],
    [0, '0 bit/s'],
    [124_999_999, '1 Gbit/s'],
    [65_536, '524 kbit/s'],
  ])('%d bytes a second are %s', (bytes, text) => {
    expect(formatBandwidth(bytes)).toBe(text);
  });

  it.each([
    [0, '0 ms'],
    [0.87, '870 µs'],
    [0.9996, '1 ms'],
    [11.23, '11.2 ms'],
    [999.6, '1 s'],
    [1500, '1.5 s'],
    [59_960, '1 min'],
    [125_000, '2 min 5 s'],
    [3_599_900, '1 h'],
    [3_840_000, '1 h 4 min'],
  ])('%d ms are %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  it('can be read back, within what three digits say', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 50 }), (bytes) => {
        expect(Math.abs(parseSize(formatBytes(bytes)) - bytes)).toBeLessThanOrEqual(bytes * 0.006);
        expect(Math.abs(parseBandwidth(formatBandwidth(bytes)) - bytes)).toBeLessThanOrEqual(
          bytes * 0.006 + 1,
        );
      }),
    );
  });
});
