import { type ErrorBody, toErrorBody } from '@drover/types';
import { CommanderError } from 'commander';
import { cliErrors } from '../errors.js';

/** The stable form of anything that a command threw. */
export function describeFailure(thrown: unknown): ErrorBody {
  if (thrown instanceof CommanderError) {
    // Commander says "error: unknown option '--x'" and may add a suggestion on a line of its own.
    const sentence = thrown.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ');
    return cliErrors.error('cli-usage', sentence).toBody();
  }
  return toErrorBody(thrown);
}

/** What a person sees: one sentence and the code. */
export function failureLine({ message, code }: ErrorBody): string {
  return `drover: ${message.replace(/\s*\n\s*/g, ' ')} [${code}]\n`;
}

/** What a program sees. */
export function failureJson(error: ErrorBody): string {
  return `${JSON.stringify({ error })}\n`;
}
