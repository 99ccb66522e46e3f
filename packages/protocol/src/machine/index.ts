/** The machine protocol: SPEC.md beside this file. */
export * from './messages.js';
export type { MachineEnding } from './messages-v1.js';
export * from './registry.js';
export {
  decodeMachineState,
  encodeMachineState,
  MachineStateReader,
  machinePayloadHead,
  machineStreamHead,
  type StatePayload,
  WRITTEN_MACHINE_STREAM,
} from './state-stream.js';
