/**
 * One schedule: a guest is made on one host and moved to the other while things go wrong; then everything is mended, and what must be true
 * in the end is looked for.
 */
import { pickFault } from './faults.mjs';
import { installClock } from './platform/clock.mjs';
import { setWorld } from './platform/current.mjs';
import { NORTH, SOUTH, World } from './world.mjs';

/** Faults come at one of this many events from the start of the migration; a whole one takes about two hundred. */
const FAULTY_STEPS = 330;
/** Half of them in these: from the end of the rounds until both sides have forgotten the migration. */
const HANDOVER_STEPS = /** @type {const} */ ([90, 210]);
/** Most faults in one schedule. */
const MOST_FAULTS = 4;
/**
 * So often somebody with another epoch is at the destination before the migration comes to READY. As one fault among many it would meet that
 * moment too rarely to prove anything.
 */
const STRANGER_CHANCE = 0.05;
/** How long faults go on, and how long everything may take to come right afterwards, ms. */
const FAULTY_MS = 90_000;
const MENDED_MS = 900_000;
/** How long a thing without faults may take, ms. */
const ORDINARY_MS = 60_000;

/**
 * @typedef {{ seed: number, steps: number, virtualMs: number, faults: string[], outcome: string, violations: string[], trace: string[] }} Result
 * @param {import('./world.mjs').CodeUnderTest} code @param {number} seed @param {boolean} traced @returns {Promise<Result>}
 */
export async function runSchedule(code, seed, traced) {
  const world = new World(code, seed, traced);
  setWorld(world);
  installOnce();
  const stray = (/** @type {unknown} */ thrown) => {
    world.rules.violated(
      'R6',
      `a rejection that nobody handles: ${thrown instanceof Error ? thrown.stack : thrown}`,
    );
  };
  process.on('unhandledRejection', stray);
  /** @type {string[]} */
  const faults = [];
  let outcome = 'unfinished';
  try {
    const operator = new Operator(world);
    if (await operator.begin()) outcome = await withFaults(world, operator, faults);
  } catch (thrown) {
    world.rules.violated(
      'R6',
      `an exception that nobody handles: ${thrown instanceof Error ? thrown.stack : thrown}`,
    );
  } finally {
    process.off('unhandledRejection', stray);
    for (const { agent } of world.hosts) if (agent) agent.alive = false;
    setWorld(null);
  }
  const { scheduler, rules } = world;
  return {
    seed,
    steps: scheduler.steps,
    virtualMs: scheduler.now,
    faults,
    outcome,
    violations: rules.violations,
    trace: scheduler.trace ?? [],
  };
}

/** @param {import('./random.mjs').Random} random */
function faultyStep(random) {
  const [first, last] = HANDOVER_STEPS;
  return random.chance(0.5) ? first + random.below(last - first) : random.below(FAULTY_STEPS);
}

let installed = false;
function installOnce() {
  if (installed) return;
  installed = true;
  installClock();
}

/** @param {World} world @param {Operator} operator @param {string[]} faults */
async function withFaults(world, operator, faults) {
  const { random, scheduler } = world;
  const count = random.below(MOST_FAULTS + 1);
  const from = scheduler.steps;
  const planned = Array.from({ length: count }, () => from + faultyStep(random)).toSorted((a, b) => a - b);
  operator.migrate(NORTH, SOUTH);
  if (random.chance(STRANGER_CHANCE)) {
    faults.push('COMMIT of another epoch (south) at READY');
    scheduler.note('FAULT: COMMIT of another epoch (south) at READY');
    world.stranger(world.host(SOUTH));
  }
  const until = scheduler.now + FAULTY_MS;
  for (const step of planned) {
    await scheduler.run(() => scheduler.steps >= step, until);
    const fault = pickFault(random);
    const host = random.pick(world.hosts);
    faults.push(`${fault.name} (${host.name}) at event ${scheduler.steps - from}`);
    scheduler.note(`FAULT: ${fault.name} (${host.name})`);
    fault.happen(world, host);
  }
  await scheduler.run(() => operator.isSettled(), until);
  operator.mend();
  await scheduler.run(() => operator.isSettled(), scheduler.now + MENDED_MS);
  // Connections linger for a second, and timers with them.
  await scheduler.run(() => false, scheduler.now + 30_000);
  await operator.startWhatFailed();
  const outcome = operator.judge();
  if (world.rules.violations.length === 0 && random.chance(0.25)) await operator.moveOnceMore();
  return outcome;
}

