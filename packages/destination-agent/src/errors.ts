import { defineErrors } from '@drover/types';

/** Every refusal and error of the receiving half. All of them reach the source, most of them its operator. */
export const destinationErrors = defineErrors({
  'vmm-kind-unsupported': {
    status: 409,
    retryable: false,
    summary:
      'The source asks for a VMM driver or RAM mode that this release does not have. Upgrade the destination.',
  },
  'identity-mismatch': {
    status: 409,
    retryable: false,
    summary:
      'The VMM that was made is not of the kind that the guest started on. Use a host with the same machine type and accelerator.',
  },
  'epoch-invalid': {
    status: 400,
    retryable: false,
    summary:
      'The source holds an epoch after which no handover is possible. The source is of a broken release.',
  },
  'regions-invalid': {
    status: 400,
    retryable: false,
    summary:
      'The memory regions that the source describes are not possible. The source is of a broken release.',
  },
  'regions-mismatch': {
    status: 409,
    retryable: false,
    summary:
      'The VMM made here has other memory regions than the source. The releases of the VMM differ too much.',
  },
  'connections-unsupported': {
    status: 409,
    retryable: false,
    summary: 'More bulk connections were asked for than this host takes. Ask for fewer.',
  },
  'migration-exists': {
    status: 409,
    retryable: false,
    summary:
      'A migration of this id, or another one of this instance, is already here. Wait for it or cancel it.',
  },
  'migration-not-here': {
    status: 404,
    retryable: true,
    summary: 'No migration of this id is waiting here. Ask for the outcome instead.',
  },
  'handover-epoch-wrong': {
    status: 409,
    retryable: false,
    summary:
      'A COMMIT named another epoch than the one that was prepared. It is not permission; the VMM stays paused.',
  },
  'handover-not-allowed': {
    status: 409,
    retryable: false,
    summary: 'A COMMIT or ABORT came in a state that does not allow it. Nothing was changed.',
  },
  'destination-journal-failed': {
    status: 500,
    retryable: true,
    summary:
      'The ownership journal could not be written. Check the disk of the state directory, then commit again.',
  },
  'destination-resume-failed': {
    status: 500,
    retryable: true,
    summary:
      'This host owns the instance and its VMM did not resume. Look at the VMM log, then commit again.',
  },
  'bulk-receive-failed': {
    status: 502,
    retryable: true,
    summary:
      'The connections that carry memory broke, stalled or were not used as agreed. Check the link, then try again.',
  },
  'device-state-failed': {
    status: 500,
    retryable: true,
    summary: 'The device state did not arrive or the VMM did not load it. Look at the VMM log.',
  },
  'digest-differs': {
    status: 500,
    retryable: true,
    summary: 'The source confirmed another digest than the one taken here. Report this.',
  },
  'destination-vmm-ended': {
    status: 500,
    retryable: true,
    summary: 'The VMM made for the migration ended before the handover. Look at its log.',
  },
  'source-lost': {
    status: 502,
    retryable: true,
    summary:
      'The control connection of the source broke before READY. What was made is gone; the source starts again.',
  },
  'source-aborted': {
    status: 409,
    retryable: true,
    summary: 'The source ended the migration; its reason is in the message.',
  },
  'source-declared-lost': {
    status: 409,
    retryable: false,
    summary: 'An operator declared the source lost and gave up what had arrived here.',
  },
  'source-can-be-asked': {
    status: 409,
    retryable: false,
    summary:
      'An operator declared a source lost that is connected. Nothing was changed: wait for its word, or cancel the migration there.',
  },
  'source-misbehaved': {
    status: 400,
    retryable: false,
    summary: 'The source sent something that the protocol does not allow there. It is of a broken release.',
  },
  'destination-stopping': {
    status: 503,
    retryable: true,
    summary: 'The destination agent is stopping. Try again once it is back.',
  },
  'migration-overdue': {
    status: 504,
    retryable: true,
    summary:
      'A step of the migration took longer than its deadline at the destination. Check the link and the load, then try again.',
  },
});
