import { type cloudHypervisor, protocolErrors } from '../../src/index.js';

/** A connection whose other side sent all it had at once and then closed. */
export class BufferWire implements cloudHypervisor.Wire {
  readonly descriptors = null;
  readonly #sent: Uint8Array;
  readonly #written: Uint8Array[] = [];
  #at = 0;
  closed = false;
  /** The most that was asked for at once, bytes. */
  largestRead = 0;

  constructor(sent: Uint8Array) {
    this.#sent = sent;
  }

  get written(): Buffer {
    return Buffer.concat(this.#written);
  }

  async read(size: number): Promise<Uint8Array | null> {
    this.largestRead = Math.max(this.largestRead, size);
    const left = this.#sent.length - this.#at;
    if (left === 0 && size > 0) return null;
    if (left < size) {
      this.#at = this.#sent.length;
      throw protocolErrors.error('cloud-hypervisor-closed', `ended after ${left} of ${size} bytes`);
    }
    this.#at += size;
    return this.#sent.slice(this.#at - size, this.#at);
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#written.push(bytes.slice());
  }

  close(): void {
    this.closed = true;
  }
}
