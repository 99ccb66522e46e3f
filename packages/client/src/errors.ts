/** What a client of an API can meet: errors that the other side answered, and errors of reaching it. */
import { DroverError, defineErrors, type ErrorBody } from '@drover/types';

export const clientErrors = defineErrors({
  'agent-unreachable': {
    status: 503,
    retryable: true,
    summary: 'No connection to the agent could be made. Check the URL, and that the agent runs there.',
  },
  'agent-timeout': {
    status: 504,
    retryable: true,
    summary:
      'The agent did not answer in time. Look at its log; the request may still have been carried out.',
  },
  'agent-response-invalid': {
    status: 502,
    retryable: false,
    summary: 'What answered does not speak the agent API of this version. Check the URL and both releases.',
  },
  'agent-version-unsupported': {
    status: 502,
    retryable: false,
    summary:
      'The agent serves no version of the agent API that this client speaks; the message lists both. Upgrade the older one.',
  },
  'agent-url-invalid': {
    status: 400,
    retryable: false,
    summary: 'The URL of an agent is not an http or https URL.',
  },
});

/** An error that the agent itself answered: its code, its sentence, its HTTP status. */
export class ApiError extends DroverError {
  constructor({ code, message, retryable }: ErrorBody, status: number) {
    super(code, { status, retryable, summary: '' }, message);
  }
}
