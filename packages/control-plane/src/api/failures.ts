/** Every failure leaves the API in one form, with the status of its code's table. */
import type { ErrorResponse } from '@drover/protocol';
import { DroverError, toErrorBody } from '@drover/types';
import { controlPlaneErrors } from '../errors.js';

export interface Failure {
  readonly status: number;
  readonly body: ErrorResponse;
  /** Of the header Retry-After, seconds. */
  readonly retryAfter: number | null;
}

/** What is told to wait, and how long, s. */
const RETRY_AFTER: Readonly<Record<string, number>> = {
  'database-unavailable': 2,
  'control-plane-stopping': 5,
};

/** What PostgreSQL answers to a NUL in text: character_not_in_repertoire, untranslatable_character. */
const UNSTORABLE: ReadonlySet<string> = new Set(['22021', '22P05']);

export function toFailure(thrown: unknown): Failure {
  const error = fromHttp(thrown) ?? thrown;
  const status = error instanceof DroverError ? error.status : 500;
  const body = toErrorBody(error);
  return { status, body: { error: body }, retryAfter: RETRY_AFTER[body.code] ?? null };
}

/** What the HTTP server itself refuses, before a handler is reached. */
function fromHttp(thrown: unknown): DroverError | null {
  if (thrown instanceof DroverError || !(thrown instanceof Error)) return null;
  const { code, statusCode } = thrown as Error & { code?: string; statusCode?: number };
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return controlPlaneErrors.error(
      'request-too-large',
      'The request body is larger than 1 MiB; send a smaller one.',
    );
  }
  if (code !== undefined && UNSTORABLE.has(code)) {
    return controlPlaneErrors.error(
      'request-invalid',
      'The request has a character that no name or label can have (a NUL).',
      thrown,
    );
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return controlPlaneErrors.error(
      'request-invalid',
      `The request cannot be read: ${thrown.message}.`,
      thrown,
    );
  }
  return null;
}
