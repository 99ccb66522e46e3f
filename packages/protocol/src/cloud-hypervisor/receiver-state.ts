import { refuse, type WireRefusal } from './refusal.js';
import type { CommandName } from './registry.js';
import type { Request } from './request.js';

/**
 * Where a receiver stands. `completed` and `aborted` are the ends.
 *
 * ```
 * established ─start→ started ─memoryFd*→ memoryFdsReceived ─config→ configured ─memory*→ configured
 *                        └──────────────config──────────────↗           │ state
 *                                         completed ←complete, completePaused─ stateReceived
 * abandon, from any state → aborted, answered ok
 * anything else           → aborted, answered error
 * ```
 */
export type ReceiverState =
  | 'established'
  | 'started'
  | 'memoryFdsReceived'
  | 'configured'
  | 'stateReceived'
  | 'completed'
  | 'aborted';

/** Each state's commands, and where they lead. SPEC.md has the same table. */
export const receiverSteps: Readonly<
  Record<ReceiverState, Readonly<Partial<Record<CommandName, ReceiverState>>>>
> = {
  established: { start: 'started', abandon: 'aborted' },
  started: { memoryFd: 'memoryFdsReceived', config: 'configured', abandon: 'aborted' },
  memoryFdsReceived: { memoryFd: 'memoryFdsReceived', config: 'configured', abandon: 'aborted' },
  configured: { memory: 'configured', state: 'stateReceived', abandon: 'aborted' },
  stateReceived: { complete: 'completed', completePaused: 'completed', abandon: 'aborted' },
  completed: {},
  aborted: {},
};

/** What a request leads to by itself, before anything is done for it. A refusal leads to `aborted` and is answered with error. */
export interface ReceiverStep {
  readonly next: ReceiverState;
  readonly refusal: WireRefusal | null;
}

/** Pure: nothing happens here. `newest` is the receiver's own wire version. */
export function stepReceiver(
  state: ReceiverState,
  request: Pick<Request, 'command' | 'version'>,
  newest: number,
): ReceiverStep {
  const { command, version } = request;
  const next = receiverSteps[state][command];
  if (next === undefined) {
    const message = `is ${command}, which has no place in the state ${state}`;
    return { next: 'aborted', refusal: refuse('order', 'request.command', 0, message).refusal };
  }
  if (command === 'start' && !acceptsVersion(version, newest)) {
    const message = `is wire version ${version}; this side takes ${Math.max(newest - 1, 0)} to ${newest}: upgrade the older side`;
    return { next: 'aborted', refusal: refuse('version', 'request.version', 2, message).refusal };
  }
  return { next, refusal: null };
}

/** The window of every receiver: its own version and the one before. The sender states one, and there is no second offer. */
export function acceptsVersion(version: number, newest: number): boolean {
  return version >= newest - 1 && version <= newest;
}
