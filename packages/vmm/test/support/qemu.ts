/** Real VMMs for tests, or the reason why there are none. */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { native, shimLibraryPath } from '@drover/native';
import type { InstanceSpecInput } from '@drover/types';
import { pino } from 'pino';
import { describe, expect, onTestFinished } from 'vitest';
import type { LaunchRequest, Vmm } from '../../src/driver.js';
import { processStat } from '../../src/process/vmm-process.js';
import { createQemuDriver, type QemuDriverOptions } from '../../src/qemu/driver.js';
import { serialPort, spec } from './specs.js';
import { temporaryDirectory } from './temporary.js';
import { TINY_GUEST } from './tiny-guest.js';

export const logger = pino({ level: 'silent' });

/** Why real QEMU tests cannot run here; null when they can. */
export function whyNoQemu(): string | null {
  try {
    execFileSync('qemu-system-x86_64', ['--version'], { stdio: 'ignore' });
    native();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  if (!existsSync(TINY_GUEST)) return 'the tiny guest could not be assembled';
  return shimLibraryPath() === null ? 'the shim library is not built' : null;
}

/** Tests with real QEMU processes; skipped with the reason in their name where there are none. */
export function describeQemu(name: string, tests: () => void): void {
  const why = whyNoQemu();
  describe.skipIf(why !== null)(`${name}${why === null ? '' : ` (skipped: ${why})`}`, tests);
}

export function driver(options: Partial<QemuDriverOptions> = {}) {
  return createQemuDriver({ logger, ...options });
}

/** A launch of the tiny guest under TCG unless told otherwise. */
export function request(
  input: Partial<InstanceSpecInput> = {},
  changed: Partial<LaunchRequest> = {},
): LaunchRequest {
  const root = temporaryDirectory();
  return {
    instanceId: randomUUID(),
    vmmId: randomUUID(),
    spec: spec({
      accelerator: 'tcg',
      boot: { from: 'kernel', kernel: TINY_GUEST },
      components: serialPort,
      ...input,
    }),
    directory: join(root, 'vmm'),
    logFile: join(root, 'serial.log'),
    incoming: false,
    identity: null,
    signal: new AbortController().signal,
    ...changed,
  };
}

/** Destroyed after the test. */
export function owned(vmm: Vmm): Vmm {
  onTestFinished(() => vmm.destroy());
  return vmm;
}

export function nothingLeftOf({ record }: Vmm): void {
  // After an adoption this process is still the parent, and may not have reaped it yet.
  expect([undefined, 'Z']).toContain(processStat(record.pid)?.state);
  expect(existsSync(record.directory)).toBe(false);
}

export async function launch(
  input: Partial<InstanceSpecInput> = {},
  changed: Partial<LaunchRequest> = {},
): Promise<{ vmm: Vmm; log: () => string; launched: LaunchRequest }> {
  const launched = request(input, changed);
  const vmm = owned(await driver().launch(launched));
  return { vmm, launched, log: () => consoleLog(launched.logFile) };
}

export function consoleLog(path: string): string {
  return existsSync(path) ? readFileSync(path, 'latin1') : '';
}

/** Polls until `condition` holds; fails after `seconds`. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  seconds = 15,
): Promise<void> {
  const deadline = performance.now() + seconds * 1000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${seconds} s: ${what}`);
    await sleep(10);
  }
}

/** Types one character on the guest's console. */
export async function type(vmm: Vmm, text: string): Promise<void> {
  const socket = createConnection(vmm.consoleSocket);
  await once(socket, 'connect');
  socket.resume();
  socket.write(text);
  onTestFinished(() => void socket.destroy());
}
