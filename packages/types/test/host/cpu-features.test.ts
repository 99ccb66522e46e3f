import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { missingCpuFeatures } from '../../src/index.js';

const offered = [
  'avx2',
  'abm',
  'cpuid_7.0_ebx_6',
  'cx16',
  'fxsr_opt',
  'nx',
  'pni',
  'sse4_1',
  'tsc_deadline_timer',
];

describe('missing processor features', () => {
  it('are those that are needed and not offered, in the order and spelling in which they were asked for', () => {
    expect(missingCpuFeatures(['avx512f', 'avx2', 'AMX-Tile', 'avx512f'], offered)).toEqual([
      'avx512f',
      'AMX-Tile',
    ]);
    expect(missingCpuFeatures([], [])).toEqual([]);
  });

  it('are compared over spellings and over the names that QEMU and the manuals have', () => {
    const known = ['sse4.1', 'sse4-1', 'SSE3', 'lzcnt', 'cmpxchg16b', 'tsc-deadline', 'xd', 'ffxsr'];
    expect(missingCpuFeatures(known, offered)).toEqual([]);
  });

  it('without a name are told apart by their place', () => {
    expect(missingCpuFeatures(['cpuid_7.0_ebx_6', 'cpuid_7.0_ebx_9'], offered)).toEqual(['cpuid_7.0_ebx_9']);
  });

  it('are none on the same host, and all on one that offers nothing', () => {
    const names = fc.uniqueArray(fc.stringMatching(/^[a-z][a-z0-9_]{0,20}$/));
    fc.assert(
      fc.property(names, (features) => {
        expect(missingCpuFeatures(features, features)).toEqual([]);
        expect(missingCpuFeatures(features, []).length).toBeLessThanOrEqual(features.length);
        for (const feature of features) expect(missingCpuFeatures([feature], [])).toEqual([feature]);
      }),
    );
  });
});
