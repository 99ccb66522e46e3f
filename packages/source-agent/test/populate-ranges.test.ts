import { writeSync } from 'node:fs';
import { native, PAGE_SIZE } from '@drover/native';
import { afterEach, describe, expect, it } from 'vitest';
import { POPULATE_LIMIT, populateRanges } from '../src/populate-ranges.js';

const MIB = 1 << 20;
const opened: Array<() => void> = [];

/** Memory of regions with these sizes; `data` are pages of it that have content, as [region, page]. */
function memoryWith(sizes: number[], data: [number, number][]) {
  const fds = sizes.map((size) => native().createMemfd('populate-test', BigInt(size)));
  for (const [region, page] of data)
    writeSync(fds[region] ?? -1, Buffer.alloc(PAGE_SIZE, 1), 0, PAGE_SIZE, page * PAGE_SIZE);
  const memory = native().openMemory(
    fds.map((fd, i) => ({ id: `r${i}`, fd, offset: 0n, sizeBytes: BigInt(sizes[i] ?? 0) })),
  );
  opened.push(() => {
    memory.close();
    for (const fd of fds) native().closeFd(fd);
  });
  return memory;
}

afterEach(() => {
  for (const close of opened.splice(0)) close();
});

describe('what PREPARE says about where data is', () => {
  it('is nothing for a guest without memory or data', () => {
    expect(populateRanges(memoryWith([0], []), 1)).toEqual([]);
    expect(populateRanges(memoryWith([8 * MIB], []), 1)).toEqual([]);
  });

  it('covers every page with data, region by region, ascending', () => {
    const memory = memoryWith(
      [64 * MIB, MIB],
      [
        [0, 0],
        [0, 8192],
        [1, 3],
      ],
    );
    const covered = (region: number, page: number) =>
      populateRanges(memory, 2).some(
        ([r, offset, length]) =>
          r === region &&
          Number(offset) <= page * PAGE_SIZE &&
          (page + 1) * PAGE_SIZE <= Number(offset) + Number(length),
      );
    expect([covered(0, 0), covered(0, 8192), covered(1, 3)]).toEqual([true, true, true]);
    expect(covered(0, 4096)).toBe(false);
    expect(populateRanges(memory, 2).map(([region]) => region)).toEqual([0, 0, 1]);
  });

  it('joins neighbours, so that a scattered guest stays within the limit', () => {
    const pages = Array.from({ length: 512 }, (_, i): [number, number] => [0, i * 2]);
    const ranges = populateRanges(memoryWith([16 * MIB], pages), 1);
    expect(ranges.length).toBeLessThanOrEqual(POPULATE_LIMIT);
    expect(ranges).toHaveLength(1);
  });
});
