import type { BulkSender } from '@drover/native';
import type { ControlMessage } from '@drover/protocol';
import { withDeadline } from '@drover/types';
import { sourceErrors } from './errors.js';
import type { Prepared } from './prepare.js';
import { collect, type Remaining, sendRound } from './rounds.js';
import { type SourceRun, text } from './run.js';
import { watchFor } from './watch-control.js';

/** Peer protocol version from which SWITCHOVER goes beside the last round, and a destination waits for one that came whole. */
const EARLY_SWITCHOVER_VERSION = 2;
/** Rounds that repair pages damaged on the way after the guest's pause, at most. */
const REPAIR_ROUNDS = 3;
/** Own threads that take the digest. */
const DIGEST_THREADS = 2;

/** What the switchover took so far, ms, and when it began (`performance.now()`). */
export interface SwitchedOver {
  readonly startedAt: number;
  readonly readyAt: number;
  readonly pauseMs: number;
  readonly lastRoundMs: number;
  readonly stateSaveMs: number;
  readonly stateBytes: number;
  readonly verifyMs: number;
  readonly loadMs: number;
  readonly verified: boolean | null;
}

/**
 * Phase switchover: pauses the guest, sends the rest while the VMM writes its device state, has both sides compare digests
 * where asked, and returns when the destination is READY. Whatever it throws, the guest may be paused.
 */
export async function switchOver(
  run: SourceRun,
  prepared: Prepared,
  remaining: Remaining,
): Promise<SwitchedOver> {
  const { channel, sender, tracker, version } = prepared;
  const { migration: m, deadlines, interruption, progress } = run;
  progress.enter('switchover');
  run.hurry();
  m.journal.wakeDisk?.();
  const startedAt = remaining.pausedAt ?? performance.now();
  const alreadyPaused = remaining.pausedAt !== null;
  const pauseMs = alreadyPaused ? remaining.pauseMs : await run.pauseGuest();
  await m.reached?.('paused');
  interruption.throwIfInterrupted();

  // Beside the collection and the last round: writing device state changes no guest memory.
  const state = saveState(run, prepared);
  state.catch(() => {});
  const roundsStartedAt = performance.now();
  if (!alreadyPaused) await collect(run, tracker, remaining.dirty);
  const rest = sendRest(run, sender, remaining);
  rest.catch(() => {});
  await m.reached?.('last-round-sent');
  const lastRound = version < EARLY_SWITCHOVER_VERSION ? (await rest).round : remaining.nextRound;
  run.switchoverSent = true;
  await channel.send('switchover', { lastRound, verify: m.settings.verify });
  const lastRoundMs = (await rest).endedAt - roundsStartedAt;
  const { ready, verifyMs } = await compareDigests(run, prepared);
  const saved = await interruption.race(state);
  // From here the destination has everything: if the source's VMM dies now, the guest can only go on there (R2).
  run.ignoreGuest();
  const { loadMs } = await answered(run, ready, deadlines.readyMs);
  return {
    startedAt,
    readyAt: performance.now(),
    pauseMs,
    lastRoundMs,
    stateSaveMs: saved.durationMs,
    stateBytes: saved.bytes,
    verifyMs,
    loadMs,
    verified: m.settings.verify ? true : null,
  };
}

/** Sends what is left; pages damaged on the way go again. The number of the last round, and when it was acknowledged whole. */
async function sendRest(
  run: SourceRun,
  sender: BulkSender,
  remaining: Remaining,
): Promise<{ readonly round: number; readonly endedAt: number }> {
  const { dirty, torn, nextRound } = remaining;
  for (let repairs = 0; ; repairs++) {
    const round = nextRound + repairs;
    await sendRound(run, sender, round, dirty, torn, 0);
    if (torn.count() === 0) return { round, endedAt: performance.now() };
    if (repairs === REPAIR_ROUNDS) {
      throw sourceErrors.error(
        'memory-damaged',
        `${torn.count()} pages of ${run.label} arrived damaged ${REPAIR_ROUNDS + 1} times although the guest is paused; check the network on the path.`,
      );
    }
    dirty.clear();
    dirty.merge(torn);
    torn.clear();
  }
}

/**
 * Has the VMM write its device state into the transfer; resolves when the destination has all of it. One that does so at its pause is asked only
 * why nothing came through: question and answer would take the processor from what carries the state.
 */
function saveState(
  run: SourceRun,
  { stateSent, stateSocket }: Prepared,
): Promise<{ readonly bytes: number; readonly durationMs: number }> {
  const { migration: m, deadlines, interruption } = run;
  const startedAt = performance.now();
  const carried = run.bulk(stateSent);
  carried.catch(() => {});
  // Two steps may fail for one reason, and the VMM's own words say more than a closed socket does.
  const ask = () => m.vmm.saveState(stateSocket, interruption.signal);
  const told = m.vmm.savesAtPause?.()
    ? carried.then(({ bytes }) => (bytes > 0 ? undefined : ask()), ask)
    : ask();
  const saved = told.then(
    () => performance.now() - startedAt,
    (cause) => {
      throw sourceErrors.error(
        'state-save-failed',
        `The device state of ${run.label} was not saved: ${text(cause)}`,
        cause,
      );
    },
  );
  run.saving = saved.catch(() => {});
  const whole = saved.then(async (durationMs) => ({ bytes: (await carried).bytes, durationMs }));
  return withDeadline(whole, deadlines.stateMs, () =>
    sourceErrors.error(
      'state-save-failed',
      `The device state of ${run.label} was not saved and carried within ${deadlines.stateMs} ms.`,
    ),
  );
}

/**
 * Where a digest is due, both sides take it at the same time; throws `verify-mismatch`. Answers with the wait for READY and
 * the ms that the comparison took.
 */
async function compareDigests(
  run: SourceRun,
  { channel, answer }: Prepared,
): Promise<{ readonly ready: Promise<ControlMessage<'ready'>>; readonly verifyMs: number }> {
  if (answer.name === 'ready') return { ready: answer.message, verifyMs: 0 };
  const startedAt = performance.now();
  const ours = run.interruption.race(run.migration.vmm.memory.digest(DIGEST_THREADS));
  ours.catch(() => {});
  const theirs = await answered(run, answer.message, run.deadlines.digestMs);
  const { digest } = await ours;
  if (digest !== theirs.digest) {
    throw sourceErrors.error(
      'verify-mismatch',
      `The memory of ${run.label} differs between source (${digest}) and destination (${theirs.digest}); the guest goes on at the source.`,
    );
  }
  const ready = watchFor(run, channel, 'ready');
  await channel.send('verified', { digest });
  return { ready, verifyMs: performance.now() - startedAt };
}

function answered<T>(run: SourceRun, answer: Promise<T>, ms: number): Promise<T> {
  const late = () =>
    sourceErrors.error(
      'destination-too-slow',
      `The destination of ${run.label} did not answer the switchover within ${ms} ms.`,
    );
  return withDeadline(run.interruption.race(answer), ms, late);
}
