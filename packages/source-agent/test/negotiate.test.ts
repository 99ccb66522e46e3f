import { instanceSpecSchema } from '@drover/types';
import { describe, expect, it } from 'vitest';
import { agree, ourHello } from '../src/negotiate.js';

const spec = instanceSpecSchema.parse({
  name: 'guest-a',
  cpus: 1,
  memoryMiB: 64,
  boot: { from: 'kernel', kernel: '/vmlinuz' },
});
const theirs = ourHello('0.2.0', 'north');

describe('agreeing with a destination', () => {
  it('takes the newest spec version that it reads', () => {
    expect(agree({ ...theirs, instanceSpec: [1, 7] }, spec, 2).spec).toMatchObject({
      schema: 'drover.instance-spec',
      version: 1,
      body: { name: 'guest-a' },
    });
  });

  it('refuses a destination that reads only unknown specs, naming both windows (R7)', () => {
    expect(() => agree({ ...theirs, instanceSpec: [7, 8] }, spec, 2)).toThrow(
      expect.objectContaining({
        code: 'peer-incompatible',
        message: expect.stringMatching(/north \(release 0\.2\.0\) reads .* 7, 8, this host writes 1/),
      }),
    );
  });

  it('refuses a destination that reads only unknown device state, naming both windows (R7)', () => {
    expect(() => agree({ ...theirs, deviceState: [3] }, spec, 2)).toThrow(/versions 3, this host writes 1/);
  });

  it('refuses another page size, naming both (R7)', () => {
    expect(() => agree({ ...theirs, pageSize: 16_384 }, spec, 2)).toThrow(/16384 bytes, this host 4096/);
  });

  it.each([
    [2, 64, 2],
    [8, 4, 4],
    [64, 64, 64],
  ])('opens what both take: asked %i, taken there %i', (asked, taken, opened) => {
    expect(agree({ ...theirs, maxConnections: taken }, spec, asked).connections).toBe(opened);
  });
});
