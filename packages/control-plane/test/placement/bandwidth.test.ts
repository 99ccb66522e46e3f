import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shareOf, slowest } from '../../src/placement/bandwidth.js';

describe('a bandwidth budget', () => {
  it('is never promised twice, and gives nobody less than a fair part of it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 65_536 * 8, max: 1e9 }),
        fc.integer({ min: 1, max: 8 }),
        fc.array(fc.oneof(fc.constant('come' as const), fc.nat({ max: 7 })), { maxLength: 60 }),
        (bytesPerSecond, limit, happenings) => {
          const running: number[] = [];
          let waiting = 0;
          for (const happening of [...happenings, ...Array.from({ length: 20 }, () => 0)]) {
            if (happening === 'come') waiting++;
            else running.splice(happening % Math.max(1, running.length), 1);
            while (waiting > 0 && running.length < limit) {
              const promised = running.reduce((sum, rate) => sum + rate, 0);
              const share = shareOf({ bytesPerSecond, promised, running: running.length, waiting, limit });
              if (share === 'none-left') {
                // Only where others have it: nobody waits for nothing.
                expect(running.length).toBeGreaterThan(0);
                break;
              }
              expect(share).toBeGreaterThanOrEqual(Math.floor(bytesPerSecond / limit));
              running.push(share ?? 0);
              waiting--;
            }
            expect(running.reduce((sum, rate) => sum + rate, 0)).toBeLessThanOrEqual(bytesPerSecond);
          }
        },
      ),
    );
  });

  it('is one migration’s alone where it is alone, and no limit where there is none', () => {
    const alone = { promised: 0, running: 0, waiting: 1, limit: 4 };
    expect(shareOf({ ...alone, bytesPerSecond: 1_000_000 })).toBe(1_000_000);
    expect(shareOf({ ...alone, bytesPerSecond: null })).toBe(null);
    expect(slowest(null, 5, null, 3)).toBe(3);
    expect(slowest(null, null)).toBe(null);
  });
});
