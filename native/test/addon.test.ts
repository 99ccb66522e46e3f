import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CONTRACT_VERSION, native, shimLibraryPath } from '../index.js';
import { loadAddon } from '../load.js';

function runProgram(way: string): Promise<{ code: number | string; output: string }> {
  const program = new URL('./programs/busy-exit.mjs', import.meta.url).pathname;
  return new Promise((resolve) => {
    execFile(process.execPath, [program, way], { timeout: 15_000 }, (error, stdout, stderr) => {
      resolve({ code: error ? (error.signal ?? error.code ?? 'failed') : 0, output: stdout + stderr });
    });
  });
}

describe('the addon', () => {
  it('is of the contract version that index.ts was written for', () => {
    expect(native().contractVersion).toBe(CONTRACT_VERSION);
    expect(loadAddon(CONTRACT_VERSION)).toBe(native());
  });

  it('comes with the shim', () => {
    expect(shimLibraryPath()).not.toBeNull();
    expect(existsSync(shimLibraryPath() as string)).toBe(true);
  });

  it.each(['exit', 'worker', 'wait'])('ends cleanly while its threads are at work: %s', async (way) => {
    const { code, output } = await runProgram(way);
    expect(output).toBe({ exit: '', worker: 'done\n', wait: 'settled 9\n' }[way]);
    expect(code).toBe(0);
  });

  it('does not turn an uncaught exception into a crash', async () => {
    const { code, output } = await runProgram('throw');
    expect(output).toContain('on purpose');
    expect(code).toBe(1);
  });
});

describe('probes', () => {
  it('tell what tracking lacks here and nothing else', () => {
    const probe = native().probeTracking();
    for (const answer of [probe.userfaultfd, probe.asyncWriteProtect, probe.pagemapScan]) {
      expect(answer.detail === '').toBe(answer.ok);
    }
  });

  it('tell what /dev/kvm is good for, quickly and the same each time', () => {
    const before = performance.now();
    const first = native().probeKvm();
    expect(native().probeKvm()).toEqual(first);
    expect(performance.now() - before).toBeLessThan(5000);
    expect(['absent', 'no-permission', 'emulated', 'full', 'broken']).toContain(first.kind);
    expect(first.detail).not.toBe('');
  });
});
