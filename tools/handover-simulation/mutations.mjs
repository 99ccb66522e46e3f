/**
 * Rules broken on purpose, each as an edit of the built code while it is loaded. A simulation that does not notice one proves nothing of the
 * rule. An edit whose text is not there exactly once is an error: the code has changed, and the mutation must follow it.
 */

/** @typedef {{ file: string, from: string, to: string }} Edit  `file` under `packages/` */
/** @typedef {{ name: string, breaks: string, edits: readonly Edit[] }} Mutation */

const inDoubt = 'source-agent/dist/in-doubt.js';
const handover = 'source-agent/dist/handover.js';
const session = 'destination-agent/dist/session.js';
const fate = 'host-agent/dist/restart/fate.js';

/** @type {readonly Mutation[]} */
export const MUTATIONS = [
  {
    name: 'resume-on-time-out',
    breaks: 'after RELINQUISHED, a destination that does not answer is taken for one that aborted (R4)',
    edits: [
      {
        file: inDoubt,
        from: 'why = thrown instanceof',
        to: 'return await takeBack(m, didNotTakeOver(m)); why = thrown instanceof',
      },
    ],
  },
  {
    name: 'refused-is-aborted',
    breaks: 'a connection that is refused is taken for ABORTED (R4)',
    edits: [
      {
        file: inDoubt,
        from: 'why = thrown instanceof',
        to: "if (thrown.code === 'peer-unreachable') return await takeBack(m, didNotTakeOver(m)); why = thrown instanceof",
      },
    ],
  },
  {
    name: 'take-back-without-asking',
    breaks: 'after RELINQUISHED the source takes back when RUNNING does not come (R1)',
    edits: [
      {
        file: inDoubt,
        from: 'const answer = await askOnce(m, deadlines, doubt);',
        to: "const answer = 'aborted';",
      },
    ],
  },
  {
    name: 'unknown-is-aborted',
    breaks:
      'a destination without a record of the migration is taken for one that aborted it; the epoch is not compared (R4)',
    edits: [
      {
        file: 'source-agent/dist/ask-outcome.js',
        from: "        case 'preparing':",
        to: "        case 'preparing': return 'take-back';",
      },
      {
        file: 'source-agent/dist/ask-outcome.js',
        from: 'return theirEpoch === handedOver ?',
        to: "return 'take-back'; return theirEpoch === handedOver ?",
      },
    ],
  },
  {
    name: 'commit-before-sync',
    breaks: 'COMMIT is sent while RELINQUISHED is on its way to the disk (R4)',
    edits: [
      {
        file: handover,
        from: 'await m.journal.relinquish(epoch);',
        to: 'm.journal.relinquish(epoch).catch(() => {});',
      },
    ],
  },
  {
    name: 'writes-not-synced',
    breaks: 'the journal is written and not synced (R4)',
    edits: [
      {
        file: 'host-agent/dist/storage/disk.js',
        from: 'constants.O_RDWR | constants.O_DSYNC',
        to: 'constants.O_RDWR',
      },
    ],
  },
  {
    name: 'skip-the-epoch-check',
    breaks: 'a COMMIT of any epoch is followed (R1)',
    edits: [{ file: session, from: 'if (epoch !== this.identity.epoch) {', to: 'if (false) {' }],
  },
  {
    name: 'run-at-ready',
    breaks: 'the destination runs the guest at READY, without a COMMIT (R1)',
    edits: [
      {
        file: session,
        from: "const said = channel.send('ready', { loadMs })",
        to: "this.commit(this.identity.epoch).catch(() => {}); const said = channel.send('ready', { loadMs })",
      },
    ],
  },
  {
    name: 'owned-after-resume',
    breaks: 'the destination runs the guest and journals OWNED after that (R4)',
    edits: [
      {
        file: session,
        from: 'await this.#journal.owned(this.identity.epoch);',
        to: 'await vmm.resume(); await this.#journal.owned(this.identity.epoch);',
      },
    ],
  },
  {
    name: 'forget-ready-at-restart',
    breaks:
      'a destination that was READY tears down when its agent starts again, and does not journal it (R4)',
    edits: [
      { file: fate, from: "return { kind: 'waiting' };", to: "return { kind: 'torn-down' };" },
      {
        file: 'host-agent/dist/restart/adopt.js',
        from: "if (entry)\n        await journal.write({ ...entry, state: 'aborted' });",
        to: '',
      },
    ],
  },
  {
    name: 'relinquished-is-ours-at-restart',
    breaks: 'a source that had relinquished goes on when its agent starts again (R1)',
    edits: [
      {
        file: fate,
        from: "return { kind: 'in-doubt' };\n        case 'done'",
        to: "return { kind: 'ours', epoch: entry.epoch };\n        case 'done'",
      },
    ],
  },
  {
    name: 'torn-tail-left',
    breaks: 'a torn line is left where it is and written after (R4)',
    edits: [
      {
        file: 'host-agent/dist/journal/parse.js',
        from: 'documents, end: offset, torn: true }',
        to: 'documents, end: offset + used, torn: false }',
      },
    ],
  },
  {
    name: 'destroy-at-commit',
    breaks: 'the source ends its VMM when COMMIT is sent, not when the destination runs (R2)',
    edits: [
      {
        file: handover,
        from: 'const handed = await commit(',
        to: 'await m.vmm.destroy(); const handed = await commit(',
      },
    ],
  },
  {
    name: 'no-word-to-ready',
    breaks: 'a destination that may be READY is not told that the migration is off (R12)',
    edits: [
      {
        file: 'host-agent/dist/migrations/abort-notices.js',
        from: 'async add(migrationId, peer, reason) {',
        to: 'async add(migrationId, peer, reason) { return;',
      },
    ],
  },
  {
    name: 'epoch-not-raised',
    breaks: 'an instance that is taken back keeps the epoch that it gave away (R2)',
    edits: [{ file: inDoubt, from: 'journal.takeBack(m.epoch + 2n)', to: 'journal.takeBack(m.epoch + 1n)' }],
  },
  {
    name: 'last-pages-forgotten',
    breaks: 'what was written between the last round and the pause is not sent (R3)',
    edits: [
      {
        file: 'source-agent/dist/switchover.js',
        from: 'await collect(run, tracker, remaining.dirty);',
        to: '{}',
      },
    ],
  },
];

/** @param {string} name @returns {Mutation} */
export function findMutation(name) {
  const mutation = MUTATIONS.find((each) => each.name === name);
  if (mutation) return mutation;
  throw new Error(`no mutation ${name}; there are: ${MUTATIONS.map((each) => each.name).join(', ')}`);
}
