import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type GuestMemory, type KvmEnding, type KvmMachine, native } from '../index.js';

const addon = native();

function whyNoMachine(): string | null {
  try {
    addon.kvmHost();
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

const reason = whyNoMachine();
const memoryBytes = 32n << 20n;
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'drover-machine-'));
  execFileSync('make', [
    '-s',
    '-C',
    new URL('../guest', import.meta.url).pathname,
    'bare',
    `BUILD=${folder}`,
  ]);
}, 60_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Running {
  readonly machine: KvmMachine;
  readonly memory: GuestMemory;
  readonly fd: number;
  readonly console: Socket;
  readonly ended: Promise<KvmEnding>;
  until(text: string): Promise<string>;
  /** Passes over what the guest has said so far. */
  forget(): void;
  end(): void;
}

function make(fd = addon.createMemfd('ram', memoryBytes)): Running {
  const memory = addon.openMemory([{ id: 'ram0', fd, offset: 0n, sizeBytes: memoryBytes }]);
  let onEnd: (ending: KvmEnding) => void = () => {};
  const ended = new Promise<KvmEnding>((resolve) => {
    onEnd = resolve;
  });
  const machine = addon.createKvmMachine({ memory, vcpus: 1, tracker: 'kvm-dirty-log', onEnd });
  const console = new Socket({ fd: machine.takeConsole(), readable: true, writable: true });
  let unread = '';
  console.on('data', (bytes) => {
    unread += bytes.toString('latin1');
  });
  return {
    machine,
    memory,
    fd,
    console,
    ended,
    async until(text) {
      for (;;) {
        const at = unread.indexOf(text);
        if (at >= 0) {
          const head = unread.slice(0, at + text.length);
          unread = unread.slice(at + text.length);
          return head;
        }
        await once(console, 'data');
      }
    },
    forget() {
      unread = '';
    },
    end() {
      console.destroy();
      machine.close();
      memory.close();
    },
  };
}

function boot(running: Running, guest: string, commandLine: string): Promise<void> {
  return running.machine.boot({ kernelPath: join(folder, guest), initrdPath: null, commandLine });
}

describe.skipIf(reason !== null)(
  `a machine on /dev/kvm${reason === null ? '' : ` (skipped: ${reason})`}`,
  () => {
    it('boots, talks, moves its state to another and goes on there', async () => {
      const first = make();
      expect(first.machine.state).toBe('made');
      await boot(first, 'drover-state.elf', 'check=run');
      expect(first.machine.state).toBe('paused');
      first.machine.resume();
      expect(first.machine.state).toBe('running');
      await first.until('\nT ');
      await first.machine.pause(5000);
      const payloads = await first.machine.saveState();
      const kinds = addon.machinePayloadKinds();
      expect([...new Set(payloads.map((payload) => payload.kind))].sort()).toEqual(Object.keys(kinds).sort());
      for (const { kind, version, data } of payloads) {
        expect(kinds[kind]?.at(-1)).toBe(version);
        expect(data.byteLength).toBeLessThan(64 << 10);
      }
      const cpu = first.machine.cpuDefinition();
      expect(addon.missingFromHost(cpu)).toEqual({ features: [], msrs: [] });
      expect(addon.missingFromHost({ ...cpu, msrs: [0xda1] }).msrs).toEqual(['MSR 0xda1']);
      const { vendor, features } = addon.hostCpu();
      expect(vendor).not.toBe('');
      expect(features).toContain('sse2');
      expect(features).toEqual([...features].sort());

      const second = make(first.fd);
      await second.machine.loadState(payloads, 'wall');
      first.end();
      second.machine.resume();
      expect(await second.until('\nT ')).not.toContain('BAD');
      second.end();
      addon.closeFd(first.fd);
    });

    it('collects written pages into a bitmap that another process can open', async () => {
      const running = make();
      await boot(running, 'drover-guest.elf', 'pages=64 rate=max');
      running.machine.resume();
      await running.until('READY\n');
      await running.machine.startTracking();
      const { bitmap, fd } = addon.createSharedBitmap(running.memory);
      const opened = addon.openSharedBitmap(running.memory, fd);
      expect(await running.machine.collect(bitmap)).toEqual({
        dirtyPages: 8192,
        complete: true,
        error: null,
      });
      expect(opened.count()).toBe(8192);
      opened.clear();
      // What the guest had said before the first collection says nothing of writes after it.
      running.forget();
      for (let beats = 0; beats < 5; beats++) await running.until('\nB ');
      await running.machine.pause(5000);
      const collected = await running.machine.collect(bitmap);
      expect(collected.complete).toBe(true);
      expect(opened.count()).toBe(collected.dirtyPages);
      expect(collected.dirtyPages).toBeGreaterThanOrEqual(64);
      expect(collected.dirtyPages).toBeLessThan(200);
      await running.machine.stopTracking();
      expect((await running.machine.collect(bitmap)).complete).toBe(false);
      addon.closeFd(fd);
      running.end();
      addon.closeFd(running.fd);
    });

    it('tells that its guest failed, and what to look at', async () => {
      const running = make();
      await boot(running, 'drover-state.elf', 'check=fault');
      running.machine.resume();
      const ending = await running.ended;
      expect(ending).toMatchObject({ kind: 'failed', value: null, vcpu: 0 });
      expect(ending.registers).toMatch(/^rip=[0-9a-f]+ /);
      expect(running.machine.state).toBe('ended');
      expect(() => running.machine.resume()).toThrow(expect.objectContaining({ code: 'native-closed' }));
      running.end();
      addon.closeFd(running.fd);
    });

    it('refuses what it cannot do', async () => {
      const running = make();
      const refusal = (code: string) => expect.objectContaining({ code });
      await expect(boot(running, 'missing', '')).rejects.toEqual(refusal('native-system-call'));
      await expect(boot(running, 'bare/main.c.o', '')).rejects.toEqual(refusal('native-invalid-argument'));
      await expect(running.machine.saveState()).rejects.toEqual(refusal('native-closed'));
      await expect(running.machine.loadState([], 'wall')).rejects.toEqual(refusal('native-invalid-argument'));
      await expect(running.machine.loadState([], 'never' as 'wall')).rejects.toEqual(
        refusal('native-invalid-argument'),
      );
      expect(() =>
        addon.createKvmMachine({
          memory: running.memory,
          vcpus: 99_999,
          tracker: 'kvm-dirty-log',
          onEnd: () => {},
        }),
      ).toThrow(refusal('native-limit'));
      running.end();
      running.machine.close();
      expect(running.machine.state).toBe('ended');
      await expect(running.machine.pause(1)).rejects.toEqual(refusal('native-closed'));
      addon.closeFd(running.fd);
    });
  },
);
