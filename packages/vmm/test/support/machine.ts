/** Real machines for tests, or the reason why there are none. */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { native } from '@drover/native';
import type { InstanceSpecInput } from '@drover/types';
import { describe } from 'vitest';
import type { LaunchRequest, Vmm } from '../../src/driver.js';
import { createMachineDriver, type MachineDriverOptions } from '../../src/machine/driver.js';
import { consoleLog, logger, owned } from './qemu.js';
import { serialPort, spec } from './specs.js';
import { temporaryDirectory } from './temporary.js';
import { TINY_GUEST } from './tiny-guest.js';

/** Null where machines run. */
export function whyNoMachine(): string | null {
  // An addon that does not load is a failure, not a host without KVM.
  const addon = native();
  try {
    addon.kvmHost();
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

export function describeMachine(name: string, tests: () => void): void {
  const why = whyNoMachine();
  describe.skipIf(why !== null)(`${name}${why === null ? '' : ` (skipped: ${why})`}`, tests);
}

export function machineDriver(options: Partial<MachineDriverOptions> = {}) {
  return createMachineDriver({ logger, ...options });
}

/** A launch of the tiny guest. */
export function machineRequest(
  input: Partial<InstanceSpecInput> = {},
  changed: Partial<LaunchRequest> = {},
): LaunchRequest {
  const root = temporaryDirectory();
  return {
    instanceId: randomUUID(),
    vmmId: randomUUID(),
    spec: spec({
      vmm: 'machine',
      // The linker puts a note of the tiny guest above 128 MiB.
      memoryMiB: 160,
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

export async function launchMachine(
  input: Partial<InstanceSpecInput> = {},
  changed: Partial<LaunchRequest> = {},
  options: Partial<MachineDriverOptions> = {},
): Promise<{ vmm: Vmm; log: () => string; launched: LaunchRequest }> {
  const launched = machineRequest(input, changed);
  const vmm = owned(await machineDriver(options).launch(launched));
  return { vmm, launched, log: () => consoleLog(launched.logFile) };
}
