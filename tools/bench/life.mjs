import { BeatMeter } from '../beat/beat-meter.mjs';

/** A kernel boots and fills its working set under TCG, ms. */
const BOOT_TIMEOUT_MS = 180_000;
/** How long a guest is watched before and after its move, in beats of a millisecond. */
const BEATS = 500;
const BEATS_TIMEOUT_MS = 20_000;
/** The guest reads its whole working set while it goes on writing, ms. */
const VERIFY_TIMEOUT_MS = 120_000;

/** What a Linux kernel prints when it, or the program that beats, ends badly. */
const CRASH = /Oops|BUG: |RIP: |Call Trace|Attempted to kill|segfault at|exited with irqs disabled/;

/**
 * What a guest's beats said of its move. Of a guest that was lost only `lost` is there.
 *
 * @typedef {object} Life
 * @property {number | null} downtimeMs Last beat on the source to first beat on the destination.
 * @property {string | null} lost Why the guest counts as lost; null for one that is alive and right.
 */

/**
 * Watches one guest from outside, the same way for every method.
 */
export class Watch {
  #meter = new BeatMeter();
  /** @type {string} */
  #destination = '';

  /**
   * Waits until the guest has filled its memory and beats steadily.
   *
   * @param {string} consoleSocket
   * @param {AbortSignal} signal
   */
  async begin(consoleSocket, signal) {
    this.#meter.attach(consoleSocket);
    await this.#meter.waitForReady({ timeoutMs: BOOT_TIMEOUT_MS, signal });
    await this.#meter.waitForBeats(BEATS, { timeoutMs: BEATS_TIMEOUT_MS, signal });
    this.#meter.reset();
  }

  /**
   * Names the destination's console; must be called before the guest runs there.
   *
   * @param {string} consoleSocket
   */
  expectAt(consoleSocket) {
    this.#destination = consoleSocket;
    this.#meter.attach(consoleSocket);
  }

  /**
   * Watches the guest where it has arrived and has it verify its memory.
   *
   * @param {AbortSignal} signal
   * @returns {Promise<Life>}
   */
  async judge(signal) {
    try {
      await this.#meter.waitForBeats(BEATS, {
        source: this.#destination,
        timeoutMs: BEATS_TIMEOUT_MS,
        signal,
      });
      const downtimeMs = this.#meter.summary().switchovers.at(-1)?.ms ?? null;
      const verified = await this.#meter.verify({ timeoutMs: VERIFY_TIMEOUT_MS, signal });
      const { bad, alive, panicked, duplicates, boots } = this.#meter.summary();
      const wrong = Math.max(bad, verified.bad);
      if (panicked) return { downtimeMs: null, lost: 'panicked' };
      if (boots > 1) return { downtimeMs: null, lost: 'restarted' };
      if (wrong > 0) return { downtimeMs: null, lost: `${wrong} bad pages` };
      if (duplicates > 0) return { downtimeMs: null, lost: `its counter went back by ${duplicates}` };
      return alive ? { downtimeMs, lost: null } : { downtimeMs: null, lost: 'stopped beating' };
    } catch {
      signal.throwIfAborted();
      if (this.#meter.summary().panicked) return { downtimeMs: null, lost: 'panicked' };
      const crashed = this.#meter.otherLines.some((line) => CRASH.test(line));
      return { downtimeMs: null, lost: crashed ? 'its kernel crashed' : 'fell silent' };
    }
  }

  end() {
    this.#meter.detach();
  }
}
