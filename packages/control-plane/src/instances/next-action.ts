/**
 * What brings an instance to what is desired of it: one pure function of what is wanted and what was last seen.
 *
 * | desired | VMM | action |
 * | --- | --- | --- |
 * | running, stopped | none | create on the host that has room promised, else place |
 * | running | stopped, failed | start |
 * | running | running, paused, migrating-out | none: reached |
 * | stopped | stopped, failed | none: reached |
 * | stopped | running, paused | stop |
 * | deleted | none | remove |
 * | deleted | stopped, failed | delete |
 * | deleted | running, paused | stop, then delete |
 * | any | starting, in-doubt, moved, migrating; a migration under way; host unreachable | wait |
 *
 * A wish is brought about once. A guest that powers off by itself afterwards stays off, and is started by nobody who was not asked to.
 */
import type { HostState } from '@drover/protocol';
import type { VmmLife } from '@drover/types';

export interface Situation {
  readonly desired: 'running' | 'stopped' | 'deleted';
  /** Of the VMM that it lives in; null without one. */
  readonly life: VmmLife | null;
  /** State of that VMM's host, or of the one where room is promised; null where there is neither. */
  readonly host: HostState | null;
  readonly migrating: boolean;
}

export type Action =
  | 'create'
  | 'place'
  | 'start'
  | 'stop'
  | 'delete'
  | 'remove'
  | 'reached'
  | 'wait'
  | 'wait-for-host'
  | 'give-up-host';

export function nextAction({ desired, life, host, migrating }: Situation): Action {
  if (migrating) return 'wait';
  if (life === null && host === null) return desired === 'deleted' ? 'remove' : 'place';
  // Nothing can be there any more: room on another host may be promised.
  if (host === 'lost') return 'give-up-host';
  if (host === 'unreachable') return 'wait-for-host';
  // A request to create it may have arrived although its answer was lost, so deleting asks the host too.
  if (life === null) return desired === 'deleted' ? 'delete' : 'create';
  switch (life) {
    case 'stopped':
    case 'failed':
      if (desired === 'running') return 'start';
      return desired === 'deleted' ? 'delete' : 'reached';
    case 'running':
    case 'paused':
      return desired === 'running' ? 'reached' : 'stop';
    case 'migrating-out':
      return desired === 'running' ? 'reached' : 'wait';
    default:
      return 'wait';
  }
}
