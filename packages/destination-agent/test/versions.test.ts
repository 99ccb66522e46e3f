import { type ControlChannel, connectControl } from '@drover/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import { Destination } from './world/destination.js';
import { INSTANCE_ID, MIGRATION_ID } from './world/messages.js';

const soon = { timeoutMs: 5_000 };
const query = { migrationId: MIGRATION_ID, instanceId: INSTANCE_ID };

let destination: Destination;
afterEach(() => destination.close());

describe('a destination that is held to some versions of the protocol', () => {
  it('refuses the others, and the source hears both windows (R7)', async () => {
    destination = new Destination(2, { peerVersions: [1] });
    await expect(destination.connect()).rejects.toMatchObject({
      code: 'peer-version-unknown',
      message: expect.stringMatching(/peer protocol version 2, the peer version 1: .*upgrade the peer/),
    });
    expect(destination.host.log).toEqual([]);
  });

  it('speaks what is left with a source that has more', async () => {
    destination = new Destination(1, { peerVersions: [1] });
    const { port } = destination;
    const channel = await connectControl({ host: '127.0.0.1', port, timeoutMs: 2_000 });
    expect(channel.version).toBe(1);
    channel.close();
  });
});

describe('device state that cannot be loaded here', () => {
  it('is refused before anything is made, where the hellos decide (R7)', async () => {
    destination = new Destination(1);
    const opened = await destination.connect({ 1: { deviceState: [9] } });
    const channel = await destination.prepare({}, opened);
    await expect(channel.expect(['prepared'], soon)).rejects.toMatchObject({
      code: 'device-state-version-unsupported',
      message: expect.stringMatching(/qemu-stream state 9 .*; south reads 1; upgrade south\./),
    });
    expect(destination.host.log).toEqual([]);
  });

  it('is refused before anything is made, where PREPARE decides (R7)', async () => {
    destination = new Destination(2);
    const channel = await destination.prepare({ deviceStates: { 'qemu-stream': 1, 'qemu/virtio-net': 12 } });
    await expect(channel.expect(['prepared'], soon)).rejects.toMatchObject({
      code: 'device-state-version-unsupported',
      message: expect.stringMatching(/qemu\/virtio-net state 12 .*; south reads 10–11; upgrade south\./),
    });
    expect(destination.host.log).toEqual([]);
  });

  it('is what a host has that cannot tell what it loads; who asks how a migration ended is answered all the same (R4)', async () => {
    destination = new Destination(2);
    destination.host.onDeviceStates = () => Promise.reject(new Error('no QEMU here'));
    const channel = await destination.prepare();
    await expect(channel.expect(['prepared'], soon)).rejects.toMatchObject({
      code: 'device-state-version-unsupported',
    });
    destination.host.records = { outcome: 'owned', epoch: 6n };
    const asking: ControlChannel = await destination.connect();
    await asking.send('outcomeQuery', query);
    expect((await asking.expect(['outcome'], soon)).message.outcome).toBe('owned');
  });
});

describe('a capability', () => {
  it('that was offered may be chosen, and no other (R7)', async () => {
    destination = new Destination(2, { capabilities: [1, 3] });
    const taken = await destination.prepare({ capabilities: [3] });
    expect((await taken.expect(['prepared'], soon)).name).toBe('prepared');
    taken.close();
    const refused = await destination.prepare({
      ...{ migrationId: 'f3e2d1c0-b9a8-4766-9544-332211009988', capabilities: [2] },
      instanceId: '0b9d7e52-3c41-4f86-8d0e-5a6b7c8d9e0f',
    });
    await expect(refused.expect(['prepared'], soon)).rejects.toMatchObject({
      code: 'capability-not-offered',
      message: expect.stringMatching(/chose post-copy, and this host offered compression, delta/),
    });
  });
});
