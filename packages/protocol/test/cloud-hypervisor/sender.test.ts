import { describe, expect, it } from 'vitest';
import { cloudHypervisor } from '../../src/index.js';
import {
  allMemory,
  config,
  failed,
  failure,
  listen,
  pair,
  patient,
  sourceMemory,
  state,
} from './wire-pair.js';

const { MigrationSender, StreamWire } = cloudHypervisor;

describe('a sender', () => {
  it('sends nothing that has no place yet', async () => {
    const { sender, result } = await pair();
    await expect(sender.sendState(state)).rejects.toThrow('state has no place in the state established');
    await sender.start();
    await expect(sender.complete()).rejects.toThrow(TypeError);
    sender.close();
    expect((await failed(result)).message).toContain('in the state started');
  });

  it('gives a receiver up that does not answer (R6)', async () => {
    const server = await listen();
    const [socket] = await Promise.all([server.dial(), server.accepted()]);
    const deadlines = { ...patient, answerMs: 50 };
    const sender = new MigrationSender({ wire: new StreamWire(socket), version: 0, deadlines });
    const error = await failure(sender.start());
    expect([error.code, error.message.includes('did not answer start')]).toEqual([
      'cloud-hypervisor-timeout',
      true,
    ]);
  });

  it('gives a receiver up that takes no pages (R6)', async () => {
    const { file } = sourceMemory();
    const server = await listen();
    const [socket, accepted] = await Promise.all([server.dial(), server.accepted()]);
    const deadlines = { ...patient, stallMs: 100 };
    const sender = new MigrationSender({ wire: new StreamWire(socket), version: 0, deadlines });
    const answer = () => accepted.write(cloudHypervisor.encodeResponse({ status: 'ok', length: 0n }));
    answer();
    await sender.start();
    answer();
    await sender.sendConfig(config);
    accepted.pause();
    expect((await failure(sender.sendMemory(allMemory, file))).message).toContain('did not move any page');
  });

  it.each([
    ['a status that is none', '03000000000000000000000000000000', 'response.status is 3'],
    [
      'a length where nothing can follow',
      '01000000000000000010000000000000',
      'response.length is 4096, not 0',
    ],
  ])('does not go on after %s', async (_, hex, message) => {
    const server = await listen();
    const [socket, accepted] = await Promise.all([server.dial(), server.accepted()]);
    const sender = new MigrationSender({ wire: new StreamWire(socket), version: 0, deadlines: patient });
    accepted.write(Buffer.from(hex, 'hex'));
    const error = await failure(sender.start());
    expect([error.code, error.message.includes(message)]).toEqual(['cloud-hypervisor-violation', true]);
  });

  it('can be cancelled until complete is sent, and not after (R12)', async () => {
    const cancel = new AbortController();
    const { sender, result, guest } = await pair({ senderSignal: cancel.signal });
    guest.during = async (step) => {
      if (step === 'complete') cancel.abort(new Error('too late'));
    };
    await sender.start();
    await sender.sendConfig(config);
    await sender.sendState(state);
    await sender.complete();
    expect((await result).ok).toBe(true);

    const early = new AbortController();
    const other = await pair({ senderSignal: early.signal });
    await other.sender.start();
    await other.sender.sendConfig(config);
    await other.sender.sendState(state);
    early.abort(new Error('the operator said so'));
    await expect(other.sender.complete()).rejects.toThrow('the operator said so');
    other.sender.close();
    expect((await failed(other.result)).message).toContain('in the state stateReceived');
    expect(other.guest.calls).not.toContain('run');
  });
});
