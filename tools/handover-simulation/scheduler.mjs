/**
 * What happens next, and when: one event at a time on a virtual clock. All code that an event sets going runs to its next wait before the
 * following event, and every wait of the code under test ends by an event; so the order of events, which the seed decides, is the whole
 * schedule.
 *
 * Each event belongs to the process (an agent from its start to its end) that called for it. Those of a process that was killed
 * never come: that is what being killed is.
 */
import { setImmediate as settled } from 'node:timers/promises';

/** @typedef {{ name: string, alive: boolean, host: import('./host.mjs').SimulatedHost | null }} Process */
/** @typedef {{ at: number, order: number, owner: Process | null, run: (() => void) | null }} Event */

export class Scheduler {
  /** ms since the schedule began */
  now = 0;
  /** Events so far. */
  steps = 0;
  /** Whose code is running. @type {Process | null} */
  current = null;
  random;
  /** Lines of what happened, for a violation's report; null where nobody will read them. @type {string[] | null} */
  trace;
  /** @type {Event[]} a heap, earliest first */
  #heap = [];
  #order = 0;

  /** @param {import('./random.mjs').Random} random @param {boolean} traced */
  constructor(random, traced) {
    this.random = random;
    this.trace = traced ? [] : null;
  }

  /** @param {string} line */
  note(line) {
    this.trace?.push(`${this.now.toFixed(1).padStart(10)} ms  #${String(this.steps).padEnd(5)} ${line}`);
  }

  /**
   * Has `run` called in `delay` ms as `owner`, unless that process is gone by then.
   * @param {number} delay @param {Process | null} owner @param {() => void} run @returns {Event}
   */
  after(delay, owner, run) {
    const event = { at: this.now + Math.max(0, delay), order: this.#order++, owner, run };
    this.#push(event);
    return event;
  }

  /** @param {Event} event */
  cancel(event) {
    event.run = null;
  }

  /** Resolves after `delay` ms for the process that asks; never, once it is gone. @param {number} delay @returns {Promise<void>} */
  wait(delay) {
    return new Promise((resolve) => this.after(delay, this.current, resolve));
  }

  /** Runs events until `done` says so, or none is left, or `untilMs` has come. @param {() => boolean} done @param {number} untilMs */
  async run(done, untilMs) {
    while (!done()) {
      const event = this.#pop();
      if (event === null) return;
      if (event.at > untilMs) {
        this.#push(event);
        this.now = untilMs;
        return;
      }
      this.now = event.at;
      this.steps += 1;
      await this.as(event.owner, /** @type {() => void} */ (event.run));
    }
  }

  /** Runs `work` as `owner`, and all that follows from it at once. @param {Process | null} owner @param {() => void} work */
  async as(owner, work) {
    this.current = owner;
    work();
    // Comes after every promise and every next tick that can go on.
    await settled();
    this.current = null;
  }

  /** Timers that a process still has. @param {Process} owner */
  pendingOf(owner) {
    return this.#heap.filter((event) => event.run !== null && event.owner === owner).length;
  }

  /** @param {Event} event */
  #push(event) {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!earlier(event, /** @type {Event} */ (heap[parent]))) break;
      heap[at] = /** @type {Event} */ (heap[parent]);
      at = parent;
    }
    heap[at] = event;
  }

  /** The next event that is still wanted. @returns {Event | null} */
  #pop() {
    for (;;) {
      const event = this.#popAny();
      if (event === null) return null;
      if (event.run !== null && (event.owner === null || event.owner.alive)) return event;
    }
  }

  #popAny() {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined) return null;
    if (first === last) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      const left = heap[child];
      if (left === undefined) break;
      const right = heap[child + 1];
      if (right !== undefined && earlier(right, left)) child += 1;
      const smaller = /** @type {Event} */ (heap[child]);
      if (!earlier(smaller, last)) break;
      heap[at] = smaller;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

/** @param {Event} a @param {Event} b */
function earlier(a, b) {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
