import { z } from 'zod';

export const errorBody = z.object({ code: z.string(), message: z.string(), retryable: z.boolean() });
/** Every error response of every HTTP API. Frozen: who does not know a version must still read why it is refused. */
export const errorResponse = z.object({ error: errorBody });

export type ErrorResponse = z.output<typeof errorResponse>;
