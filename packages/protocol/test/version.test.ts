import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { agreeVersion, OUR_VERSIONS, PEER_VERSIONS, type VersionWindow } from '../src/index.js';

const windows = fc
  .tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 0, max: 6 }))
  .map(([oldest, more]): VersionWindow => ({ oldest, newest: oldest + more }));

function versionsIn({ oldest, newest }: VersionWindow): readonly number[] {
  return Array.from({ length: newest - oldest + 1 }, (_, index) => oldest + index);
}

describe('agreeing on a version', () => {
  it('finds the highest that both windows hold, from either side, or none (R7)', () => {
    fc.assert(
      fc.property(windows, windows, (a, b) => {
        const common = versionsIn(a).filter((version) => versionsIn(b).includes(version));
        for (const agreement of [agreeVersion(a, b), agreeVersion(b, a)]) {
          if (common.length > 0) expect(agreement).toEqual({ ok: true, version: Math.max(...common) });
          else expect(agreement).toMatchObject({ ok: false, code: 'peer-version-unknown' });
        }
      }),
    );
  });

  it('names both windows and the side to upgrade when there is none (R7)', () => {
    expect(agreeVersion({ oldest: 1, newest: 1 }, { oldest: 2, newest: 3 })).toMatchObject({
      message:
        'This side speaks peer protocol version 1, the peer versions 2 to 3: no version is common; upgrade this side.',
    });
    expect(agreeVersion({ oldest: 4, newest: 5 }, { oldest: 2, newest: 3 })).toMatchObject({
      message: expect.stringMatching(/upgrade the peer\.$/),
    });
  });

  it('offers every version of this release, without gaps', () => {
    expect(versionsIn(OUR_VERSIONS)).toEqual([...PEER_VERSIONS]);
  });
});
