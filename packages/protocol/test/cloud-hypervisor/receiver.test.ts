import { describe, expect, it, vi } from 'vitest';
import { cloudHypervisor } from '../../src/index.js';
import { configOf, slotOf } from './guests.js';
import { allMemory, config, failed, failure, MiB, pair, sourceMemory, state } from './wire-pair.js';

const { RangeTable, readConnectionRole, StreamWire } = cloudHypervisor;

describe('a receiver', () => {
  it('that refuses in the middle of the pages is heard at once', async () => {
    const { file } = sourceMemory();
    const { sender, result, guest } = await pair();
    await sender.start();
    await sender.sendConfig(configOf([slotOf(0, 0, 8 * MiB)]));
    expect((await failure(sender.sendMemory(allMemory, file))).code).toBe('cloud-hypervisor-refused');
    const error = await failed(result);
    expect(error.code).toBe('cloud-hypervisor-violation');
    expect(error.message).toContain('range-table[1].gpa is 0x100000000');
    expect(guest.calls).toEqual(['configure']);
  });

  it('passes on what its guest rejects with, and tells the sender', async () => {
    const { sender, result, guest } = await pair();
    guest.during = async (step) => {
      if (step === 'restore') throw new Error('no such device');
    };
    await sender.start();
    await sender.sendConfig(config);
    expect((await failure(sender.sendState(state))).code).toBe('cloud-hypervisor-refused');
    expect(await result).toMatchObject({ ok: false, error: { message: 'no such device' }, refusal: null });
  });

  it('that cannot let the guest run says so, and the guest may go on at the source (R2)', async () => {
    const { sender, result, guest } = await pair();
    guest.during = async (step) => {
      if (step === 'complete') throw new Error('it did not resume');
    };
    await sender.start();
    await sender.sendConfig(config);
    await sender.sendState(state);
    expect((await failure(sender.complete())).code).toBe('cloud-hypervisor-refused');
    expect(await result).toMatchObject({ ok: false, error: { message: 'it did not resume' } });
  });

  it('that does not know whether its guest runs answers nothing, and the sender stays paused (R1, R4)', async () => {
    const { sender, result, guest } = await pair({ deadlines: { workMs: 50 } });
    guest.during = (step) => (step === 'complete' ? new Promise(() => undefined) : Promise.resolve());
    await sender.start();
    await sender.sendConfig(config);
    await sender.sendState(state);
    const error = await failure(sender.complete());
    expect(error.code).toBe('cloud-hypervisor-in-doubt');
    expect(error.retryable).toBe(false);
    expect((await failed(result)).code).toBe('cloud-hypervisor-in-doubt');
  });

  it('whose last answer is lost leaves the sender in doubt, never free to go on (R1)', async () => {
    const { sender, result, guest, accepted, socket } = await pair();
    guest.during = async (step) => {
      if (step === 'complete') {
        accepted.destroy();
        socket.destroy();
      }
    };
    await sender.start();
    await sender.sendConfig(config);
    await sender.sendState(state);
    expect((await failure(sender.complete())).code).toBe('cloud-hypervisor-in-doubt');
    expect(await result).toMatchObject({ ok: true, paused: false, answered: false });
  });

  it('gives a sender up that goes silent: between requests, inside a payload, inside pages (R6)', async () => {
    const cases: [name: string, bytes: Uint8Array][] = [
      ['send its next request', new Uint8Array(0)],
      [
        'send its next request',
        cloudHypervisor.encodeRequest({ command: 'config', version: 0, length: 9 }).subarray(0, 7),
      ],
      [
        'send the rest of the configuration',
        Buffer.concat([
          cloudHypervisor.encodeRequest({ command: 'config', version: 0, length: 9 }),
          Buffer.from('{'),
        ]),
      ],
    ];
    for (const [what, bytes] of cases) {
      const { sender, result, socket } = await pair({ deadlines: { requestMs: 60, stallMs: 60 } });
      await sender.start();
      socket.write(bytes);
      const error = await failed(result);
      expect([error.code, error.message.includes(what)]).toEqual(['cloud-hypervisor-timeout', true]);
    }
    const { sender, result, socket } = await pair({ deadlines: { stallMs: 60 } });
    await sender.start();
    await sender.sendConfig(config);
    const length = allMemory.bytes.length;
    socket.write(cloudHypervisor.encodeRequest({ command: 'memory', version: 0, length }));
    socket.write(allMemory.bytes);
    socket.write(Buffer.alloc(100_000));
    expect((await failed(result)).message).toContain('did not move any page within');
  });

  it('waits on a silent main connection for as long as others carry memory, and no longer', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { file } = sourceMemory();
    const { sender, receiver, result, server } = await pair({ deadlines: { requestMs: 1_000 } });
    await sender.start();
    await sender.sendConfig(config);
    const [socket, accepted] = await Promise.all([server.dial(), server.accepted()]);
    const served = receiver.serveMemory(new StreamWire(accepted));
    socket.write(cloudHypervisor.encodeRequest({ command: 'memory', version: 0, length: 16 }));
    socket.write(RangeTable.of([{ gpa: 0n, length: BigInt(4 * 65_536) }]).bytes);
    const piece = file.bytes(65_536);
    for (let sent = 1; sent <= 4; sent++) {
      vi.advanceTimersByTime(900);
      const before = receiver.progress.pageBytes;
      socket.write(piece);
      while (receiver.progress.pageBytes === before) await new Promise(setImmediate);
    }
    vi.advanceTimersByTime(1_000);
    expect((await failed(result)).message).toContain('did not send its next request within 1 s');
    await served;
  });

  it('can be cancelled, also inside pages, and tells the sender (R12)', async () => {
    const { file } = sourceMemory();
    const cancel = new AbortController();
    const { sender, result, guest, progress } = await pair({ receiverSignal: cancel.signal });
    await sender.start();
    await sender.sendConfig(config);
    progress.push = () => {
      cancel.abort(new Error('the operator said so'));
      return 0;
    };
    expect(['cloud-hypervisor-refused', 'cloud-hypervisor-closed']).toContain(
      (await failure(sender.sendMemory(allMemory, file))).code,
    );
    expect(await result).toMatchObject({ ok: false, error: { message: 'the operator said so' } });
    expect(guest.calls).toEqual(['configure']);
  });

  it('ends the whole migration when one of its connections breaks inside pages (R3)', async () => {
    const { sender, receiver, result, server, guest } = await pair();
    await sender.start();
    await sender.sendConfig(config);
    const other = await server.dial();
    const wire = new StreamWire(await server.accepted());
    other.write(cloudHypervisor.encodeConnectionRole('precopyMemory'));
    await readConnectionRole(wire, { signal: AbortSignal.timeout(10_000) });
    other.write(cloudHypervisor.encodeRequest({ command: 'memory', version: 0, length: 16 }));
    other.end(RangeTable.of([{ gpa: 0n, length: 4096n }]).bytes);
    await receiver.serveMemory(wire);
    expect((await failed(result)).code).toBe('cloud-hypervisor-closed');
    expect(['cloud-hypervisor-refused', 'cloud-hypervisor-closed']).toContain(
      (await failure(sender.sendState(state))).code,
    );
    expect(guest.calls).toEqual(['configure']);
  });

  it('takes no state while memory is on its way on another connection (R3)', async () => {
    const { sender, receiver, result, server, guest } = await pair();
    await sender.start();
    await sender.sendConfig(config);
    const other = await server.dial();
    const wire = new StreamWire(await server.accepted());
    const served = receiver.serveMemory(wire);
    const begun = new Promise<void>((resolve) => {
      const { pages } = guest;
      const receive = pages.receive.bind(pages);
      pages.receive = async (table, move) => {
        resolve();
        await receive(table, move);
      };
    });
    other.write(cloudHypervisor.encodeRequest({ command: 'memory', version: 0, length: 16 }));
    other.write(RangeTable.of([{ gpa: 0n, length: 4096n }]).bytes);
    await begun;
    expect((await failure(sender.sendState(state))).code).toBe('cloud-hypervisor-refused');
    expect((await failed(result)).message).toContain('memory is on its way on another connection');
    await served;
  });

  it('takes nothing but memory on another connection', async () => {
    const { sender, receiver, result, server, guest } = await pair();
    await sender.start();
    await sender.sendConfig(config);
    const other = await server.dial();
    other.write(cloudHypervisor.encodeRequest({ command: 'state', version: 0, length: 0 }));
    await receiver.serveMemory(new StreamWire(await server.accepted()));
    expect((await failed(result)).message).toContain('is state, which only the main connection may carry');
    expect(guest.calls).toEqual(['configure']);
  });

  it('drops a connection of no known role and goes on', async () => {
    const { sender, result, server } = await pair();
    await sender.start();
    const old = await server.dial();
    old.write(cloudHypervisor.encodeRequest({ command: 'memory', version: 0, length: 16 }));
    const wire = new StreamWire(await server.accepted());
    const error = await failure(readConnectionRole(wire, { signal: AbortSignal.timeout(10_000) }));
    expect(error.message).toContain('connection-role.role is 4, which is no role known here');
    const silent = new StreamWire((await Promise.all([server.dial(), server.accepted()]))[1]);
    const role = readConnectionRole(silent, { signal: AbortSignal.timeout(10_000), timeoutMs: 30 });
    expect((await failure(role)).code).toBe('cloud-hypervisor-timeout');
    await sender.sendConfig(config);
    await sender.sendState(state);
    await sender.complete();
    expect((await result).ok).toBe(true);
  });
});
