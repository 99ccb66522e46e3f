import type { GuestMemory } from '@drover/native';

/** Most ranges that PREPARE carries. */
export const POPULATE_LIMIT = 4096;
/** Neighbours closer than this are one range: the destination populates in steps of 2 MiB. */
const MERGE_BYTES = 2n << 20n;

/** As PREPARE carries them: index of the region, offset and length in bytes as decimal strings; ascending. */
export type PopulateRange = [region: number, offset: string, length: string];

/** Where guest memory has data now, in at most {@link POPULATE_LIMIT} ranges over all regions. Touches no hole. */
export function populateRanges(memory: GuestMemory, regions: number): PopulateRange[] {
  if (regions === 0) return [];
  const share = Math.floor(POPULATE_LIMIT / regions);
  return Array.from({ length: regions }, (_, region) =>
    memory
      .dataRanges(region, MERGE_BYTES, share)
      .map(([offset, length]): PopulateRange => [region, String(offset), String(length)]),
  ).flat();
}
