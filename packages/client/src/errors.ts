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
  'control-plane-unreachable': {
    status: 503,
    retryable: true,
    summary:
      'No connection to the control plane could be made. Check the URL, and that the control plane runs there.',
  },
  'control-plane-timeout': {
    status: 504,
    retryable: true,
    summary:
      'The control plane did not answer in time. Look at its log; the request may still have been carried out.',
  },
  'control-plane-response-invalid': {
    status: 502,
    retryable: false,
    summary:
      'What answered does not speak the public API of this version. Check the URL (an agent has another one) and both releases.',
  },
  'control-plane-version-unsupported': {
    status: 502,
    retryable: false,
    summary:
      'The control plane serves no version of the public API that this client speaks; the message lists both. Upgrade the older one.',
  },
  'control-plane-url-invalid': {
    status: 400,
    retryable: false,
    summary: 'The URL of a control plane is not an http or https URL.',
  },
});

/** An error that the service itself answered: its code, its sentence, its HTTP status. */
export class ApiError extends DroverError {
  /** How long it wants to be left alone, ms; null where it did not say. */
  readonly retryAfterMs: number | null;

  constructor({ code, message, retryable }: ErrorBody, status: number, retryAfterMs: number | null = null) {
    super(code, { status, retryable, summary: '' }, message);
    this.retryAfterMs = retryAfterMs;
  }
}
