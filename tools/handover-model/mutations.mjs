/** Rules broken on purpose, by the number under which `handover.pml` knows them. */

/** @type {readonly { number: number, name: string, breaks: string }[]} */
export const MODEL_MUTATIONS = [
  {
    number: 1,
    name: 'resume-on-time-out',
    breaks: 'after RELINQUISHED the source takes back when no answer comes (R4)',
  },
  {
    number: 2,
    name: 'commit-before-sync',
    breaks: 'COMMIT is sent while RELINQUISHED is on its way to the disk (R4)',
  },
  {
    number: 3,
    name: 'run-at-ready',
    breaks: 'the destination runs the guest at READY, without a COMMIT (R1)',
  },
  {
    number: 4,
    name: 'owned-after-resume',
    breaks: 'the destination runs the guest and journals OWNED after that (R4)',
  },
  {
    number: 5,
    name: 'forget-ready-at-restart',
    breaks: 'a destination that was READY tears down at a restart, unjournaled (R4)',
  },
  {
    number: 6,
    name: 'refused-is-aborted',
    breaks: 'an agent that is down is taken for one that aborted (R4)',
  },
  {
    number: 7,
    name: 'abort-after-relinquished',
    breaks: 'a source that has relinquished still aborts, without asking (R1)',
  },
  { number: 8, name: 'unknown-is-aborted', breaks: 'an answer other than OWNED is taken for ABORTED (R4)' },
  {
    number: 9,
    name: 'no-word-to-ready',
    breaks: 'no notice is kept for a destination that may be READY (R12)',
  },
  {
    number: 10,
    name: 'ready-gives-up',
    breaks: 'a destination that is READY tears down when the connection breaks, unjournaled (R2)',
  },
  {
    number: 11,
    name: 'ready-before-loaded',
    breaks: 'READY is said when it is on the disk, before the VMM has the guest (R2)',
  },
];
