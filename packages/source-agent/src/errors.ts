import { defineErrors } from '@drover/types';

/** Every error that the sending half raises by itself. A destination's refusal keeps the destination's code. */
export const sourceErrors = defineErrors({
  'guest-not-running': {
    status: 409,
    retryable: false,
    summary: 'Only a running guest is moved live. Start or resume the instance first.',
  },
  'tracker-failed': {
    status: 500,
    retryable: true,
    summary: 'Dirty tracking broke, so no set of dirty pages can be trusted. The guest went on; try again.',
  },
  'bulk-failed': {
    status: 502,
    retryable: true,
    summary:
      'The connections that carry memory broke or stalled. Check the link and the destination, then try again.',
  },
  'destination-misbehaved': {
    status: 502,
    retryable: false,
    summary:
      'The destination answered out of turn. It is of a broken release; the guest went on at the source.',
  },
  'destination-too-slow': {
    status: 504,
    retryable: true,
    summary:
      'The destination did not answer within the time that a paused guest can wait. See what its host is busy with.',
  },
  'guest-ended': {
    status: 409,
    retryable: false,
    summary: 'The guest or its VMM ended during the migration. Look at the instance and its log.',
  },
  'guest-was-reset': {
    status: 409,
    retryable: true,
    summary:
      'The guest was reset during the migration. It goes on at the source; try again once it has booted.',
  },
  'migration-timed-out': {
    status: 504,
    retryable: true,
    summary:
      'The switchover was not reached within the time allowed. Raise the timeout, the bandwidth or the downtime.',
  },
  'migration-round-limit': {
    status: 409,
    retryable: true,
    summary:
      'The expected downtime did not fit within the rounds allowed. Raise the downtime, the bandwidth or the rounds.',
  },
  'migration-not-converging': {
    status: 409,
    retryable: true,
    summary:
      'The guest writes faster than the link carries. Raise the bandwidth or the allowed downtime, or try at a quieter time.',
  },
  'memory-damaged': {
    status: 502,
    retryable: true,
    summary:
      'Pages of a paused guest arrived damaged again and again. Check the network hardware on the path.',
  },
  'verify-mismatch': {
    status: 500,
    retryable: true,
    summary:
      'The digests of all memory differed between source and destination. The guest went on at the source; report this.',
  },
  'pause-failed': {
    status: 500,
    retryable: true,
    summary: 'The VMM did not pause the guest. Look at its log.',
  },
  'state-save-failed': {
    status: 500,
    retryable: true,
    summary: 'The VMM could not write its device state. Look at its log.',
  },
  'migration-cancelled': { status: 409, retryable: true, summary: 'Somebody cancelled the migration.' },
  'source-stopping': {
    status: 503,
    retryable: true,
    summary:
      'The source agent was stopped during the migration. The guest went on; try again once the agent is back.',
  },
  'source-journal-failed': {
    status: 500,
    retryable: false,
    summary:
      'The ownership journal could not be written, so the instance was not handed over. Check the disk of the state directory.',
  },
  'outcome-unknown': {
    status: 503,
    retryable: true,
    summary:
      'The instance was relinquished and the destination has not said what became of it. The guest stays paused until it does.',
  },
  'destination-declared-lost': {
    status: 409,
    retryable: true,
    summary:
      'An operator declared the destination lost, and the source took the instance back under a higher epoch. Keep that host from running it.',
  },
  'destination-did-not-take-over': {
    status: 409,
    retryable: true,
    summary: 'The destination had aborted before it owned the instance, so the source took it back.',
  },
});
