/** Two hosts and one guest that many cells share; after a cell that failed they are made anew. */
import { join } from 'node:path';
import { fullDisk } from '../../tools/full-disk/full-disk.mjs';
import type { AgentProcess } from '../harness/agent-process.js';
import { bareSpec, machineSpec } from '../harness/guests.js';
import { type Guest, startGuest } from '../harness/moving.js';
import { removeInstances, startTwoHosts, type TwoHosts } from '../harness/two-hosts.js';
import { type CellOutcome, holdsOf, movesAgain, runCell } from './cell.js';
import type { Fault } from './faults.js';
import type { Phase, PhaseName } from './phases.js';

export const DRIVERS = ['qemu', 'machine'] as const;
export type Driver = (typeof DRIVERS)[number];

/**
 * The agents' limits, far below their defaults, so that every fault outlasts them; and above what an agent on a
 * busy machine needs to say that it is there.
 */
const LIMITS = {
  DROVER_KEEPALIVE_MS: '500',
  DROVER_SILENCE_MS: '2500',
  DROVER_STALL_MS: '2500',
  DROVER_CONNECT_MS: '2000',
  DROVER_SWITCHOVER_MS: '3000',
  DROVER_RETRY_MS: '500',
};

/** Pages a second: fewer than the rounds' bandwidth carries (`SLOW_ROUNDS` in `cell.ts`), so that they come to an end. */
const WRITES = 200;

export class Field {
  #hosts: TwoHosts | null = null;
  #guest: { readonly guest: Guest; at: AgentProcess } | null = null;
  #made = 0;

  constructor(private readonly driver: Driver) {}

  /** One cell, and then another migration. Throws what does not hold. */
  async run(phase: Phase & { readonly name: PhaseName }, fault: Fault): Promise<CellOutcome> {
    try {
      const hosts = await this.#started();
      const { guest, at: from } = await this.#guestOn(hosts.a);
      const to = from === hosts.a ? hosts.b : hosts.a;
      const { at, ...outcome } = await runCell({ hosts, guest, from, to, phase, fault });
      if (at === null) {
        guest.meter.detach();
        await Promise.all([from, to].map(removeInstances));
        this.#guest = null;
      }
      const again = await this.#guestOn(hosts.a);
      await movesAgain(again.guest, again.at, again.at === hosts.a ? hosts.b : hosts.a);
      return outcome;
    } catch (error) {
      const logs = this.#logs();
      await this.close();
      if (error instanceof Error) error.message += logs;
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#guest?.guest.meter.detach();
    this.#guest = null;
    await this.#hosts?.close();
    this.#hosts = null;
  }

  async #started(): Promise<TwoHosts> {
    this.#hosts ??= await startTwoHosts((directory) => ({
      ...LIMITS,
      ...fullDisk(join(directory, 'state')).environment,
      DROVER_TEST_HOLDS: holdsOf(directory),
    }));
    return this.#hosts;
  }

  async #guestOn(host: AgentProcess): Promise<{ readonly guest: Guest; at: AgentProcess }> {
    if (this.#guest) {
      // Where it is now: a cell or a migration may have moved it.
      for (const one of [this.#hosts?.a, this.#hosts?.b]) {
        const found = await one?.client.getInstance(this.#guest.guest.name).catch(() => null);
        if (one && found) this.#guest.at = one;
      }
      return this.#guest;
    }
    this.#made += 1;
    const options = { name: `guest-${this.#made}`, pages: 1024, rate: WRITES, memoryMiB: 32 } as const;
    const guest =
      this.driver === 'qemu'
        ? await startGuest(host, bareSpec(options))
        : await startGuest(host, machineSpec(options), { specVersion: 3 });
    this.#guest = { guest, at: host };
    return this.#guest;
  }

  /** What the agents said last, for whoever has to find out what went wrong. */
  #logs(): string {
    if (process.env.DROVER_E2E_FAULTS_LOGS === undefined) return '';
    const { a, b } = this.#hosts ?? {};
    return [a, b].map((agent) => `\n--- ${agent?.name}\n${agent?.log().slice(-12_000)}`).join('');
  }
}
