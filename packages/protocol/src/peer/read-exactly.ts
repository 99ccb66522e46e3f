import type { Duplex } from 'node:stream';
import { protocolErrors } from '../errors.js';

/**
 * Reads exactly `size` bytes and leaves everything after them in the stream. Errors: `peer-closed` when the stream ends before, the
 * signal's reason. The stream is left alone in both cases: destroying it is the caller's.
 */
export function readExactly(stream: Duplex, size: number, signal: AbortSignal): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const finish = (act: () => void) => {
      stream.off('readable', onReadable);
      stream.off('end', onEnd);
      stream.off('close', onEnd);
      stream.off('error', onError);
      signal.removeEventListener('abort', onAbort);
      act();
    };
    const onReadable = () => {
      const bytes: unknown = stream.read(size);
      // At the end of a stream read() hands out what is left, even if it is less.
      if (bytes instanceof Uint8Array && bytes.length === size) finish(() => resolve(bytes));
    };
    const onEnd = () =>
      finish(() =>
        reject(protocolErrors.error('peer-closed', `The peer closed before its first ${size} bytes.`)),
      );
    const onError = (error: Error) =>
      finish(() =>
        reject(protocolErrors.error('peer-closed', `The connection was lost: ${error.message}.`, error)),
      );
    const onAbort = () => finish(() => reject(signal.reason));
    if (signal.aborted) return reject(signal.reason);
    if (stream.destroyed || stream.readableEnded) return onEnd();
    signal.addEventListener('abort', onAbort, { once: true });
    stream.on('readable', onReadable);
    stream.on('end', onEnd);
    stream.on('close', onEnd);
    stream.on('error', onError);
    onReadable();
  });
}
