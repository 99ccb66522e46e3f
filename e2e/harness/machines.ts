import { createConnection } from 'node:net';
import { dirname, join } from 'node:path';
import { native } from '@drover/native';
import type { InstanceView } from '@drover/protocol';
import { INSTANCE_SPEC_SCHEMA, type InstanceSpecInput } from '@drover/types';
import { expect } from 'vitest';
import type { AgentProcess } from './agent-process.js';
import { ended } from './moving.js';
import { bareGuest } from './paths.js';

/** Why no machine runs here; null when one does. */
export const machinesMissing = ((): string | null => {
  // An addon that does not load is a failure, not a host without KVM.
  const addon = native();
  try {
    addon.kvmHost();
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
})();

/** For the title of what is skipped without machines. */
export const orWhyNoMachines = machinesMissing === null ? '' : ` (skipped: ${machinesMissing})`;

/** The guest that checks the state of processors and devices: `native/guest/state`. */
export const stateGuest = join(dirname(bareGuest), 'drover-state.elf');

export interface StateGuest {
  readonly name: string;
  readonly words: string;
  readonly cpus?: number;
  readonly clock?: 'wall' | 'stopped';
}

export function stateSpec({ name, words, cpus = 1, clock = 'wall' }: StateGuest): InstanceSpecInput {
  return {
    ...{ name, vmm: 'machine', cpus, memoryMiB: 32, clock },
    boot: { from: 'kernel', kernel: stateGuest, cmdline: words },
    components: { com1: { kind: 'serial-port', port: 'com1' } },
  };
}

/** Creates and starts an instance of any spec of version 3. */
export function startInstance(agent: AgentProcess, spec: InstanceSpecInput): Promise<InstanceView> {
  return agent.client.createInstance({
    spec: { schema: INSTANCE_SPEC_SCHEMA, version: 3, body: spec },
    start: true,
  });
}

/** Waits until the guest has said this on this host; resolves with all that it said here. */
export async function said(agent: AgentProcess, name: string, text: string | RegExp): Promise<string> {
  let log = '';
  const hears = async () => {
    log = await agent.client.getInstanceLog(name).catch(() => '');
    return typeof text === 'string' ? log.includes(text) : text.test(log);
  };
  await expect.poll(hears, { timeout: 40_000, message: `${name} says ${text} on ${agent.name}` }).toBe(true);
  return log;
}

/** Types on the guest's serial port. */
export async function type(agent: AgentProcess, name: string, text: string): Promise<void> {
  const { consoleSocket } = await agent.client.getInstance(name);
  if (consoleSocket === null) throw new Error(`${name} has no console`);
  await new Promise<void>((resolve, reject) => {
    const socket = createConnection(consoleSocket, () => socket.end(text, resolve));
    socket.on('error', reject);
  });
}

/** Moves an instance and waits for the end, whatever it is. */
export async function moveInstance(name: string, from: AgentProcess, to: AgentProcess) {
  const { peer } = await to.client.getHost();
  const { id } = await from.client.startMigration({ instance: name, destination: peer, settings: {} });
  return ended(from, id);
}
