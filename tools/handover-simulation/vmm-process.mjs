/**
 * A VMM's process: it lives on its host, whatever becomes of the agent that holds a handle of it (`vmm.mjs`).
 *
 * The guest is a few pages that it writes while it runs, and a device state that every run changes: enough to tell whether what runs
 * is what ran before (R3, R5).
 */
export const PAGES = 6;

/** @typedef {import('./scheduler.mjs').Process} Agent */
/** @typedef {{ agent: Agent, listener: (event: import('@drover/vmm').VmmEvent) => void }} Listener */

export class VmmProcess {
  alive = true;
  running = false;
  /** The guest's memory: for each page the number of the write that it holds. */
  pages = Array.from({ length: PAGES }, () => 0);
  /** Number of the run whose end the devices hold; null before a guest was loaded or started. @type {number | null} */
  device = null;
  /** @type {Set<Set<number>>} what trackers have seen */
  trackers = new Set();
  /** Device state handed in, not yet loaded. @type {((device: number) => void) | null} */
  onState = null;
  /** Device state that came before memory was complete. @type {number | null} */
  #keptState = null;
  #lastWrites;
  #world;
  /** @type {Set<Listener>} */
  #listeners = new Set();

  /** @param {import('./world.mjs').World} world @param {import('./host.mjs').SimulatedHost} host @param {number} pid @param {{ instanceId: string, vmmId: string, directory: string, incoming: boolean }} made */
  constructor(world, host, pid, made) {
    this.#world = world;
    this.host = host;
    this.pid = pid;
    this.instanceId = made.instanceId;
    this.vmmId = made.vmmId;
    this.directory = made.directory;
    if (!made.incoming) this.device = 0;
    this.#lastWrites = world.scheduler.now;
  }

  /** Whoever looks at the guest's memory sees what it has written since somebody last looked. */
  catchUp() {
    const { random, scheduler } = this.#world;
    if (!this.running || scheduler.now <= this.#lastWrites) return;
    this.#lastWrites = scheduler.now;
    for (let left = 1 + random.below(3); left > 0; left -= 1) this.#write(random.below(PAGES));
  }

  /** @param {number} page */
  #write(page) {
    this.pages[page] = this.#world.rules.nextWrite();
    for (const seen of this.trackers) seen.add(page);
  }

  run() {
    if (this.running) return;
    this.#world.rules.beforeRun(this);
    this.running = true;
    this.device = this.#world.rules.nextRun();
    this.#lastWrites = this.#world.scheduler.now - 1;
    this.catchUp();
    this.#world.scheduler.note(`guest runs on ${this.host.name}`);
  }

  pause() {
    if (!this.running) return;
    this.catchUp();
    this.running = false;
    this.#world.scheduler.note(`guest pauses on ${this.host.name}`);
  }

  /** @param {number} device */
  takeState(device) {
    const { onState } = this;
    this.onState = null;
    if (onState) onState(device);
    else this.#keptState = device;
  }

  /** Device state that is here or comes is for `load`, once. @param {(device: number) => void} load */
  awaitState(load) {
    const kept = this.#keptState;
    this.#keptState = null;
    if (kept === null) this.onState = load;
    else load(kept);
  }

  /** @param {string} why */
  end(why) {
    if (!this.alive) return;
    this.catchUp();
    this.alive = false;
    this.running = false;
    this.host.processes.remove(this.pid);
    this.#world.scheduler.note(`VMM ${this.pid} on ${this.host.name} ends: ${why}`);
    for (const { agent, listener } of this.#listeners) {
      this.#world.scheduler.after(0.1, agent, () => listener({ kind: 'exited', message: why }));
    }
  }

  /** @param {Listener} listener */
  listen(listener) {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** @param {Agent} agent */
  forgetListeners(agent) {
    for (const each of this.#listeners) if (each.agent === agent) this.#listeners.delete(each);
    // Trackers are the agent's.
    this.trackers.clear();
  }
}
