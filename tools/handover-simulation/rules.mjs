/**
 * What must hold, judged from outside: by what VMMs do, what is durable on the disks and what goes over the wire, never by what an agent
 * says of itself.
 *
 * | rule | judged when | what is wrong |
 * | --- | --- | --- |
 * | R1 | a VMM begins to run | another VMM of the instance runs |
 * | R2 | an agent destroys a VMM | it was the last one from which the guest could go on, whatever is decided |
 * | R3, R5 | a VMM begins to run | its memory or its devices are not what the guest had when it last ran |
 * | R4 | a VMM begins to run | the durable journal of its host does not let it |
 * | R4 | a VMM begins to run that came by a migration | the journal of its source does not say that it was given away |
 * | R4 | COMMIT is sent | RELINQUISHED is not durable |
 */
const COMMIT = /"migrationId":"([0-9a-f-]{36})","epoch":"(\d+)"\}/;

/** @typedef {{ role: string, state: string, migrationId: string, instanceId: string, epoch: string }} Entry */

/** States of the newest entry of an instance in which its host may run it. */
const MAY_RUN = new Set(['source owned', 'source aborted', 'source taken-back', 'destination owned']);
export const JOURNAL = '/state/journal/ownership.log';

export class Rules {
  /** @type {string[]} */
  violations = [];
  /** The VMM that ran last, and so has what the guest is now, by instance. @type {Map<string, import('./vmm-process.mjs').VmmProcess>} */
  latest = new Map();
  /** A VMM was killed: the guest may have been in it alone, and then nobody can keep it. */
  vmmWasKilled = false;
  #world;
  #writes = 0;
  #runs = 0;

  /** @param {import('./world.mjs').World} world */
  constructor(world) {
    this.#world = world;
    world.network.onSent = (socket, bytes) => this.#onSent(socket, bytes);
  }

  nextWrite() {
    this.#writes += 1;
    return this.#writes;
  }

  nextRun() {
    this.#runs += 1;
    return this.#runs;
  }

  /** @param {string} rule @param {string} what */
  violated(rule, what) {
    this.violations.push(`${rule}: ${what}`);
    this.#world.scheduler.note(`VIOLATION of ${rule}: ${what}`);
  }

  /** @param {import('./vmm-process.mjs').VmmProcess} vmm */
  beforeRun(vmm) {
    const { instanceId, host } = vmm;
    const others = this.#vmms(instanceId).filter((other) => other !== vmm);
    const running = others.find((other) => other.running);
    if (running)
      this.violated('R1', `a guest begins to run on ${host.name} while it runs on ${running.host.name}`);

    const latest = this.latest.get(instanceId);
    if (latest && latest !== vmm) {
      if (vmm.device === 0) {
        const left = others.find((other) => this.#hasGuest(other));
        if (left)
          this.violated('R2', `a guest is started anew on ${host.name} although ${left.host.name} has it`);
      } else if (!this.#hasGuest(vmm)) {
        this.violated('R3', `the guest on ${host.name} is not what it was on ${latest.host.name}`);
      }
    }
    const entry = durableEntry(host, instanceId);
    if (entry && !MAY_RUN.has(`${entry.role} ${entry.state}`)) {
      this.violated(
        'R4',
        `a guest begins to run on ${host.name}, whose disk says ${entry.role} ${entry.state} ${entry.epoch}`,
      );
    }
    if (entry?.role === 'destination') this.#judgeGift(host, entry);
    this.latest.set(instanceId, vmm);
  }

  /** What a destination owns, its source has given away. @param {import('./host.mjs').SimulatedHost} host @param {Entry} owned */
  #judgeGift(host, owned) {
    const source = this.#world.hosts.find((each) => each !== host);
    const given =
      source &&
      durableEntries(source).findLast(
        (each) => each.role === 'source' && each.migrationId === owned.migrationId,
      );
    if (given?.state === 'relinquished' || given?.state === 'done') return;
    this.violated(
      'R4',
      `a guest begins to run on ${host.name}, and ${source?.name} has not given it away: ${given?.state ?? 'nothing'}`,
    );
  }

  /** @param {import('./vmm-process.mjs').VmmProcess} vmm */
  beforeDestroy(vmm) {
    if (!this.#hasGuest(vmm) || this.vmmWasKilled) return;
    const others = this.#vmms(vmm.instanceId).filter((other) => other !== vmm && this.#hasGuest(other));
    // A destination that is READY may yet be told to tear down; a source that has relinquished can take back.
    const canGoOn = others.some(({ host, instanceId }) => {
      const entry = durableEntry(host, instanceId);
      const where = `${entry?.role} ${entry?.state}`;
      return entry === null || MAY_RUN.has(where) || where === 'source relinquished';
    });
    if (!canGoOn)
      this.violated('R2', `the VMM on ${vmm.host.name} is destroyed, and from no other its guest can go on`);
  }

  /** Whether the guest could go on from this VMM. @param {import('./vmm-process.mjs').VmmProcess} vmm */
  #hasGuest(vmm) {
    const latest = this.latest.get(vmm.instanceId);
    if (!latest || !vmm.alive) return false;
    return (
      vmm === latest ||
      (vmm.device === latest.device && vmm.pages.every((write, page) => write === latest.pages[page]))
    );
  }

  /** @param {string} instanceId */
  #vmms(instanceId) {
    return this.#world.hosts
      .flatMap(({ processes }) => processes.list())
      .filter((vmm) => vmm.instanceId === instanceId);
  }

  /** @param {import('./network.mjs').SimulatedSocket} socket @param {Uint8Array} bytes */
  #onSent(socket, bytes) {
    const { host } = socket.owner ?? { host: null };
    const [, migrationId, epoch] = COMMIT.exec(Buffer.from(bytes).toString('latin1')) ?? [];
    if (!host || migrationId === undefined) return;
    const entry = durableEntries(host).findLast(
      (each) => each.migrationId === migrationId && each.role === 'source',
    );
    if (entry?.state !== 'relinquished' || entry.epoch !== epoch) {
      this.violated(
        'R4',
        `COMMIT of epoch ${epoch} leaves ${host.name}, whose disk says ${entry?.state ?? 'nothing'}`,
      );
    }
  }
}

/** The newest entry of an instance that a loss of power would leave. @param {import('./host.mjs').SimulatedHost} host @param {string} instanceId */
function durableEntry(host, instanceId) {
  return durableEntries(host).findLast((entry) => entry.instanceId === instanceId) ?? null;
}

/**
 * Read as simply as can be, and not by the code that is judged.
 * @param {import('./host.mjs').SimulatedHost} host
 * @returns {Entry[]}
 */
export function durableEntries({ disk }) {
  const entries = [];
  const lines = (disk.durable(JOURNAL)?.toString('latin1') ?? '').split('\n');
  for (const line of lines.slice(1, -1)) {
    try {
      entries.push(JSON.parse(line.slice(9)));
    } catch {
      // The rest of a write that was torn or failed; the agent cuts it when it starts.
      break;
    }
  }
  return entries;
}
