import type { ControlChannel, ControlMessage } from '@drover/protocol';
import { sourceErrors } from './errors.js';
import { asDroverError } from './reason.js';
import type { SourceRun } from './run.js';

/** The end of the control connection is the end of the migration, in whatever it is busy with. */
export function watchEnd(run: SourceRun, channel: ControlChannel): void {
  channel.ended.then((reason) => run.interruption.interrupt(reason));
}

/**
 * Starts the wait for the destination's next answer long before it is due: the only other thing that can come is a refusal,
 * and that ends the migration at once. The answer itself, before SWITCHOVER was sent, is a violation.
 */
export function watchFor<Name extends 'digest' | 'ready'>(
  run: SourceRun,
  channel: ControlChannel,
  name: Name,
): Promise<ControlMessage<Name>> {
  const answer = channel
    .expect([name], { timeoutMs: null, signal: run.interruption.signal })
    .then((received) => {
      if (!run.switchoverSent) {
        throw sourceErrors.error(
          'destination-misbehaved',
          `The destination sent ${name} before the switchover of ${run.label}.`,
        );
      }
      return received.message as ControlMessage<Name>;
    });
  answer.catch((thrown) => run.interruption.interrupt(asDroverError(run, thrown)));
  return answer;
}
