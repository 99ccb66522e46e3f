import type { Duplex } from 'node:stream';
import type { DroverError } from '@drover/types';
import { protocolErrors } from '../errors.js';
import { closeGently } from '../peer/closing.js';
import type { DescriptorPassing, Wire } from './wire.js';

/**
 * A wire over a stream of Node, for the control bytes. Node reads ahead, so pages that come over the same socket have passed through its
 * buffers: where pages are many, native code owns the socket instead.
 */
export class StreamWire implements Wire {
  readonly descriptors: DescriptorPassing | null;
  readonly #stream: Duplex;
  #lost: Error | null = null;

  /** Owns the stream from here. */
  constructor(stream: Duplex, descriptors: DescriptorPassing | null = null) {
    this.#stream = stream;
    this.descriptors = descriptors;
    // Stays for the stream's life: between two waits an error would otherwise have no listener and end the process.
    stream.on('error', (error) => {
      this.#lost = error;
    });
  }

  async read(size: number, signal: AbortSignal): Promise<Uint8Array | null> {
    if (size === 0) return new Uint8Array(0);
    const stream = this.#stream;
    return await this.#wait<Uint8Array | null>(signal, 'readable', (settle) => {
      const bytes: unknown = stream.read(size);
      if (bytes instanceof Uint8Array && bytes.length === size) return settle.resolve(bytes);
      // At the end of a stream read() hands out what is left, even if it is less.
      if (bytes instanceof Uint8Array) return settle.reject(closedInside(size, bytes.length));
      if (this.#lost) return settle.reject(lost(this.#lost));
      if (stream.readableEnded) settle.resolve(null);
      else if (stream.destroyed) settle.reject(lost(null));
    });
  }

  async write(bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    await this.#wait<void>(signal, null, (settle, first) => {
      if (this.#stream.destroyed) return settle.reject(lost(this.#lost));
      if (!first) return;
      this.#stream.write(bytes, (error) => (error ? settle.reject(lost(error)) : settle.resolve()));
    });
  }

  close(): void {
    closeGently(this.#stream);
  }

  /** Calls `look` now and whenever the stream may have changed, until it settles or the signal aborts. */
  #wait<T>(
    signal: AbortSignal,
    event: 'readable' | null,
    look: (settle: Settle<T>, first: boolean) => void,
  ): Promise<T> {
    const stream = this.#stream;
    return new Promise((resolve, reject) => {
      const events = [...(event === null ? [] : [event, 'end']), 'error', 'close'];
      const finish = (act: () => void) => {
        for (const name of events) stream.off(name, again);
        signal.removeEventListener('abort', onAbort);
        act();
      };
      const settle: Settle<T> = {
        resolve: (value) => finish(() => resolve(value)),
        reject: (reason) => finish(() => reject(reason)),
      };
      const again = () => look(settle, false);
      const onAbort = () => settle.reject(signal.reason);
      if (signal.aborted) return reject(signal.reason);
      signal.addEventListener('abort', onAbort, { once: true });
      for (const name of events) stream.on(name, again);
      look(settle, true);
    });
  }
}

interface Settle<T> {
  resolve(value: T): void;
  reject(reason: unknown): void;
}

function closedInside(size: number, got: number): DroverError {
  const message = `The other side closed the connection after ${got} of ${size} bytes.`;
  return protocolErrors.error('cloud-hypervisor-closed', message);
}

function lost(error: Error | null): DroverError {
  const why = error === null ? 'it was closed' : error.message;
  return protocolErrors.error('cloud-hypervisor-closed', `The connection was lost: ${why}.`, error);
}
