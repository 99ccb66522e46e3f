/**
 * Measures a guest's life from outside, by the beats on its serial consoles:
 *
 *   node tools/beat/beat-meter.mjs SOCKET... [--seconds N] [--json]
 *
 * Name the source's and the destination's console; either may appear later. It ends after `--seconds`, or on SIGINT or
 * SIGTERM, and prints its summary. Exit code 0: the guest is alive and nothing was bad, missing or double.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { BeatRecord } from './beat-record.mjs';
import { nowMs } from './clock.mjs';
import { ConsoleSocket } from './console-socket.mjs';

/** @import { BeatSummary } from './beat-record.mjs' */
/** @import { VerifiedLine } from './guest-lines.mjs' */

/** How often a wait looks. */
const POLL_MS = 2;
/** A guest that has not answered for so long, ms, was not reached by the question: an answer takes a second or two. */
const ASK_AGAIN_MS = 15_000;

/**
 * @typedef {object} WaitOptions
 * @property {number} timeoutMs
 * @property {AbortSignal} [signal]
 */

export class BeatMeter {
  #record = new BeatRecord();
  /** @type {Map<string, ConsoleSocket>} */
  #consoles = new Map();

  /**
   * Listens to a serial console from now on, as soon as its socket is there; again after it was closed.
   * The path is also the name of the source in the summary. A second call for the same path changes nothing.
   *
   * @param {string} socketPath
   */
  attach(socketPath) {
    if (this.#consoles.has(socketPath)) return;
    const console = new ConsoleSocket(socketPath, (text, atMs) => this.#record.add(socketPath, text, atMs));
    this.#consoles.set(socketPath, console);
  }

  /**
   * Stops listening to one console, or to all; what was measured stays.
   *
   * @param {string} [socketPath]
   */
  detach(socketPath) {
    const paths = socketPath === undefined ? [...this.#consoles.keys()] : [socketPath];
    for (const path of paths) {
      this.#consoles.get(path)?.close();
      this.#consoles.delete(path);
    }
  }

  /**
   * Takes in text that came by another way than a socket, a log or a WebSocket for instance.
   *
   * @param {string} source
   * @param {string} text
   */
  add(source, text) {
    this.#record.add(source, text, nowMs());
  }

  /** Forgets beats, gaps and failures up to now. */
  reset() {
    this.#record.reset();
  }

  /**
   * @param {{ aliveWithinMs?: number }} [options] How fresh the last beat of a living guest is; 1000 unless told.
   * @returns {BeatSummary}
   */
  summary(options) {
    return this.#record.summary(nowMs(), options);
  }

  /** True while the console at this path is connected. @param {string} socketPath */
  isConnected(socketPath) {
    return this.#consoles.get(socketPath)?.isConnected ?? false;
  }

  /** What the guest printed that were no lines of its own: its kernel's messages. */
  get otherLines() {
    return this.#record.otherLines;
  }

  /**
   * Waits until the working set is filled.
   *
   * @param {WaitOptions} options
   */
  async waitForReady(options) {
    await this.#waitUntil('the guest is READY', () => this.#record.ready, options);
  }

  /**
   * Waits for `count` more beats than there are now, from one source or from any.
   *
   * @param {number} count
   * @param {WaitOptions & { source?: string }} options
   */
  async waitForBeats(count, { source, ...options }) {
    const target = this.#record.beatsFrom(source) + count;
    const what = `${count} beats came${source === undefined ? '' : ` from ${source}`}`;
    await this.#waitUntil(what, () => this.#record.beatsFrom(source) >= target, options);
  }

  /**
   * Has the guest verify its whole working set and waits for the answer. A port that nobody read for a moment drops the end of a
   * line (native/guest/README.md): where that was the answer's, it is asked again. So it is where no answer comes: what is typed on the console of a
   * VMM that ends then goes with it.
   *
   * @param {WaitOptions} options
   * @returns {Promise<VerifiedLine>}
   */
  async verify(options) {
    this.#record.verified = null;
    this.#ask();
    let askedAt = nowMs();
    const isAnswered = () => {
      if (this.#record.verified !== null) return true;
      if (this.#record.verifiedIsTorn || nowMs() - askedAt > ASK_AGAIN_MS) {
        this.#ask();
        askedAt = nowMs();
      }
      return false;
    };
    await this.#waitUntil('the guest verified its memory', isAnswered, options);
    return /** @type {VerifiedLine} */ (/** @type {unknown} */ (this.#record.verified));
  }

  #ask() {
    const live = this.#consoles.get(this.#record.liveSource ?? '');
    this.#record.verifiedIsTorn = false;
    if (live === undefined || !live.send('v'))
      throw new Error('The guest has no console that it could be asked on');
  }

  /**
   * @param {string} what
   * @param {() => boolean} isTrue
   * @param {WaitOptions} options
   */
  async #waitUntil(what, isTrue, { timeoutMs, signal }) {
    const deadline = nowMs() + timeoutMs;
    while (!isTrue()) {
      if (this.#record.refusal !== null)
        throw new Error(`The guest refused to start: ${this.#record.refusal}`);
      if (nowMs() > deadline) {
        const said = this.#record.otherLines.slice(-5).join(' | ');
        throw new Error(
          `Not within ${timeoutMs} ms: ${what}${said === '' ? '' : `; the guest said: ${said}`}`,
        );
      }
      await sleep(POLL_MS, undefined, { signal });
    }
  }
}

/** @param {BeatSummary} summary */
function describe(summary) {
  const ms = (/** @type {number} */ value) => `${value.toFixed(2)} ms`;
  const gap = summary.longestGap;
  return [
    `beats       ${summary.beats} (${summary.missing} missing, ${summary.duplicates} double, ${summary.torn} torn)`,
    gap === null
      ? 'longest gap none'
      : `longest gap ${ms(gap.ms)}, before beat ${gap.after.counter} from ${gap.after.source}`,
    ...summary.switchovers.map(
      ({ before, after, ms: length }) =>
        `switchover  ${ms(length)} from ${before.source} (beat ${before.counter}) to ${after.source} (beat ${after.counter})`,
    ),
    `bad         ${summary.bad}`,
    `alive       ${summary.alive ? 'yes' : 'no'}${summary.panicked ? ', panicked' : ''}`,
  ].join('\n');
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { seconds: { type: 'string' }, json: { type: 'boolean', default: false } },
  });
  const seconds = values.seconds === undefined ? Number.POSITIVE_INFINITY : Number(values.seconds);
  if (positionals.length === 0 || !(seconds > 0)) {
    process.stderr.write('usage: node tools/beat/beat-meter.mjs SOCKET... [--seconds N] [--json]\n');
    process.exitCode = 2;
    return;
  }
  const stop = new AbortController();
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.once(signal, () => stop.abort());
  const meter = new BeatMeter();
  for (const path of positionals) meter.attach(path);
  const end = nowMs() + seconds * 1000;
  while (!stop.signal.aborted && nowMs() < end) {
    await sleep(Math.min(1000, end - nowMs()), undefined, { signal: stop.signal }).catch(() => {});
  }
  const summary = meter.summary();
  meter.detach();
  process.stdout.write(`${values.json ? JSON.stringify(summary) : describe(summary)}\n`);
  const isRight = summary.alive && summary.bad + summary.missing + summary.duplicates === 0;
  process.exitCode = isRight ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
