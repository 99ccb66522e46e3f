import { parseGuestLine } from './guest-lines.mjs';

/** @import { BadLine, HelloLine, VerifiedLine } from './guest-lines.mjs' */

/** A short beat carries the counter modulo this. */
const SHORT_RANGE = 0x10000;
/** Beats kept; at one a millisecond, over half an hour. Older ones are forgotten, half of all at a time. */
const BEATS_MAX = 2_000_000;
/** Lines that are not beats and are kept for whoever wants to know what a guest said. */
const OTHER_LINES_MAX = 200;
/** Doubled beats that a summary names. */
const DOUBLED_MAX = 8;
/** How long the last counter tells which one a short beat means; at the fastest, 65,536 beats take 6.5 s. */
const REFERENCE_MS = 3000;
/** What is left of a beat that lost characters. */
const TORN_BEAT = /^[bB ]?[ 0-9a-f]+$|^[bB]$/;
/** What is left of an answer that lost its end. */
const TORN_VERIFIED = /^V( |$)/;
/** A console that sends no newline for this long a text is not a guest's. */
const LINE_MAX_CHARACTERS = 4096;

/**
 * @typedef {object} Beat
 * @property {number} boot How often the guest had started before.
 * @property {number} counter
 * @property {number} atMs Arrival, in ms of the monotonic clock.
 * @property {string} source
 */

/**
 * @typedef {object} Gap Two beats that follow each other by counter, and the time between their arrivals.
 * @property {Beat} before
 * @property {Beat} after
 * @property {number} ms
 */

/**
 * @typedef {object} BeatSummary
 * @property {number} beats Different counters seen.
 * @property {number} missing Counters between the first and the last that were never seen.
 * @property {number} duplicates Beats whose counter had been seen before: a guest that ran twice.
 * @property {{ counter: number, sources: string[] }[]} doubled The first of them, each with the sources of the two.
 * @property {Gap | null} longestGap
 * @property {Gap[]} switchovers Gaps whose beats came from different sources: the downtimes as seen from outside.
 * @property {number} bad Checks that failed, as the guest last counted them, or the BAD lines where those are more.
 * @property {BadLine[]} badLines The first of them.
 * @property {boolean} alive A beat came within the time asked for, and the guest has not panicked.
 * @property {number | null} sinceLastBeatMs
 * @property {number} boots Times the guest said hello; more than one is a guest that restarted.
 * @property {boolean} panicked
 * @property {number} torn Lines that looked like a beat that lost characters.
 * @property {number | null} writes Page writes, as the guest last counted them.
 * @property {{ blocksRead: number, blocksChecked: number } | null} disk
 */

/** What is known of one source while it is read. */
class Source {
  /** Text after the last newline. */
  tail = '';
  hasBegun = false;
  /** @type {number | null} The counter of its last beat. */
  last = null;
  /** @type {{ low16: number, atMs: number }[]} Short beats from before any counter was known in full. */
  unplaced = [];
  /** Beats that ever came from it. */
  beats = 0;
}

/**
 * Everything that was read from the consoles of one guest, wherever it ran: beats merged by counter, and what else it
 * said. It does no input or output; times are handed in.
 */
export class BeatRecord {
  /** @type {Map<string, Source>} */
  #sources = new Map();
  /** @type {Beat[]} */
  #beats = [];
  /** @type {number | null} The highest counter since the guest's last start. */
  #highest = null;
  #boot = 0;
  #boots = 0;
  #torn = 0;
  #panicked = false;
  /** @type {number | null} */
  #lastBeatMs = null;
  /** @type {string | null} */
  #liveSource = null;
  #badCounted = 0;
  /** What the guest had counted at the last reset. */
  #badForgiven = 0;
  #badSeen = 0;
  /** @type {BadLine[]} */
  #badLines = [];
  /** @type {number | null} */
  #writes = null;
  /** @type {{ blocksRead: number, blocksChecked: number } | null} */
  #disk = null;
  /** @type {string[]} */
  #others = [];

  /** The guest's last answers of each kind, and whether it is ready. */
  ready = false;
  /** @type {HelloLine | null} */
  hello = null;
  /** @type {string | null} Why the guest refused to start. */
  refusal = null;
  /** @type {VerifiedLine | null} */
  verified = null;
  /** Whether an answer lost its end. */
  verifiedIsTorn = false;

