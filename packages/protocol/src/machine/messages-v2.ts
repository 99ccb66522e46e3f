/** The requests of machine protocol version 2: those of version 1, and what the guest was promised of its processors. Frozen; see `messages-v1.ts`. */
import { z } from 'zod';
import { cpuDefinitionV1 } from '../cpu-definition.js';
import { machineRequestsV1 } from './messages-v1.js';

export const machineRequestsV2 = {
  ...machineRequestsV1,
  /** From configure on, at any time; the same for the guest's life once it was booted or loaded. */
  describeCpu: { arguments: z.strictObject({}), answer: cpuDefinitionV1 },
} as const;
