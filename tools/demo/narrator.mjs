import { formatBandwidth, formatBytes, formatDuration } from '@drover/types';

/** @import { MigrationProgress } from '@drover/types' */

/** How often the moving line is drawn on a terminal, ms. */
const REDRAW_MS = 100;
const ERASE_LINE = '\r\u001b[K';

/**
 * Tells what happens: lines that stay, and on a terminal one last line that moves.
 */
export class Narrator {
  /** @type {NodeJS.WriteStream} */
  #output;
  #status = '';
  #drawnAt = 0;

  /** @param {NodeJS.WriteStream} output */
  constructor(output) {
    this.#output = output;
  }

  /** @param {string} line */
  say(line) {
    this.#output.write(`${this.#output.isTTY && this.#status !== '' ? ERASE_LINE : ''}${line}\n`);
    this.#status = '';
  }

  /**
   * The line that moves. Without a terminal nothing: what matters is also said.
   *
   * @param {string} status
   */
  show(status) {
    const now = performance.now();
    if (!this.#output.isTTY || now - this.#drawnAt < REDRAW_MS) return;
    this.#drawnAt = now;
    this.#status = status.slice(0, (this.#output.columns || 80) - 1);
    this.#output.write(`${ERASE_LINE}${this.#status}`);
  }
}

/**
 * One line of a migration's progress, with the guest's heart beside it.
 *
 * @param {MigrationProgress} progress
 * @param {{ beats: number, sinceLastBeatMs: number | null }} heart
 */
export function progressLine(progress, heart) {
  const last =
    heart.sinceLastBeatMs === null ? 'none yet' : `last ${formatDuration(heart.sinceLastBeatMs)} ago`;
  return [
    `  ${`${progress.phase} ${progress.round}`.padEnd(13)}`,
    `sent ${formatBytes(progress.wireBytes).padEnd(9)}`,
    `left ${formatBytes(progress.pagesRemaining * 4096).padEnd(9)}`,
    formatBandwidth(progress.bandwidthBytesPerSecond).padEnd(11),
    `heart ${heart.beats} beats, ${last}`,
  ].join(' ');
}
