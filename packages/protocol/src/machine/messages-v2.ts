/**
 * The requests of machine protocol version 2: those of version 1, what the guest was promised of its processors, and a standstill in one
 * request. Frozen; see `messages-v1.ts`.
 */
import { z } from 'zod';
import { cpuDefinitionV1 } from '../cpu-definition.js';
import { machineRequestsV1 } from './messages-v1.js';

const { pause, collect, saveState, stateLoaded } = machineRequestsV1;
const { timeoutMs } = pause.arguments.shape;

export const machineRequestsV2 = {
  ...machineRequestsV1,
  /** From configure on, at any time; the same for the guest's life once it was booted or loaded. */
  describeCpu: { arguments: z.strictObject({}), answer: cpuDefinitionV1 },
  /** Ahead of {@link standStill}: connects to the unix socket that the state is to go to, instead of any before. */
  connectState: { arguments: saveState.arguments, answer: z.strictObject({}) },
  /**
   * What a switchover begins with, in one: pauses; then, where writes are tracked, collects; then begins to write the state to where
   * {@link connectState} connected, once. Answers when it has collected; `collected` is null where nothing is tracked. Unchanged when refused.
   */
  standStill: {
    arguments: z.strictObject({ timeoutMs, saveTimeoutMs: timeoutMs }),
    answer: pause.answer.extend({ collected: collect.answer.nullable() }),
  },
  /**
   * After awaitState, before guest memory is complete: answers when the state is here and was loaded, or, where loading it touches guest memory,
   * checked and kept: `complete` is then false, and stateLoaded loads it.
   */
  loadAhead: { arguments: stateLoaded.arguments, answer: z.object({ complete: z.boolean() }) },
  /** A guest stands still and waits for this machine, or will in a moment: for a second at most it runs ahead of ordinary work, where it may. */
  hurry: { arguments: z.strictObject({}), answer: z.strictObject({}) },
} as const;
