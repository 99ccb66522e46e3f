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
    summary:
      'The instance is on no host yet, so there is nothing to move and no log to read. Its `problem` says what stands in the way.',
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
  'drain-not-found': {
    status: 404,
    retryable: false,
    summary: 'There is no drain of that id. List the drains.',
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
  'listen-address-in-use': {
    status: 409,
    retryable: true,
    summary: 'Another process listens on the address. Stop it or choose another port.',
  },
  'listen-failed': {
    status: 500,
    retryable: false,
    summary: 'The control plane cannot listen on the address. Choose one that this machine has and may use.',
  },
  'api-version-unknown': {
    status: 400,
    retryable: false,
    summary: 'The API version asked for is not served. Use one of the versions that the message lists.',
  },
  'request-invalid': {
    status: 400,
    retryable: false,
    summary:
      'The request does not have the form that the endpoint takes. Correct the field that the message names.',
  },
  'request-too-large': {
    status: 413,
    retryable: false,
    summary: 'The request body is larger than 1 MiB. Send a smaller one.',
  },
  'endpoint-not-found': {
    status: 404,
    retryable: false,
    summary: 'There is no such endpoint. See the contract of the API.',
  },
  'cursor-invalid': {
    status: 400,
    retryable: false,
    summary:
      'A cursor was not given out by this list. Take `nextCursor` of the page before as it is, or leave the cursor out to begin anew.',
  },
  'control-plane-stopping': {
    status: 503,
    retryable: true,
    summary: 'The control plane is stopping. Try again once it is back, or ask another replica.',
  },
  'host-not-found': {
    status: 404,
    retryable: false,
    summary: 'No host of that id or name is registered. List the hosts.',
  },
  'host-name-taken': {
    status: 409,
    retryable: false,
    summary:
      'Another host is registered under the name. Give this one another name, or forget the other where it is gone.',
  },
  'host-lost': {
    status: 409,
    retryable: false,
    summary:
      'The host was declared lost for good and is not taken back. Wipe it, and register it under a new id, or forget the lost one first.',
  },
  'host-not-empty': {
    status: 409,
    retryable: false,
    summary: 'The host still has VMMs, or room is promised on it. Drain it first, or declare it lost.',
  },
  'host-not-confirmed': {
    status: 400,
    retryable: false,
    summary: "Declaring a host lost cannot be taken back and needs the host's name once more, in `confirm`.",
  },
  'host-identity-differs': {
    status: 409,
    retryable: false,
    summary:
      'The agent at the URL that a host registered says that it is another one. Correct the URL under which the host registers.',
  },
  'fencing-failed': {
    status: 502,
    retryable: true,
    summary:
      'The configured fencing command did not exit with 0, so the host is not declared lost. Correct the command, or switch the host off and declare it lost yourself.',
  },
  'instance-not-found': {
    status: 404,
    retryable: false,
    summary: 'There is no instance of that id or name here. List the instances.',
  },
  'instance-name-taken': {
    status: 409,
    retryable: false,
    summary: 'Another instance has the name. Choose another name, or delete that instance.',
  },
  'instance-already-here': {
    status: 409,
    retryable: false,
    summary: 'There is an instance of that id already, and it is another one. Use another id.',
  },
  'instance-busy': {
    status: 409,
    retryable: true,
    summary: 'A migration of the instance is under way. Try again when it has ended, or cancel it.',
  },
  'instance-not-stopped': {
    status: 409,
    retryable: false,
    summary: 'The operation needs a stopped instance. Stop it first.',
  },
  'instance-vanished': {
    status: 409,
    retryable: false,
    summary:
      'The host no longer has the VMM of the instance, without the control plane having asked for that. Start the instance to make it anew, or delete it.',
  },
  'instance-work-failed': {
    status: 500,
    retryable: true,
    summary:
      'What was to be done with an instance failed for a reason that has no code of its own. It is tried again; if that goes on, report it.',
  },
  'vmm-not-found': {
    status: 404,
    retryable: false,
    summary: 'There is no VMM of that id here. List the VMMs.',
  },
  'migration-not-found': {
    status: 404,
    retryable: false,
    summary: 'There is no migration of that id here. List the migrations.',
  },
});
