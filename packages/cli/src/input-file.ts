import { createReadStream } from 'node:fs';
import { DOCUMENT_LIMITS } from '@drover/types';
import { cliErrors } from './errors.js';

/** What a file argument is called in sentences. */
export function titleOf(path: string): string {
  return path === '-' ? 'standard input' : path;
}

/**
 * The bytes of a file argument, or of `stdin` for `-`: as many as a document may have and one more, so that whoever reads them
 * says that there are too many. Errors: `cli-file-unreadable`.
 */
export async function readInputFile(path: string, stdin: NodeJS.ReadableStream): Promise<Uint8Array> {
  const wanted = DOCUMENT_LIMITS.maxBytes + 1;
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of path === '-' ? stdin : createReadStream(path)) {
      const bytes = Buffer.from(chunk);
      chunks.push(bytes);
      length += bytes.length;
      if (length >= wanted) break;
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw cliErrors.error(
      'cli-file-unreadable',
      `The file ${titleOf(path)} cannot be read: ${reason}.`,
      cause,
    );
  }
  return Buffer.concat(chunks).subarray(0, wanted);
}
