/** All chance of one schedule comes from here, so that its seed replays it. */
export class Random {
  #state;

  /** @param {number} seed */
  constructor(seed) {
    this.#state = (seed ^ 0x9e3779b9) >>> 0;
    for (let i = 0; i < 8; i += 1) this.#next();
  }

  /** From 0 up to, not including, 1. */
  fraction() {
    return this.#next() / 2 ** 32;
  }

  /** A whole number from 0 up to, not including, `below`. @param {number} below */
  below(below) {
    return Math.floor(this.fraction() * below);
  }

  /** @param {number} from @param {number} to */
  between(from, to) {
    return from + this.fraction() * (to - from);
  }

  /** @param {number} probability */
  chance(probability) {
    return this.fraction() < probability;
  }

  /** @template T @param {readonly T[]} from @returns {T} */
  pick(from) {
    return /** @type {T} */ (from[this.below(from.length)]);
  }

  /** @param {number} size */
  bytes(size) {
    return Buffer.from(Array.from({ length: size }, () => this.below(256)));
  }

  /** Version 4. */
  uuid() {
    const bytes = this.bytes(16);
    bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
    bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
    const hex = bytes.toString('hex');
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
  }

  /** mulberry32 */
  #next() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }
}
