import { writeInstanceSpec } from '@drover/types';
import { describe, expect, it } from 'vitest';
import { fullSpec, startTestPlane } from '../support/control-plane.js';

describe('an instance that is pinned to a host', () => {
  it('is refused by name where there is no such host', async () => {
    const test = await startTestPlane();
    const spec = writeInstanceSpec(fullSpec('web'));
    const { status, body } = await test.ask('POST', '/instances', { spec, placement: { host: 'nowhere' } });
    expect(body.error).toMatchObject({ code: 'no-host-fits', message: expect.stringContaining('nowhere') });
    expect(status).toBe(409);
  });
});