/** Who makes, moves and starts guests, mends what is broken, and looks at what came of it. */
class Operator {
  #world;
  #instanceId;
  /** Agents that have not answered yet. @type {Set<import('./scheduler.mjs').Process>} */
  #asked = new Set();

  /** @param {World} world */
  constructor(world) {
    this.#world = world;
    this.#instanceId = world.random.uuid();
  }

  /** Both agents up and a guest running on north; false where that was not to be had. */
  async begin() {
    const { scheduler, hosts, code } = this.#world;
    for (const host of hosts) host.startAgent();
    await scheduler.run(() => hosts.every(({ agent }) => agent?.parts && agent.agent), ORDINARY_MS);
    const spec = code.instanceSpecSchema.parse({
      name: 'guest',
      cpus: 1,
      memoryMiB: 64,
      boot: { from: 'kernel', kernel: '/boot/vmlinuz' },
      components: { com1: { kind: 'serial-port', port: 'com1' } },
    });
    this.#on(NORTH, ({ lifecycle }) => lifecycle.create(spec, { id: this.#instanceId, start: true }));
    await scheduler.run(() => this.#running().length === 1, scheduler.now + ORDINARY_MS);
    await scheduler.run(() => false, scheduler.now + 50);
    if (this.#running().length === 1) return true;
    this.#world.rules.violated('R2', 'a guest could not be started although nothing was wrong');
    return false;
  }

  /** @param {string} from @param {string} to */
  migrate(from, to) {
    const { code, random } = this.#world;
    const settings = code.migrationSettingsSchema.parse({
      connections: 1,
      maxRounds: 1 + random.below(3),
      verify: random.chance(0.3),
    });
    this.#on(from, ({ outgoing }) =>
      outgoing.start({ instance: 'guest', destination: { host: to, port: 7701 }, settings, backends: {} }),
    );
  }

  /** Everything works again. */
  mend() {
    const { hosts, network, scheduler } = this.#world;
    scheduler.note('everything is mended');
    network.heal();
    for (const host of hosts) {
      host.disk.full = false;
      host.disk.atNextWrite = null;
      // An agent whose journal could not be written says so, and asks to be started again.
      if (host.diskWasFull || host.agent?.stopping) host.killAgent();
      if (!host.agent?.alive) host.startAgent();
    }
  }

  /** Nothing is under way any more. */
  isSettled() {
    if ([...this.#asked].some(({ alive }) => alive)) return false;
    return this.#world.hosts.every(({ agent, disk }) => {
      if (!agent?.alive || !agent.parts || !agent.agent) return false;
      const { store, registry } = agent.parts;
      return (
        store.list().every(({ endedAt }) => endedAt !== null) &&
        registry
          .list()
          .every(({ operation, snapshot }) => operation === null && snapshot.migration === null) &&
        !disk.namesIn('/state/migrations').some((name) => name.endsWith('.abort.json'))
      );
    });
  }

  /** A guest whose VMM was killed is started again, wherever an agent lets it be: that must be in one place. */
  async startWhatFailed() {
    const { scheduler, hosts } = this.#world;
    for (const { agent, address } of hosts) {
      const instance = agent?.parts?.registry.get(this.#instanceId);
      if (!instance || !['failed', 'stopped'].includes(instance.snapshot.life)) continue;
      this.#on(address, ({ lifecycle }) => lifecycle.start(instance));
      await scheduler.run(
        () => instance.snapshot.life === 'running' && instance.operation === null,
        scheduler.now + ORDINARY_MS,
      );
    }
  }

  /** What must be true once everything is mended; answers how the migration ended. */
  judge() {
    const { rules, hosts } = this.#world;
    const running = this.#running();
    if (running.length !== 1) {
      const lives = hosts.map(
        ({ name, agent }) =>
          `${name} ${agent?.parts?.registry.get(this.#instanceId)?.snapshot.life ?? 'nothing'}`,
      );
      rules.violated(
        running.length > 1 ? 'R1' : 'R2',
        `${running.length} VMMs run in the end (${lives.join(', ')})`,
      );
    }
    for (const host of hosts) this.#judgeHost(host, running[0]?.host === host);
    const [north] = hosts;
    return north?.agent?.parts?.store.list()[0]?.state ?? 'never begun';
  }

  /** @param {import('./host.mjs').SimulatedHost} host @param {boolean} hasGuest */
  #judgeHost({ name, agent, disk, processes }, hasGuest) {
    const { rules, network } = this.#world;
    const left = (/** @type {string} */ what) => rules.violated('R12', `${what} is left on ${name}`);
    if (!agent?.parts)
      return rules.violated('R11', `the agent of ${name} is not up: ${agent?.failure ?? 'no reason'}`);
    for (const vmm of processes.list()) if (!vmm.running) left(`the VMM ${vmm.pid}, which does not run,`);
    const { registry, store } = agent.parts;
    const instances = registry.list();
    if (instances.length !== (hasGuest ? 1 : 0))
      rules.violated('R2', `${name} has ${instances.length} instances and ${hasGuest ? 1 : 0} guests`);
    for (const { operation, snapshot } of instances) {
      if (operation) left(`the operation ${operation}`);
      if (snapshot.migration) left(`the migration of an instance that is ${snapshot.life}`);
    }
    for (const { id, state, endedAt } of store.list())
      if (endedAt === null) left(`migration ${id}, ${state},`);
    if (network.heldBy(agent) > 0) left(`${network.heldBy(agent)} open connections`);
    const files = ['/state/journal', '/state/migrations', '/state/instances'].flatMap((path) =>
      disk.namesIn(path),
    );
    for (const file of files)
      if (file.endsWith('.tmp') || file.endsWith('.abort.json')) left(`the file ${file}`);
    const directories = disk.namesIn('/run').flatMap((each) => disk.namesIn(`/run/${each}`));
    if (directories.length !== (hasGuest ? 1 : 0)) left(`the run directory ${directories.join(', ')}`);
  }

  /** The next attempt, without a fault, must succeed (R5, R12). */
  async moveOnceMore() {
    const { scheduler, rules } = this.#world;
    const [vmm] = this.#running();
    if (!vmm) return;
    const [from, to] = vmm.host.address === NORTH ? [NORTH, SOUTH] : [SOUTH, NORTH];
    this.migrate(from, to);
    await scheduler.run(
      () => this.#running().some(({ host }) => host.address === to) && this.isSettled(),
      scheduler.now + MENDED_MS,
    );
    await scheduler.run(() => false, scheduler.now + 30_000);
    if (!this.#running().some(({ host }) => host.address === to))
      rules.violated('R12', 'the next migration, without a fault, did not succeed');
    else this.judge();
  }

  #running() {
    return this.#world.hosts.flatMap(({ processes }) => processes.list()).filter(({ running }) => running);
  }

  /** Asks the agent of a host; what it refuses is in the trace. @param {string} address @param {(parts: import('./host.mjs').AgentParts) => Promise<unknown>} ask */
  #on(address, ask) {
    const { scheduler } = this.#world;
    const { agent, name } = this.#world.host(address);
    const parts = agent?.parts;
    if (!agent || !parts) return;
    this.#asked.add(agent);
    scheduler.after(0, agent, () => {
      ask(parts)
        .catch((/** @type {Error} */ thrown) => scheduler.note(`${name} refuses: ${thrown.message}`))
        .then(() => this.#asked.delete(agent));
    });
  }
}
