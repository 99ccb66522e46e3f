/** Hosts and guests that are simulated, behind real HTTP. */
import { setTimeout as sleep } from 'node:timers/promises';
import { instanceSpecSchema } from '@drover/types';
import { FakeFleet } from '../../../packages/control-plane/dist/testing/index.js';
import { eventually, inParallel } from './waiting.mjs';

/** @import { Replica } from './replica.mjs' */

export const VMMS_PER_HOST = 20;
/** Between two looks at which hosts are due to say that they live, ms. */
const HEARTBEAT_TICK_MS = 100;
/** Registrations at once. */
const AT_ONCE = 32;

export class Population {
  /** @param {FakeFleet} fleet */
  constructor(fleet) {
    this.fleet = fleet;
    /** @type {import('../../../packages/control-plane/dist/testing/index.js').FakeHost[]} */
    this.hosts = [];
  }

  static async start() {
    return new Population(await FakeFleet.start());
  }

  get vmms() {
    return this.hosts.length * VMMS_PER_HOST;
  }

  /**
   * More hosts, until there are `hosts`; resolves when the control plane knows every VMM.
   *
   * @param {Replica} replica
   * @param {number} hosts
   * @returns {Promise<number>} how long that took, ms
   */
  async grow(replica, hosts) {
    this.fleet.controlPlane = replica.url;
    const fresh = [];
    while (this.hosts.length < hosts) {
      const number = this.hosts.length;
      const host = this.fleet.addHost({ name: `host-${number}`, memoryBytes: 1024 ** 4, cpus: 256 });
      host.recordRequests = false;
      for (let guest = 0; guest < VMMS_PER_HOST; guest += 1)
        host.addInstance(specOf(`guest-${number}-${guest}`));
      this.hosts.push(host);
      fresh.push(host);
    }
    const startedAt = performance.now();
    await inParallel(fresh, AT_ONCE, async (host) => {
      const response = await host.register(replica.url);
      if (!response.ok) throw new Error(`${host.name} could not register: ${await response.text()}`);
      await response.arrayBuffer();
    });
    await eventually(
      async () => (await replica.metric('drover_vmms')).get('') ?? 0,
      (known) => known >= this.vmms,
      { everyMs: 250, forMs: 900_000, what: `${this.vmms} VMMs to be known` },
    );
    return performance.now() - startedAt;
  }

  random() {
    const host = this.hosts[Math.floor(Math.random() * this.hosts.length)];
    const ids = [...(host?.vmms.keys() ?? [])];
    const vmmId = ids[Math.floor(Math.random() * ids.length)];
    if (!host || !vmmId) throw new Error('there are no VMMs');
    return { host, vmmId };
  }

  /**
   * Signs of life, each host once in `periodMs`, spread over it as hosts that started one after the other are. Ends when `signal` aborts.
   *
   * @param {string} url
   * @param {number} periodMs
   * @param {AbortSignal} signal
   */
  async heartbeat(url, periodMs, signal) {
    for (let next = 0; !signal.aborted; ) {
      await sleep(HEARTBEAT_TICK_MS);
      const share = Math.ceil((this.hosts.length * HEARTBEAT_TICK_MS) / periodMs);
      const due = Array.from({ length: share }, (_, index) => this.hosts[(next + index) % this.hosts.length]);
      next = this.hosts.length === 0 ? 0 : (next + share) % this.hosts.length;
      await inParallel(due, AT_ONCE, async (host) => {
        await host?.register(url).then(
          (response) => response.arrayBuffer(),
          () => undefined,
        );
      });
    }
  }
}

/** @param {string} name */
function specOf(name) {
  return instanceSpecSchema.parse({
    ...{ name, cpus: 1, memoryMiB: 512 },
    boot: { from: 'kernel', kernel: '/boot/vmlinuz' },
  });
}
