/**
 * The states of an incoming migration and the only steps between them. Pure data; the effects are in `session.ts`.
 *
 * | state | on | next |
 * | --- | --- | --- |
 * | preparing | prepared | receiving |
 * | receiving | switchover | loading |
 * | loading | digested | verifying |
 * | loading | loaded | ready |
 * | verifying | verified | loading |
 * | ready | commit | committing |
 * | ready | abort, failed | withdrawing |
 * | ready | control-lost | ready |
 * | committing | commit, control-lost, failed | committing |
 * | committing | journaled | owned |
 * | committing | journal-failed | ready |
 * | owned | commit, control-lost, failed | owned |
 * | withdrawing | abort, control-lost, failed | withdrawing |
 * | withdrawing | journaled | aborting |
 * | withdrawing | journal-failed | ready |
 * | preparing, receiving, loading, verifying | abort, control-lost, failed | aborting |
 * | aborting | abort, control-lost, failed | aborting |
 * | aborting | torn-down | aborted |
 * | aborted | abort, control-lost, failed | aborted |
 *
 * Nothing else is allowed: from a peer it is a violation, and never permission (R4). The guest runs in no state but `owned`, which is
 * entered only when OWNED is on disk. READY is left only for a COMMIT, an ABORT or a dead VMM, and only through the journal.
 */

export const SESSION_STATES = [
  'preparing',
  'receiving',
  'loading',
  'verifying',
  'ready',
  'committing',
  'owned',
  'withdrawing',
  'aborting',
  'aborted',
] as const;
export type SessionState = (typeof SESSION_STATES)[number];

export const SESSION_EVENTS = [
  'prepared',
  'switchover',
  'digested',
  'verified',
  'loaded',
  'commit',
  'journaled',
  'journal-failed',
  'abort',
  'control-lost',
  'failed',
  'torn-down',
] as const;
export type SessionEvent = (typeof SESSION_EVENTS)[number];

/** Before READY whatever goes wrong, and whoever says so, tears down. */
const beforeReady = { abort: 'aborting', 'control-lost': 'aborting', failed: 'aborting' } as const;

export const SESSION_STEPS: Readonly<
  Record<SessionState, Readonly<Partial<Record<SessionEvent, SessionState>>>>
> = {
  preparing: { prepared: 'receiving', ...beforeReady },
  receiving: { switchover: 'loading', ...beforeReady },
  loading: { digested: 'verifying', loaded: 'ready', ...beforeReady },
  verifying: { verified: 'loading', ...beforeReady },
  // A lost source is no reason to give up here: it may have relinquished. A dead VMM is one: it can never run.
  ready: { commit: 'committing', abort: 'withdrawing', failed: 'withdrawing', 'control-lost': 'ready' },
  committing: {
    commit: 'committing',
    'control-lost': 'committing',
    failed: 'committing',
    journaled: 'owned',
    'journal-failed': 'ready',
  },
  owned: { commit: 'owned', 'control-lost': 'owned', failed: 'owned' },
  withdrawing: {
    abort: 'withdrawing',
    'control-lost': 'withdrawing',
    failed: 'withdrawing',
    journaled: 'aborting',
    'journal-failed': 'ready',
  },
  aborting: { abort: 'aborting', 'control-lost': 'aborting', failed: 'aborting', 'torn-down': 'aborted' },
  aborted: { abort: 'aborted', 'control-lost': 'aborted', failed: 'aborted' },
};

/** The state after `event`, or null where the table has no such step. */
export function step(state: SessionState, event: SessionEvent): SessionState | null {
  return SESSION_STEPS[state][event] ?? null;
}
