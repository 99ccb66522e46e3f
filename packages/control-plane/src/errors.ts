/** The error table of the control plane. */
import { defineErrors } from '@drover/types';

export const controlPlaneErrors = defineErrors({
  'control-plane-options-invalid': {
    status: 400,
    retryable: false,
    summary:
      'An option of the control plane is missing, unknown or out of range. Correct the option that the message names.',
  },
  'database-url-invalid': {
    status: 400,
    retryable: false,
    summary: 'The database is given in a form that is not known. Write `pglite:DIR` or `postgres://…`.',
  },
  'database-directory-in-use': {
    status: 409,
    retryable: true,
    summary:
      'Another process has the embedded database open. Stop it, give this one a directory of its own, or use PostgreSQL for several replicas.',
  },
  'database-directory-unusable': {
    status: 500,
    retryable: false,
    summary:
      'The directory of the embedded database cannot be made or written. Correct its owner, mode or file system.',
  },
  'database-unavailable': {
    status: 503,
    retryable: true,
    summary:
      'The database did not answer, and nothing of the request has happened. Try again after the seconds that Retry-After says.',
  },
  'database-migration-failed': {
    status: 500,
    retryable: false,
    summary:
      'The tables could not be brought to what this release needs. The message names the step; what it had begun is undone.',
  },
  'database-migration-locked': {
    status: 503,
    retryable: true,
    summary:
      'Another replica has been changing the tables for longer than this one waits. Look at its log, then start again.',
  },
});
