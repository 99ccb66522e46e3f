import { duplexPair } from 'node:stream';
import { INSTANCE_SPEC_VERSIONS, MIGRATION_REPORT_VERSIONS } from '@drover/types';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type AnyControlChannel,
  type ControlChannel,
  checkPageSize,
  DEVICE_STATE_KINDS,
  encodeControlFrame,
  exchangeHellos,
  openControlChannel,
  PEER_VERSIONS,
  type PeerSide,
  type PeerVersion,
} from '../src/index.js';

const soon = { timeoutMs: 2_000 };
const open: AnyControlChannel[] = [];
afterEach(() => {
  for (const channel of open.splice(0)) channel.close();
});

function channels(version: PeerVersion): [AnyControlChannel, AnyControlChannel] {
  const [a, b] = duplexPair();
  const pair: [AnyControlChannel, AnyControlChannel] = [
    openControlChannel({ stream: a, version }),
    openControlChannel({ stream: b, version }),
  ];
  open.push(...pair);
  return pair;
}

const south: PeerSide = {
  release: '0.2.0',
  hostName: 'south',
  deviceStates: { 'qemu/virtio-net': [10, 11] },
  capabilities: [1, 3],
};
const north: PeerSide = { release: '0.2.1', hostName: 'north' };

describe('hellos', () => {
  it.each([...PEER_VERSIONS])(
    'of version %i say who speaks and what it takes, in the same terms',
    async (version) => {
      const [a, b] = channels(version);
      const [theirs, ours] = await Promise.all([
        exchangeHellos(a, north, soon),
        exchangeHellos(b, south, soon),
      ]);
      expect(ours).toMatchObject({ release: '0.2.1', host: 'north', pageSize: 4096, maxConnections: 64 });
      expect(theirs).toMatchObject({ release: '0.2.0', host: 'south' });
      expect(theirs.instanceSpec).toEqual([...INSTANCE_SPEC_VERSIONS]);
      expect(theirs.deviceStates['qemu-stream']).toEqual([...DEVICE_STATE_KINDS['qemu-stream']]);
    },
  );

  it('of version 2 carry the host’s device states, the report’s versions and the capabilities', async () => {
    const [a, b] = channels(2);
    const [theirs] = await Promise.all([exchangeHellos(a, north, soon), exchangeHellos(b, south, soon)]);
    expect(theirs).toMatchObject({
      deviceStates: { 'qemu-stream': [1], 'qemu/virtio-net': [10, 11] },
      migrationReport: [...MIGRATION_REPORT_VERSIONS],
      capabilities: [1, 3],
    });
  });

  it('of version 1 have none of these: QEMU’s stream alone, reports of version 1, no capability', async () => {
    const [a, b] = channels(1);
    const [theirs] = await Promise.all([exchangeHellos(a, north, soon), exchangeHellos(b, south, soon)]);
    expect(theirs).toMatchObject({
      deviceStates: { 'qemu-stream': [1] },
      migrationReport: [1],
      capabilities: [],
    });
  });

  it('of version 1 are the bytes that they always were', async () => {
    const [stream, wire] = duplexPair();
    const channel = openControlChannel({ stream, version: 1 });
    open.push(channel);
    const arrived = new Promise<Buffer>((resolve) => wire.once('data', resolve));
    exchangeHellos(channel, { ...south, release: '0.1.0' }, soon).catch(() => undefined);
    const document = {
      ...{ release: '0.1.0', host: 'south', instanceSpec: [...INSTANCE_SPEC_VERSIONS], deviceState: [1] },
      ...{ pageSize: 4096, maxConnections: 64 },
    };
    const payload = Buffer.from(JSON.stringify(document));
    expect(await arrived).toEqual(Buffer.from(encodeControlFrame({ type: 1, sequence: 0, payload })));
  });

  it('of another version than the preambles agreed on are a violation', async () => {
    const [stream, wire] = duplexPair();
    const channel = openControlChannel({ stream, version: 2 });
    open.push(channel);
    const payload = Buffer.from(
      '{"release":"0.1.0","host":"b","instanceSpec":[1],"deviceState":[1],"pageSize":4096,"maxConnections":1}',
    );
    wire.write(encodeControlFrame({ type: 1, sequence: 0, payload }));
    await expect(exchangeHellos(channel, north, soon)).rejects.toMatchObject({
      code: 'peer-violation',
      message: expect.stringContaining('hello.migrationReport: is missing'),
    });
  });

  it('of another page size are refused by name, with both', async () => {
    const [a, b] = channels(2);
    const [theirs] = await Promise.all([exchangeHellos(a, north, soon), exchangeHellos(b, south, soon)]);
    expect(() => checkPageSize(theirs, 'source south')).not.toThrow();
    expect(() => checkPageSize({ ...theirs, pageSize: 16_384 }, 'source south')).toThrow(
      /source south uses pages of 16384 bytes, this host 4096/,
    );
  });
});

describe('a channel whose version is not known where it is used', () => {
  it('sends what every version allows, and nothing that only one does', async () => {
    const [a, b] = channels(1);
    const [channel, other]: [ControlChannel, ControlChannel] = [a, b];
    await channel.send('ready', { loadMs: 1 });
    expect((await other.expect(['ready'], soon)).message.loadMs).toBe(1);
    // @ts-expect-error -- the hello of version 2 is not one of version 1
    await expect(channel.send('hello', { release: '1' })).rejects.toMatchObject({
      code: 'message-unsendable',
    });
  });
});
