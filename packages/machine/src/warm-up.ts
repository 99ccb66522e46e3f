import { createUrgency } from '@drover/native';
import {
  encodeMachineAnswer,
  encodeMachineRequest,
  type MachineRequestName,
  MachineStateReader,
  machineRequest,
  parseMachineRequest,
} from '@drover/protocol';

/** Times after which the code below is compiled. */
const TURNS = 30;

const stillness = { timeoutMs: 1, saveTimeoutMs: 1 };
/** What a machine is asked while its guest stands still. */
const requests: readonly (readonly [MachineRequestName, object])[] = [
  ['standStill', stillness],
  ['saveState', { socket: '/s', timeoutMs: 1 }],
  ['loadAhead', {}],
  ['stateLoaded', {}],
  ['resume', {}],
];

/**
 * Goes through reading requests, and through being urgent, ahead of time: a machine is asked each at most a few times in its life, with its guest paused, and code that
 * runs for the first time takes milliseconds. `stream` is one like the state that is to come, where one is.
 */
export function warmUp(stream: Uint8Array | null): void {
  const urgency = createUrgency();
  for (let turn = 0; turn < TURNS; turn++) {
    urgency.begin();
    urgency.end();
    if (stream !== null) new MachineStateReader().push(stream);
    for (const [request, args] of requests) {
      const line = parseMachineRequest(
        encodeMachineRequest({ id: 1, version: 2, request, arguments: args }).trim(),
      );
      machineRequest(2, request)?.arguments.safeParse(line?.arguments);
      encodeMachineAnswer(1, {});
    }
  }
}
