import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { cloudHypervisor } from '../../src/index.js';
import { config, failed, failure, pair, state } from './wire-pair.js';

const { StreamWire } = cloudHypervisor;

describe('a local migration', () => {
  /** Stands for SCM_RIGHTS: the bytes go over the socket, the descriptors beside it. */
  function passing(sockets: { write?: Socket; read?: cloudHypervisor.Wire }) {
    const beside: number[] = [];
    const discarded: number[] = [];
    const descriptors: cloudHypervisor.DescriptorPassing = {
      async send(bytes, descriptor) {
        beside.push(descriptor);
        sockets.write?.write(bytes);
      },
      async receive(size, signal) {
        const bytes = await sockets.read?.read(size, signal);
        return { bytes: bytes ?? new Uint8Array(0), descriptor: beside.shift() ?? -1 };
      },
      discard: (descriptor) => discarded.push(descriptor),
    };
    return { descriptors, discarded };
  }

  async function localPair() {
    const sockets: { write?: Socket; read?: cloudHypervisor.Wire } = {};
    const { descriptors, discarded } = passing(sockets);
    const both = await pair({ descriptors });
    sockets.write = both.socket;
    sockets.read = new StreamWire(both.accepted);
    return { ...both, discarded };
  }

  it('passes every slot as a descriptor and no page', async () => {
    const { sender, result, guest } = await localPair();
    await sender.start();
    await sender.passMemory(1, 41);
    await sender.passMemory(0, 40);
    await sender.sendConfig(config);
    await sender.sendState(state);
    await sender.complete();
    expect(await result).toMatchObject({ ok: true, pageBytes: 0n });
    expect(guest.calls).toEqual(['adopt 1', 'adopt 0', 'configure', 'restore', 'run']);
    expect([...guest.adopted]).toEqual([
      [1, 41],
      [0, 40],
    ]);
  });

  it.each([
    ['one slot has none', [0], /has the slot 1, for which no descriptor came/],
    ['one has no slot', [0, 1, 2], /has 2 slots, but 3 descriptors came/],
  ])('is refused when %s: that memory would be empty (R3)', async (_, given, message) => {
    const { sender, result, guest } = await localPair();
    await sender.start();
    for (const slot of given) await sender.passMemory(slot, 40 + slot);
    expect((await failure(sender.sendConfig(config))).code).toBe('cloud-hypervisor-refused');
    expect((await failed(result)).message).toMatch(message);
    expect(guest.calls).not.toContain('configure');
  });

  it('closes the descriptor of a slot that comes twice', async () => {
    const { sender, result, discarded } = await localPair();
    await sender.start();
    await sender.passMemory(0, 40);
    expect((await failure(sender.passMemory(0, 41))).code).toBe('cloud-hypervisor-refused');
    expect((await failed(result)).message).toContain('memory-fd.slot is 0, which came before');
    expect(discarded).toEqual([41]);
  });

  it('is refused where the connection cannot pass descriptors, before anything is sent', async () => {
    const { sender, result, socket } = await pair();
    await sender.start();
    expect((await failure(sender.passMemory(0, 1))).code).toBe('cloud-hypervisor-descriptors');
    expect(sender.state).toBe('started');
    // A sender that can, to a receiver that cannot.
    socket.write(cloudHypervisor.encodeRequest({ command: 'memoryFd', version: 0, length: 4 }));
    expect((await failed(result)).code).toBe('cloud-hypervisor-descriptors');
  });
});
