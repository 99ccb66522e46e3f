import { describe, expect, it } from 'vitest';
import { bareSpec } from '../harness/guests.js';
import { move, sound, soundness, startGuest } from '../harness/moving.js';
import { namespacesMissing } from '../harness/two-hosts.js';
import { useTwoHosts } from '../harness/use-two-hosts.js';

const note = namespacesMissing === null ? '' : ` (no network namespaces: ${namespacesMissing})`;

describe.skipIf(namespacesMissing !== null)(`a link limited by tbf${note}`, () => {
  const hosts = useTwoHosts();

  it('carries a guest that writes, within the link and with its memory right (R3)', async () => {
    const guest = await startGuest(
      hosts.a,
      bareSpec({ name: 'narrow', pages: 4096, rate: 500, memoryMiB: 128 }),
    );
    const linkBytesPerSecond = 12_500_000;
    hosts.topology?.limit(linkBytesPerSecond);
    const result = await move(guest, hosts.a, hosts.b, { maxDowntimeMs: 500, verify: true });
    expect(result).toMatchObject({ state: 'completed', error: null, report: { verified: true } });
    const report = result.report;
    // 16 MiB of working set cannot pass 100 Mbit/s in less than this; a shorter time would mean that the link was not used.
    expect(report?.totalMs).toBeGreaterThan((4096 * 4096 * 900) / linkBytesPerSecond);
    expect(await soundness(guest)).toEqual(sound);
    guest.meter.detach();
  });

  it('is told as the reason when the guest writes faster than it carries, and the guest stays (R12)', async () => {
    const guest = await startGuest(
      hosts.a,
      bareSpec({ name: 'hot', pages: 4096, rate: 'max', memoryMiB: 128 }),
    );
    hosts.topology?.limit(2_000_000);
    const result = await move(guest, hosts.a, hosts.b, { maxDowntimeMs: 5, maxRounds: 3 });
    expect(result.state).toBe('failed');
    expect(result.error?.message).toMatch(/page|round|bandwidth|downtime/);
    hosts.topology?.limit(null);
    expect(await hosts.a.client.getInstance('hot')).toMatchObject({ state: { life: 'running' } });
    expect(await soundness(guest)).toEqual(sound);
    guest.meter.detach();
  });
});
