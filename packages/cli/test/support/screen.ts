import type { Output } from '../../src/context.js';

const ESC = '\u001b';
const sequences = new RegExp(`${ESC}\\[(\\d+)A|${ESC}\\[J|${ESC}\\[\\?25[lh]|\\r|\\n|[^${ESC}\\r\\n]+`, 'g');

/** As much of a terminal as the live display uses: lines, carriage return, cursor up, erase below, show and hide the cursor. */
export class Screen implements Output {
  readonly isTTY = true;
  readonly columns: number;
  cursorShown = true;
  readonly #lines: string[] = [''];
  #row = 0;

  constructor(columns: number) {
    this.columns = columns;
  }

  write(text: string): void {
    for (const [part, up] of text.matchAll(sequences)) {
      if (up !== undefined) this.#row -= Number(up);
      else if (part === `${ESC}[J`) this.#lines.splice(this.#row, Number.POSITIVE_INFINITY, '');
      else if (part === `${ESC}[?25l`) this.cursorShown = false;
      else if (part === `${ESC}[?25h`) this.cursorShown = true;
      else if (part === '\n') {
        this.#row += 1;
        this.#lines[this.#row] ??= '';
      } else if (part !== '\r') this.#lines[this.#row] = part;
      if (this.#row < 0) throw new Error('the cursor left the screen');
    }
  }

  get text(): string {
    return this.#lines.join('\n');
  }
}
