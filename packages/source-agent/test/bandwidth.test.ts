import { describe, expect, it } from 'vitest';
import { measuredBandwidth } from '../src/bandwidth.js';

const MIB = 1 << 20;

describe('the bandwidth measured', () => {
  it('is unknown before anything was sent', () => {
    expect(measuredBandwidth([])).toBe(0);
  });

  it('is that of the latest round that sent enough to tell', () => {
    const rounds = [
      { wireBytes: 100 * MIB, durationMs: 1_000 },
      { wireBytes: 20 * MIB, durationMs: 100 },
      { wireBytes: 4_096, durationMs: 5 },
    ];
    expect(measuredBandwidth(rounds)).toBe(200 * MIB);
  });

  it('is that of all rounds together where none sent enough', () => {
    const rounds = [
      { wireBytes: 4_000, durationMs: 1 },
      { wireBytes: 2_000, durationMs: 1 },
    ];
    expect(measuredBandwidth(rounds)).toBe(3_000_000);
  });

  it('survives rounds that took no time', () => {
    expect(measuredBandwidth([{ wireBytes: 4 * MIB, durationMs: 0 }])).toBe(0);
  });
});
