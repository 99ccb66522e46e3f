/** The error table of the host agent. */
import { defineErrors } from '@drover/types';

export const hostAgentErrors = defineErrors({
  'agent-options-invalid': {
    status: 400,
    retryable: false,
    summary:
      'An option of the agent is missing, unknown or out of range. Correct the option that the message names.',
  },
  'state-directory-in-use': {
    status: 409,
    retryable: true,
    summary: 'Another agent holds the state directory. Stop it, or give this one a directory of its own.',
  },
  'state-directory-unusable': {
    status: 500,
    retryable: false,
    summary: 'The state directory cannot be made or written. Correct its owner, mode or file system.',
  },
  'run-directory-unusable': {
    status: 500,
    retryable: false,
    summary: 'The run directory cannot be made or written. Correct its owner, mode or file system.',
  },
  'run-directory-too-long': {
    status: 400,
    retryable: false,
    summary: 'Unix sockets under the run directory would exceed 107 bytes. Choose a shorter run directory.',
  },
  'listen-address-in-use': {
    status: 409,
    retryable: true,
    summary: 'Another process listens on the address. Stop it or choose another port.',
  },
  'listen-failed': {
    status: 500,
    retryable: false,
    summary: 'The agent cannot listen on the address. Choose one that this host has and may use.',
  },
  'journal-damaged': {
    status: 500,
    retryable: false,
    summary:
      'The ownership journal is damaged before its end, so ownership is not certain. Restore the file; never delete it while guests run.',
  },
  'journal-missing': {
    status: 500,
    retryable: false,
    summary:
      'There are instances but no ownership journal, so nobody can say which of them this host may run. Restore the file from a copy.',
  },
  'journal-version-unknown': {
    status: 500,
    retryable: false,
    summary: 'A newer release has written the ownership journal. Start that release on the state directory.',
  },
  'journal-of-another-host': {
    status: 500,
    retryable: false,
    summary:
      'The ownership journal belongs to another host than the state directory. Put back the right one.',
  },
  'journal-step-refused': {
    status: 409,
    retryable: false,
    summary: 'A step of ownership was asked for that the journal does not allow from its present state.',
  },
  'journal-write-failed': {
    status: 500,
    retryable: false,
    summary:
      'The ownership journal cannot be written or synced. Free space or repair the disk, then restart the agent.',
  },
  'instance-record-damaged': {
    status: 500,
    retryable: false,
    summary: 'The stored record of an instance cannot be read. Restore the file that the message names.',
  },
  'api-version-unknown': {
    status: 400,
    retryable: false,
    summary:
      'This agent does not serve the API version asked for. Use one of the versions that the message lists.',
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
    summary: 'There is no such endpoint. See the agent API contract.',
  },
  'agent-stopping': {
    status: 503,
    retryable: true,
    summary: 'The agent is stopping and takes no new work. Try again once it is back.',
  },
  'instance-not-found': {
    status: 404,
    retryable: false,
    summary: 'This host has no instance of that id or name. List the instances, or ask another host.',
  },
  'instance-name-taken': {
    status: 409,
    retryable: false,
    summary: 'Another instance on this host has the name. Choose another name, or delete that instance.',
  },
  'instance-already-here': {
    status: 409,
    retryable: false,
    summary: 'An instance of that id is on this host already. Delete it, or use another id.',
  },
  'instance-busy': {
    status: 409,
    retryable: true,
    summary: 'Another operation on the instance is under way. Try again when it has ended.',
  },
  'instance-not-stopped': {
    status: 409,
    retryable: false,
    summary: 'The operation needs a stopped instance. Stop it first.',
  },
  'instance-not-running': {
    status: 409,
    retryable: false,
    summary: 'The operation needs a running instance. Start it first.',
  },
  'instance-in-doubt': {
    status: 409,
    retryable: true,
    summary:
      'The instance was relinquished and the answer of the destination is still missing. Bring the destination back; nothing else is safe.',
  },
  'instance-owned-twice': {
    status: 409,
    retryable: false,
    summary:
      'A host that an operator had declared lost is back and owns the instance as well. Stop it at once where the epoch is lower, and delete it there.',
  },
  'guest-did-not-stop': {
    status: 409,
    retryable: true,
    summary: 'The guest did not power off in time. Wait and ask again, or stop it with force.',
  },
  'guest-panicked': {
    status: 500,
    retryable: false,
    summary: 'The guest reported a panic and its VMM was ended. See the console log.',
  },
  'vmm-ended': {
    status: 500,
    retryable: false,
    summary:
      'The VMM ended by itself or failed. See the message and the console log; start the instance again.',
  },
  'vmm-lost': {
    status: 500,
    retryable: false,
    summary: 'The VMM was gone, or could not be adopted, when the agent started. Start the instance again.',
  },
  'ram-mode-refused': {
    status: 422,
    retryable: false,
    summary:
      'The spec has a device whose writes to guest memory cannot be tracked. Remove what the message names.',
  },
  'vmm-not-found': {
    status: 404,
    retryable: false,
    summary: 'This host has no VMM of that id, running or ended. List the VMMs, or ask another host.',
  },
  'vmm-not-current': {
    status: 409,
    retryable: false,
    summary:
      'The request was for one VMM of the instance, and the instance has another one by now. Nothing was done; look at the instance again.',
  },
  'migration-id-taken': {
    status: 409,
    retryable: false,
    summary: 'Another migration has the id already. Choose another id, or send the request that it was.',
  },
  'migration-not-found': {
    status: 404,
    retryable: false,
    summary: 'This agent took part in no migration of that id. List the migrations.',
  },
  'migration-not-resolvable': {
    status: 409,
    retryable: false,
    summary:
      'There is nothing about the migration that an operator could decide here. Look at what it is, on both hosts.',
  },
  'lost-host-not-named': {
    status: 409,
    retryable: false,
    summary:
      'A migration in doubt is decided only by naming the host that it waits for as lost. Look at the doubt, and be sure that this host is.',
  },
  'decision-not-possible': {
    status: 409,
    retryable: false,
    summary:
      'A source can take an instance back; a destination that is READY can take it over or give it up.',
  },
  'other-host-answers': {
    status: 409,
    retryable: false,
    summary:
      'An operator declared a host lost that can be asked, and its journal says otherwise. Its word counts; look at the migration again.',
  },
  'migration-interrupted': {
    status: 500,
    retryable: true,
    summary:
      'The agent was restarted before the handover; the guest stayed on the source. Start the migration again.',
  },
  'migration-cancel-at-source': {
    status: 409,
    retryable: false,
    summary: 'Only the source of a migration can cancel it. Ask the agent of the source host.',
  },
  'console-unavailable': {
    status: 409,
    retryable: true,
    summary:
      'The instance has no VMM with a console now, or its console socket does not answer. Start the instance.',
  },
});
