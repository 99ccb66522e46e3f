import { describeIssues } from '@drover/types';
import { z } from 'zod';

/** Why an answer was not taken, as the end of a sentence that begins with the answer. */
export function whatIsWrong(cause: unknown): string {
  if (cause instanceof z.ZodError) return `is not as the contract has it: ${describeIssues(cause, 'answer')}`;
  if (cause instanceof SyntaxError) return 'is no JSON';
  return `cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`;
}
