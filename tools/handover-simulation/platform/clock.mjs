/** Timers and clocks of the code under test: the globals that it uses, on the virtual clock. */
import { host, world } from './current.mjs';

/** When every schedule begins. */
const EPOCH_MS = Date.UTC(2026, 0, 1);

class Timer {
  /** @type {import('../scheduler.mjs').Event | null} */
  event = null;
  unref() {
    return this;
  }
  ref() {
    return this;
  }
}

/** @param {(...args: unknown[]) => void} call @param {number} ms @param {unknown[]} args */
function startTimer(call, ms = 0, ...args) {
  const timer = new Timer();
  const { scheduler } = world();
  timer.event = scheduler.after(Math.max(1, ms), scheduler.current, () => call(...args));
  return timer;
}

/** @param {(...args: unknown[]) => void} call @param {number} ms @param {unknown[]} args */
function startInterval(call, ms = 1, ...args) {
  const timer = new Timer();
  const { scheduler } = world();
  const owner = scheduler.current;
  const again = () => {
    timer.event = scheduler.after(Math.max(1, ms), owner, () => {
      again();
      call(...args);
    });
  };
  again();
  return timer;
}

/** @param {unknown} timer */
function stopTimer(timer) {
  if (timer instanceof Timer && timer.event) world().scheduler.cancel(timer.event);
}

/** Puts the virtual clock under everything in this process; Node's own timers go on beneath it. */
export function installClock() {
  const RealDate = Date;
  class VirtualDate extends RealDate {
    /** @param {unknown[]} args */
    constructor(...args) {
      // @ts-expect-error Date's overloads
      super(...(args.length === 0 ? [VirtualDate.now()] : args));
    }
    /** @override */
    static now() {
      return EPOCH_MS + Math.floor(world().scheduler.now);
    }
  }
  Object.assign(globalThis, {
    setTimeout: startTimer,
    clearTimeout: stopTimer,
    setInterval: startInterval,
    clearInterval: stopTimer,
    setImmediate: (/** @type {() => void} */ call) => startTimer(call, 0),
    Date: VirtualDate,
  });
  // Agents end VMMs that nobody recorded by their pid: never may that reach a process of this machine.
  process.kill = (pid) => {
    const vmm = host().processes.get(pid);
    if (!vmm) throw Object.assign(new Error('kill ESRCH'), { code: 'ESRCH', syscall: 'kill' });
    vmm.end('killed by its agent');
    return true;
  };
  Object.defineProperty(performance, 'now', { value: () => world().scheduler.now });
}

/** As `node:timers/promises`. @param {number} ms @param {unknown} value @param {{ signal?: AbortSignal }} options */
export function sleep(ms, value, { signal } = {}) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(abortError());
    const onAbort = () => {
      stopTimer(timer);
      reject(abortError());
    };
    const timer = startTimer(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve(value);
    }, ms);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

function abortError() {
  return Object.assign(new Error('The operation was aborted'), { name: 'AbortError', code: 'ABORT_ERR' });
}

export { sleep as setTimeout };
