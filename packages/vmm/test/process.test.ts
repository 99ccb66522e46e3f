import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { describe, expect, it } from 'vitest';
import { readTail } from '../src/process/log-tail.js';
import { parseProcessStat, processStat, VmmProcess } from '../src/process/vmm-process.js';
import { kvmFailure, lastMessage } from '../src/qemu/process-log.js';
import { temporaryDirectory } from './support/temporary.js';

describe('a process', () => {
  it('is known by state and start time, whatever its name', () => {
    const rest = `S 1 ${Array.from({ length: 17 }, (_, index) => index).join(' ')} 4711 0`;
    expect(parseProcessStat(`12 (a) b (c)) ${rest}`)).toEqual({ state: 'S', startTime: '4711' });
    expect(parseProcessStat('')).toBeNull();
  });

  it('with a reused pid is another one, and is not killed', async () => {
    const child = spawn('sleep', ['60']);
    try {
      const pid = child.pid ?? 0;
      const other = new VmmProcess(pid, '1');
      expect(other.alive()).toBe(false);
      other.kill();
      const same = new VmmProcess(pid, processStat(pid)?.startTime ?? '', child);
      expect(same.alive()).toBe(true);
      expect(await same.ended(20)).toBe(false);
      const exited = once(child, 'exit');
      same.kill();
      await exited;
      expect(await same.ended(1000)).toBe(true);
      expect(same.endPhrase()).toBe('was ended by SIGKILL');
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('that is about to end steps aside for the guests beside it', () => {
    const child = spawn('sleep', ['60']);
    try {
      const pid = child.pid ?? 0;
      new VmmProcess(pid, processStat(pid)?.startTime ?? '', child).stepAside();
      expect(getPriority(pid)).toBe(19);
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('that is a zombie has ended: nobody may be there to reap it', async () => {
    // The shell's child ends while the program that the shell turned into never waits for it.
    const parent = spawn('sh', ['-c', 'sleep 0.2 & echo $!; exec sleep 60'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    try {
      const [line] = (await once(parent.stdout, 'data')) as [Buffer];
      const pid = Number(line.toString());
      const zombie = new VmmProcess(pid, processStat(pid)?.startTime ?? '');
      expect(await zombie.ended(5000)).toBe(true);
      expect(processStat(pid)?.state).toBe('Z');
    } finally {
      parent.kill('SIGKILL');
    }
  });
});

describe("QEMU's log", () => {
  it('gives its last messages, not its last warning', () => {
    const time = '2026-11-21T01:20:00.123456Z';
    const log = [
      `${time} qemu-system-x86_64: -machine foo: unsupported machine type`,
      'Use -machine help to list supported machines',
      `${time} qemu-system-x86_64: warning: host doesn't support requested feature`,
      '',
    ];
    expect(lastMessage(log.join('\n'))).toBe(
      '-machine foo: unsupported machine type; Use -machine help to list supported machines',
    );
    expect(lastMessage(log.slice(0, 1).join('\n'))).toBe('-machine foo: unsupported machine type');
    expect(lastMessage(log.slice(2).join('\n'))).toBe("warning: host doesn't support requested feature");
    expect(lastMessage('')).toBe('');
  });

  it('gives the reason and the place of a KVM failure', () => {
    const dump = [
      'KVM internal error. Suberror: 1',
      'emulation failure',
      'EAX=00000000 EBX=00000000 ECX=00000000 EDX=00000600',
      'EIP=00100042 EFL=00000002 [-------] CPL=0 II=0 A20=1 SMM=0 HLT=0',
    ];
    expect(kvmFailure(dump.join('\n'))).toBe(
      'KVM internal error. Suberror: 1, emulation failure (EIP=00100042)',
    );
    expect(kvmFailure('nothing of the kind')).toBeNull();
  });

  it('is read from its end, and may be missing', () => {
    const path = `${temporaryDirectory()}/qemu.log`;
    expect(readTail(path)).toBe('');
    writeFileSync(path, `${'x'.repeat(100_000)}end`);
    expect(readTail(path)).toHaveLength(16 * 1024);
    expect(readTail(path).endsWith('end')).toBe(true);
  });
});
