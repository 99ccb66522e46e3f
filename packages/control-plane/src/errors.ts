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
  'already-on-host': {
    status: 409,
    retryable: false,
    summary: 'The instance is on the host that it was to be moved to. Name another, or none.',
  },
  'host-takes-no-guests': {
    status: 409,
    retryable: true,
    summary:
      'The host is draining, in maintenance, unreachable or lost. Undrain it or bring it back, or choose another.',
  },
  'host-labels-differ': {
    status: 409,
    retryable: false,
    summary: 'The host lacks a label that the instance asks for. Label it, or choose one that has it.',
  },
  'anti-affinity-kept': {
    status: 409,
    retryable: true,
    summary:
      'The host has another instance of the same anti-affinity group. Choose another, or move that one away first.',
  },
  'host-not-described': {
    status: 409,
    retryable: true,
    summary: 'The agent of the host has not yet said what it can run. Try again once it has answered.',
  },
  'host-full': {
    status: 409,
    retryable: true,
    summary:
      'The host has too little memory or too few processors left, counting what is promised to others. Make room, or choose another.',
  },
  'no-host-fits': {
    status: 409,
    retryable: true,
    summary:
      'No host can take the instance; the message says for each what stands in the way. Make room, or change what the instance asks for.',
  },
  'cpu-features-missing': {
    status: 409,
    retryable: false,
    summary:
      'The processor of the destination lacks features that the guest may use; the message names them. Choose a host that has them.',
  },
  'migration-under-way': {
    status: 409,
    retryable: true,
    summary: 'The instance is being moved already. Wait for that migration, or cancel it.',
  },
  'migration-id-in-use': {
    status: 409,
    retryable: false,
    summary: 'A migration of that id was asked for with another request. Use a new id.',
  },
  'instance-not-placed': {
    status: 409,
    retryable: true,
    summary: 'The instance is on no host yet, so there is nothing to move. Wait until it is placed.',
  },
  'host-unreachable': {
    status: 503,
    retryable: true,
    summary:
      'The agent of a host did not answer, so nothing is known of its guests and nothing was concluded. Bring it back.',
  },
  'migration-lost-track': {
    status: 500,
    retryable: true,
    summary:
      'The source knows nothing of a migration that it was asked to begin, so it never began. The guest stayed there. Start it again.',
  },
  'migration-not-in-doubt': {
    status: 409,
    retryable: false,
    summary:
      'Only a migration whose outcome cannot be learned is decided by an operator. Wait for this one, or cancel it.',
  },
  'host-not-lost': {
    status: 409,
    retryable: false,
    summary:
      'A migration in doubt is decided only when the other host is declared lost. Bring it back, or declare it lost first.',
  },
  'drain-under-way': {
    status: 409,
    retryable: false,
    summary: 'The host is being drained already. Follow that drain, or undrain the host first.',
  },
  'saga-claim-lost': {
    status: 409,
    retryable: true,
    summary:
      'Another replica took over the work that this one held; what this one wanted to record was not. Nothing to do: the other goes on.',
  },
});
