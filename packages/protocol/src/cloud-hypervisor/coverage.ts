/** Which bytes of guest memory were touched: runs in order, joined where they meet. */
export class Coverage {
  readonly #runs: { start: bigint; end: bigint }[] = [];

  /** Of all runs. */
  get bytes(): bigint {
    return this.#runs.reduce((sum, { start, end }) => sum + end - start, 0n);
  }

  add(start: bigint, end: bigint): void {
    if (start >= end) return;
    const first = this.#firstEndingAt(start);
    let joined = { start, end };
    let last = first;
    for (let run = this.#runs[last]; run !== undefined && run.start <= end; run = this.#runs[++last]) {
      joined = {
        start: run.start < joined.start ? run.start : joined.start,
        end: run.end > joined.end ? run.end : joined.end,
      };
    }
    this.#runs.splice(first, last - first, joined);
  }

  /** Index of the first run that ends at `start` or behind it. */
  #firstEndingAt(start: bigint): number {
    let low = 0;
    let high = this.#runs.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#runs[middle] as { end: bigint }).end < start) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