  /** The source of the latest beat, or of the READY before the first. */
  get liveSource() {
    return this.#liveSource;
  }

  /** The latest lines that were none of the guest's own. */
  get otherLines() {
    return [...this.#others];
  }

  /**
   * Takes in what arrived from one source.
   *
   * @param {string} name
   * @param {string} text
   * @param {number} atMs
   */
  add(name, text, atMs) {
    const source = this.#source(name);
    const lines = text.split('\n');
    lines[0] = source.tail + lines[0];
    source.tail = (lines.pop() ?? '').slice(-LINE_MAX_CHARACTERS);
    for (const line of lines) {
      if (source.hasBegun || !this.#joined(source, line, name, atMs)) this.#line(source, name, line, atMs);
      source.hasBegun = true;
    }
  }

  /**
   * Beats that ever came from one source, or from all.
   *
   * @param {string} [name]
   */
  beatsFrom(name) {
    if (name !== undefined) return this.#sources.get(name)?.beats ?? 0;
    return [...this.#sources.values()].reduce((sum, source) => sum + source.beats, 0);
  }

  /** Forgets beats, gaps and failures; what the guest has said of itself and where each source stands stays. */
  reset() {
    this.#beats = [];
    this.#torn = 0;
    this.#badForgiven = this.#badCounted;
    this.#badSeen = 0;
    this.#badLines = [];
    this.#boots = Math.min(this.#boots, 1);
  }

  /**
   * @param {number} nowMs
   * @param {{ aliveWithinMs?: number }} [options] How fresh the last beat of a living guest is; 1000 unless told.
   * @returns {BeatSummary}
   */
  summary(nowMs, { aliveWithinMs = 1000 } = {}) {
    const beats = [...this.#beats].sort(
      (a, b) => a.boot - b.boot || a.counter - b.counter || a.atMs - b.atMs,
    );
    let different = 0;
    let missing = 0;
    /** @type {BeatSummary['doubled']} */
    const doubled = [];
    /** @type {Gap | null} */
    let longestGap = null;
    /** @type {Gap[]} */
    const switchovers = [];
    /** @type {Beat | undefined} */
    let before;
    for (const after of beats) {
      if (before?.boot === after.boot && before.counter === after.counter) {
        const { counter } = after;
        if (doubled.length < DOUBLED_MAX) doubled.push({ counter, sources: [before.source, after.source] });
        continue;
      }
      different++;
      if (before?.boot === after.boot) {
        const gap = { before, after, ms: after.atMs - before.atMs };
        missing += after.counter - before.counter - 1;
        if (longestGap === null || gap.ms > longestGap.ms) longestGap = gap;
        if (before.source !== after.source) switchovers.push(gap);
      }
      before = after;
    }
    const sinceLastBeatMs = this.#lastBeatMs === null ? null : nowMs - this.#lastBeatMs;
    return {
      beats: different,
      missing,
      duplicates: beats.length - different,
      doubled,
      longestGap,
      switchovers,
      bad: Math.max(this.#badCounted - this.#badForgiven, this.#badSeen),
      badLines: [...this.#badLines],
      alive: !this.#panicked && sinceLastBeatMs !== null && sinceLastBeatMs <= aliveWithinMs,
      sinceLastBeatMs,
      boots: this.#boots,
      panicked: this.#panicked,
      torn: this.#torn,
      writes: this.#writes,
      disk: this.#disk,
    };
  }

  /** @param {string} name */
  #source(name) {
    let source = this.#sources.get(name);
    if (source === undefined) {
      source = new Source();
      this.#sources.set(name, source);
    }
    return source;
  }

  /**
   * A guest that is stopped in the middle of a line ends it on the destination. Puts the two halves together where that
   * gives the very beat that comes next.
   *
   * @param {Source} source
   * @param {string} line
   * @param {string} name
   * @param {number} atMs
   */
  #joined(source, line, name, atMs) {
    for (const other of this.#sources.values()) {
      if (other === source || other.tail === '' || this.#highest === null) continue;
      const beat = parseGuestLine(other.tail + line);
      const next = this.#highest + 1;
      const isNext =
        (beat.kind === 'short-beat' && beat.low16 === next % SHORT_RANGE) ||
        (beat.kind === 'beat' && beat.counter === next);
      if (!isNext) continue;
      const whole = other.tail + line;
      other.tail = '';
      if (beat.kind === 'beat') this.#line(source, name, whole, atMs);
      else this.#beat(source, name, next, atMs);
      return true;
    }
    return false;
  }

  /**
   * @param {Source} source
   * @param {string} name
   * @param {string} text
   * @param {number} atMs
   */
  #line(source, name, text, atMs) {
    const line = parseGuestLine(text);
    switch (line.kind) {
      case 'short-beat': {
        const reference = this.#reference(source, atMs);
        if (reference === null) source.unplaced.push({ low16: line.low16, atMs });
        else this.#beat(source, name, nearestCounter(reference + 1, line.low16), atMs);
        break;
      }
      case 'beat':
        this.#writes = line.writes;
        this.#badCounted = line.bad;
        this.#placeEarlier(source, name, line.counter);
        this.#beat(source, name, line.counter, atMs);
        break;
      case 'hello':
        this.#boots++;
        this.#boot++;
        this.#highest = null;
        this.#badCounted = 0;
        this.#badForgiven = 0;
        this.hello = line;
        this.ready = false;
        for (const each of this.#sources.values()) each.last = null;
        break;
      case 'ready':
        this.ready = true;
        // Beats start from 1 here, so that no later line is needed to tell what a short one counts.
        source.last = 0;
        this.#liveSource = name;
        break;
      case 'bad':
        this.#badSeen++;
        if (this.#badLines.length < OTHER_LINES_MAX) this.#badLines.push(line);
        break;
      case 'verified':
        this.verified = line;
        break;
      case 'disk':
        this.#disk = { blocksRead: line.blocksRead, blocksChecked: line.blocksChecked };
        break;
      case 'refused':
        this.refusal = line.reason;
        break;
      case 'panic':
        this.#panicked = true;
        this.#other(line.text);
        break;
      case 'other':
        if (TORN_VERIFIED.test(line.text)) this.verifiedIsTorn = true;
        if (TORN_BEAT.test(line.text)) this.#torn++;
        else if (line.text !== '') this.#other(line.text);
        break;
    }
  }

  /**
   * The last counter known that a short beat can be placed by.
   *
   * @param {Source} source
   * @param {number} atMs
   */
  #reference(source, atMs) {
    if (this.#lastBeatMs !== null && atMs - this.#lastBeatMs > REFERENCE_MS) return null;
    return source.last ?? this.#highest;
  }

  /** @param {string} text */
  #other(text) {
    this.#others.push(text);
    if (this.#others.length > OTHER_LINES_MAX) this.#others.shift();
  }

  /**
   * Short beats that came before the first full one count backwards from it.
   *
   * @param {Source} source
   * @param {string} name
   * @param {number} counter
   */
  #placeEarlier(source, name, counter) {
    const earlier = source.unplaced.splice(0);
    for (const { low16, atMs } of earlier) {
      const placed = counter - ((counter - low16 + SHORT_RANGE) % SHORT_RANGE);
      if (placed > 0) this.#beat(source, name, placed, atMs);
    }
  }

  /**
   * @param {Source} source
   * @param {string} name
   * @param {number} counter
   * @param {number} atMs
   */
  #beat(source, name, counter, atMs) {
    source.last = counter;
    source.beats++;
    this.#highest = Math.max(this.#highest ?? 0, counter);
    if (this.#lastBeatMs === null || atMs >= this.#lastBeatMs) {
      this.#lastBeatMs = atMs;
      this.#liveSource = name;
    }
    this.#beats.push({ boot: this.#boot, counter, atMs, source: name });
    if (this.#beats.length > BEATS_MAX) this.#beats.splice(0, BEATS_MAX / 2);
  }
}

/**
 * The counter nearest to `expected` whose low 16 bits are `low16`.
 *
 * @param {number} expected
 * @param {number} low16
 */
function nearestCounter(expected, low16) {
  const ahead = (((low16 - expected) % SHORT_RANGE) + SHORT_RANGE) % SHORT_RANGE;
  const counter = ahead < SHORT_RANGE / 2 ? expected + ahead : expected + ahead - SHORT_RANGE;
  return counter < 0 ? counter + SHORT_RANGE : counter;
}
