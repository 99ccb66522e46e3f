import type { KvmMachine } from '@drover/native';
import { decodeMachineState, encodeMachineState } from '@drover/protocol';

/** Times after which the code below is compiled. */
const TURNS = 30;

/**
 * Goes through encoding and decoding a state ahead of time: a machine does each at most a few times in its life, with its guest
 * paused, and code that runs for the first time takes milliseconds.
 */
export function warmUp(machine: KvmMachine): void {
  const payloads = machine.cpuidPayloads();
  for (let turn = 0; turn < TURNS; turn++) decodeMachineState(encodeMachineState(payloads));
}
