import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { bareSpec } from '../harness/guests.js';
import { beginMove, ended, move, sound, soundness, startGuest } from '../harness/moving.js';
import { useTwoHosts } from '../harness/use-two-hosts.js';

const hosts = useTwoHosts();

describe('a destination', () => {
  it('that has an instance of that name refuses before it makes anything; the guest is not touched (R7)', async () => {
    const guest = await startGuest(hosts.a, bareSpec({ name: 'twin', pages: 64, rate: 100, memoryMiB: 64 }));
    const twin = await startGuest(hosts.b, bareSpec({ name: 'twin', pages: 64, rate: 100, memoryMiB: 64 }));
    const started = await beginMove(guest, hosts.a, hosts.b);
    const result = await ended(hosts.a, started.id);
    expect(result.state).toBe('failed');
    expect(result.error?.message).toContain('twin');
    expect(await soundness(guest)).toEqual(sound);
    expect(await soundness(twin)).toEqual(sound);
    guest.meter.detach();
    twin.meter.detach();
  });

  it('that cannot be reached is named, and the guest runs on', async () => {
    const guest = await startGuest(hosts.a, bareSpec({ name: 'alone', pages: 64, rate: 100, memoryMiB: 64 }));
    const started = await hosts.a.client.startMigration({
      instance: 'alone',
      destination: { host: '127.0.0.1', port: 1 },
      settings: {},
    });
    const result = await ended(hosts.a, started.id);
    expect(result.state).toBe('failed');
    expect(result.error?.message).toContain('127.0.0.1:1');
    expect(await soundness(guest)).toEqual(sound);
    guest.meter.detach();
  });

  it('whose agent is killed before the handover loses nothing: the guest runs on and moves later (R2, R5)', async () => {
    const guest = await startGuest(
      hosts.a,
      bareSpec({ name: 'survivor', pages: 4096, rate: 2_000, memoryMiB: 64 }),
    );
    const started = await beginMove(guest, hosts.a, hosts.b, {
      bandwidthBytesPerSecond: 4_000_000,
      maxDowntimeMs: 1,
    });
    for await (const event of hosts.a.client.watchMigration(started.id)) {
      if (
        event.kind === 'progress' &&
        event.progress.phase === 'rounds' &&
        event.progress.wireBytes > 1_000_000
      )
        break;
    }
    await hosts.b.end('SIGKILL');
    const result = await ended(hosts.a, started.id);
    expect(result.state).toBe('failed');
    expect(await hosts.a.client.getInstance('survivor')).toMatchObject({
      state: { life: 'running', epoch: '1' },
    });
    expect(await soundness(guest)).toEqual(sound);

    await hosts.b.start();
    // The restarted agent tears down what had not become READY.
    for (let tries = 0; (await hosts.b.client.listInstances()).length > 0 && tries < 100; tries += 1)
      await sleep(50);
    expect(await hosts.b.client.listInstances()).toEqual([]);
    expect(await move(guest, hosts.a, hosts.b, { verify: true })).toMatchObject({ state: 'completed' });
    expect(await soundness(guest)).toEqual(sound);
    guest.meter.detach();
  });
});
