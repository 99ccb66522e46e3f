/** Which receiver a bulk connection belongs to: by the token that its hello carries, which only the right source knows. */
import type { BulkReceiver } from '@drover/native';

/** The token is the first part of the bulk hello (peer protocol, SPEC.md). */
const TOKEN_BYTES = 32;

export class BulkRoutes {
  readonly #receivers = new Map<string, BulkReceiver>();

  /** Until the returned function is called, connections with `token` (32 bytes) go to `receiver`. */
  add(token: Uint8Array, receiver: BulkReceiver): () => void {
    const key = Buffer.from(token).toString('hex');
    this.#receivers.set(key, receiver);
    return () => {
      if (this.#receivers.get(key) === receiver) this.#receivers.delete(key);
    };
  }

  /** The receiver that a hello of 48 bytes asks for. */
  find(hello: Uint8Array): BulkReceiver | null {
    return this.#receivers.get(Buffer.from(hello.subarray(0, TOKEN_BYTES)).toString('hex')) ?? null;
  }
}
