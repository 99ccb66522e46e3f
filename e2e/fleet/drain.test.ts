import { expect, it } from 'vitest';
import { usableVmm } from '../../tools/drain/choose-vmm.mjs';
import { drainGuests } from '../../tools/drain/drain-guests.mjs';
import { harm } from '../../tools/drain/harm.mjs';

const guests = 4;

it('a drain moves every guest of a host, none is harmed, each runs once, and nothing is left (R1, R3, R12)', async () => {
  const drained = await drainGuests({
    ...{ vmm: usableVmm(null), guests, concurrency: 4 },
    log: (line) => console.log(line),
    signal: AbortSignal.timeout(170_000),
  });
  expect(harm(drained)).toEqual([]);
  expect(drained.drain).toMatchObject({ state: 'completed', total: guests, moved: guests, stays: 0 });
  expect(drained.guests).toHaveLength(guests);
  // As many as may: the drain is not one after the other.
  expect(drained.mostAtOnce).toBeGreaterThan(1);
  expect(drained.mostAtOnce).toBeLessThanOrEqual(4);
});
