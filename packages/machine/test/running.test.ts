/** One machine process, as a host agent uses it. */
import { closeSync, openSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { native } from '@drover/native';
import { MACHINE_PROTOCOL_VERSIONS } from '@drover/protocol';
import { expect, it, onTestFinished } from 'vitest';
import { beatingGuest, stateGuest } from './support/guests.js';
import { describeMachine, startMachine, startProcess, until } from './support/machine-process.js';

const boot = (commandLine: string, kernel = beatingGuest) => ({ kernel, initrd: null, commandLine });

describeMachine('a machine', () => {
  it('greets with its release, its versions and the device states that it writes', async () => {
    const { agent } = await startMachine();
    expect(agent.greeting).toMatchObject({ versions: [...MACHINE_PROTOCOL_VERSIONS] });
    const kinds = Object.keys(native().machinePayloadKinds());
    expect(Object.keys(agent.greeting?.deviceStates ?? {}).toSorted()).toEqual(
      [...kinds, 'machine-stream'].toSorted(),
    );
  });

  it('boots a guest, which runs only when told to, and stops when told to (R1)', async () => {
    const { machine, agent } = await startMachine();
    expect(await agent.ask('status', {})).toMatchObject({ state: 'made', ending: null });
    expect(await agent.ask('resume', {})).toMatchObject({ code: 'not-loaded' });
    expect(await agent.ask('boot', boot('pages=16 rate=100'))).toEqual({});
    expect(await agent.ask('status', {})).toMatchObject({ state: 'paused' });
    expect(machine.log()).toBe('');
    expect(await agent.ask('resume', {})).toEqual({});
    await until('the guest beats', () => machine.log().includes('\nB '));
    expect(await agent.ask('pause', { timeoutMs: 5000 })).toEqual({ state: 'paused' });
    expect(await agent.ask('status', {})).toMatchObject({ state: 'paused' });
    expect(machine.log()).not.toContain('BAD');
  });

  it('goes on without any agent, and another agent finds it (R11)', async () => {
    const { machine, agent } = await startMachine();
    await agent.ask('boot', boot('pages=16 rate=100'));
    await agent.ask('resume', {});
    await until('the guest beats', () => machine.log().includes('\nB '));
    agent.socket.destroy();
    const length = machine.log().length;
    await until('it goes on', () => machine.log().length > length + 500);
    const next = await machine.connect();
    expect(await next.ask('status', {})).toMatchObject({ state: 'running', tracker: 'kvm-dirty-log' });
  });

  it('lets several look at its console and type on it; who reads nothing holds nobody up', async () => {
    const { machine, agent } = await startMachine();
    await agent.ask('boot', boot('pages=16 rate=100 beat-us=200'));
    const idle = createConnection(machine.consoleSocket).pause();
    const looking = createConnection(machine.consoleSocket);
    onTestFinished(() => {
      idle.destroy();
      looking.destroy();
    });
    let seen = '';
    looking.on('data', (piece: Buffer) => {
      seen += piece.toString('latin1');
    });
    await agent.ask('resume', {});
    await until('the guest beats', () => seen.includes('READY\n'));
    looking.write('v');
    await until('the guest verifies', () => /V ok pages=16 bad=0/.test(seen));
  });

  it('keeps what its guest says for the first who looks at the console', async () => {
    const { machine, agent } = await startMachine();
    await agent.ask('boot', boot('pages=16 rate=100'));
    await agent.ask('resume', {});
    await until('the guest beats', () => machine.log().includes('\nB '));
    const seen = ['', ''];
    for (const place of [0, 1]) {
      const looking = createConnection(machine.consoleSocket);
      onTestFinished(() => void looking.destroy());
      looking.on('data', (piece: Buffer) => {
        seen[place] += piece.toString('latin1');
      });
      await until('it is said', () => seen[place] !== '');
    }
    expect(seen[0]).toMatch(/^DROVER-GUEST/);
    expect(seen[1]).not.toContain('DROVER-GUEST');
  });

  it('collects what the guest wrote into a memory area that an agent can open (R5, R9)', async () => {
    for (const tracker of native().kvmHost().trackers) {
      const { machine, agent } = await startMachine({ tracker });
      await agent.ask('boot', boot('pages=64 rate=max'));
      expect(await agent.ask('collect', {})).toMatchObject({ code: 'not-configured' });
      await agent.ask('resume', {});
      await until('the guest is ready', () => machine.log().includes('READY\n'));
      const { bitmapFd } = (await agent.ask('startTracking', {})) as { bitmapFd: number };
      const fd = openSync(`/proc/${machine.child.pid}/fd/${bitmapFd}`, 'r+');
      const memory = native().openMemory([
        { id: 'ram0', fd: machine.memoryFd, offset: 0n, sizeBytes: BigInt(machine.memoryBytes) },
      ]);
      const bitmap = native().openSharedBitmap(memory, fd);
      closeSync(fd);
      expect(bitmap.count()).toBe(0);
      const length = machine.log().length;
      await until(
        'the guest has written all of its pages',
        () => (machine.log().slice(length).match(/\nB /g) ?? []).length > 1,
      );
      await agent.ask('pause', { timeoutMs: 5000 });
      const collected = (await agent.ask('collect', {})) as { dirtyPages: number; complete: boolean };
      expect(collected).toMatchObject({ complete: true, error: null });
      expect(bitmap.count()).toBe(collected.dirtyPages);
      expect(collected.dirtyPages).toBeGreaterThanOrEqual(64);
      bitmap.clear();
      expect(await agent.ask('collect', {})).toMatchObject({ dirtyPages: 0, complete: true });
      expect(await agent.ask('stopTracking', {})).toEqual({});
      memory.close();
    }
  });

  it('says when and why its guest ended, to whoever is there and to whoever comes later', async () => {
    const { machine, agent } = await startMachine();
    await agent.ask('boot', boot('check=fault', stateGuest));
    let logAtEnd: string | null = null;
    agent.socket.on('data', () => {
      if (agent.endings.length > 0) logAtEnd ??= machine.log();
    });
    await agent.ask('resume', {});
    await until('the guest fails', () => agent.endings.length > 0);
    expect(agent.endings).toEqual([
      expect.objectContaining({ kind: 'failed', registers: expect.stringMatching(/^rip=/) }),
    ]);
    // Whoever hears of it may end the machine at once: its guest's last words are in the log by then.
    expect(logAtEnd).toContain('STATE\n');
    const late = await machine.connect();
    expect(await late.ask('status', {})).toMatchObject({ state: 'ended', ending: { kind: 'failed' } });
    expect(await late.ask('pause', { timeoutMs: 5000 })).toEqual({ state: 'ended' });
    expect(await late.ask('resume', {})).toMatchObject({ code: 'native-closed' });
  });
});

describeMachine('what a machine refuses', () => {
  it('is a kernel that is none, or not there', async () => {
    const { machine, agent } = await startMachine();
    const none = new URL(import.meta.url).pathname;
    expect(await agent.ask('boot', boot('', none))).toMatchObject({ code: 'native-invalid-argument' });
    expect(await agent.ask('boot', boot('', join(machine.directory, 'none')))).toMatchObject({
      code: 'native-system-call',
    });
  });

  it('is a second VM, a second state, and every request before there is one', async () => {
    const { machine, agent } = await startMachine();
    const again = {
      ...{ memoryBytes: '4096', cpus: 1, tracker: 'kvm-dirty-log' as const },
      ...{ consoleSocket: machine.consoleSocket, consoleLog: '/dev/null' },
    };
    expect(await agent.ask('configure', again)).toMatchObject({ code: 'configured-already' });
    const state = { socket: join(machine.directory, 's.sock'), clock: 'wall' as const };
    expect(await agent.ask('stateLoaded', {})).toMatchObject({ code: 'not-awaiting' });
    expect(await agent.ask('awaitState', state)).toEqual({});
    expect(await agent.ask('awaitState', state)).toMatchObject({ code: 'configured-already' });
    const empty = await (await startProcess()).connect();
    expect(await empty.ask('status', {})).toMatchObject({ state: 'empty' });
    for (const request of ['resume', 'saveState', 'startTracking'] as const) {
      const args = { saveState: { socket: state.socket, timeoutMs: 1000 }, resume: {}, startTracking: {} };
      expect(await empty.ask(request, args[request])).toMatchObject({ code: 'not-configured' });
    }
  });

  it('is another version, an unknown request, or wrong arguments; the connection stays', async () => {
    const { agent } = await startMachine();
    const say = (line: object) => agent.say(line);
    expect(await say({ id: 2, version: 99, request: 'status', arguments: {} })).toMatchObject({
      code: 'request-invalid',
      message: expect.stringContaining('speaks versions'),
    });
    expect(await say({ id: 3, version: 1, request: 'constructor', arguments: {} })).toMatchObject({
      code: 'request-unknown',
    });
    expect(await say({ id: 4, version: 1, request: 'pause', arguments: { timeoutMs: -1 } })).toMatchObject({
      code: 'request-invalid',
      message: expect.stringContaining('timeoutMs'),
    });
    expect(await say({ id: 5, version: 1, request: 'status', arguments: {} })).toMatchObject({
      state: 'made',
    });
  });

  it('is a line that is no request, or too long: that connection is closed, and the machine goes on (R6)', async () => {
    const { machine, agent } = await startMachine();
    for (const nonsense of ['{"id":0}\n', 'GET / HTTP/1.1\n', 'x'.repeat(70_000), '[]\n', '\u0000\n']) {
      const other = await machine.connect();
      let closed = false;
      other.socket.on('close', () => {
        closed = true;
      });
      other.socket.write(nonsense);
      await until('it is closed', () => closed);
    }
    expect(await agent.ask('status', {})).toMatchObject({ state: 'made' });
  });
});
