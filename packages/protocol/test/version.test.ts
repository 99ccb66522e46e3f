import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  agreeVersion,
  PEER_VERSIONS,
  selectPeerVersions,
  type VersionWindow,
  windowOf,
} from '../src/index.js';

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
        for (const agreement of [agreeVersion(versionsIn(a), b), agreeVersion(versionsIn(b), a)]) {
          if (common.length > 0) expect(agreement).toEqual({ ok: true, version: Math.max(...common) });
          else expect(agreement).toMatchObject({ ok: false, code: 'peer-version-unknown' });
        }
      }),
    );
  });

  it('names both windows and the side to upgrade when there is none (R7)', () => {
    expect(agreeVersion([1], { oldest: 2, newest: 3 })).toMatchObject({
      message:
        'This side speaks peer protocol version 1, the peer versions 2 to 3: no version is common; upgrade this side.',
    });
    expect(agreeVersion([4, 5], { oldest: 2, newest: 3 })).toMatchObject({
      message: expect.stringMatching(/upgrade the peer\.$/),
    });
  });

  it('offers every version of this release, without gaps', () => {
    expect(versionsIn(windowOf(PEER_VERSIONS))).toEqual([...PEER_VERSIONS]);
  });
});

describe('the versions that a side is held to', () => {
  it('are some of this release, ascending, in whatever order they were named', () => {
    expect(selectPeerVersions([1])).toEqual([1]);
    expect(selectPeerVersions([2, 1])).toEqual([1, 2]);
  });

  it.each([[[]], [[3]], [[1, 3]], [[1, 1]], [[0]], [[1.5]]])('are refused as %j', (wanted) => {
    expect(() => selectPeerVersions(wanted)).toThrow(
      expect.objectContaining({
        code: 'peer-versions-invalid',
        message: expect.stringMatching(/choose some of 1, 2/),
      }),
    );
  });
});
