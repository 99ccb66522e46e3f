/** Cuts a byte stream into lines and never holds more than `maxLineBytes` of an unfinished one (R6). */
export class LineSplitter {
  readonly #maxLineBytes: number;
  #parts: Buffer[] = [];
  #held = 0;

  constructor(maxLineBytes: number) {
    this.#maxLineBytes = maxLineBytes;
  }

  /** The lines that `chunk` completes, without their ends, empty ones left out; null once a line is over the limit. */
  push(chunk: Buffer): string[] | null {
    const lines: string[] = [];
    let rest = chunk;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      if (this.#held + end > this.#maxLineBytes) return null;
      const line = Buffer.concat([...this.#parts, rest.subarray(0, end)])
        .toString('utf8')
        .trim();
      this.#parts = [];
      this.#held = 0;
      if (line !== '') lines.push(line);
      rest = rest.subarray(end + 1);
    }
    this.#held += rest.length;
    if (this.#held > this.#maxLineBytes) return null;
    if (rest.length > 0) this.#parts.push(rest);
    return lines;
  }
}
