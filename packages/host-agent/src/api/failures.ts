/** Every failure leaves the API in one form, with the status of its code's table. */
import type { ErrorResponse } from '@drover/protocol';
import { DroverError, toErrorBody } from '@drover/types';
import { hostAgentErrors } from '../errors.js';

export interface Failure {
  readonly status: number;
  readonly body: ErrorResponse;
}

export function toFailure(thrown: unknown): Failure {
  const error = fromHttp(thrown) ?? thrown;
  const status = error instanceof DroverError ? error.status : 500;
  return { status, body: { error: toErrorBody(error) } };
}

/** What the HTTP server itself refuses, before a handler is reached. */
function fromHttp(thrown: unknown): DroverError | null {
  if (thrown instanceof DroverError || !(thrown instanceof Error)) return null;
  const { code, statusCode } = thrown as Error & { code?: string; statusCode?: number };
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return hostAgentErrors.error(
      'request-too-large',
      'The request body is larger than 1 MiB; send a smaller one.',
    );
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return hostAgentErrors.error('request-invalid', `The request cannot be read: ${thrown.message}.`, thrown);
  }
  return null;
}
