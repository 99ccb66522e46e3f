/**
 * What a guest was promised of its processors for life, as it travels: from the machine to its agent, and in a PREPARE to the destination,
 * which refuses by name what it lacks. Version 1. Frozen: it is part of the messages of released protocols.
 */
import { z } from 'zod';

const u32 = z.int().min(0).max(0xffff_ffff);

export const cpuDefinitionV1 = z.looseObject({
  /** CPUID of the first processor; the others differ in their numbers alone. A leaf without subleaves has subleaf 0. */
  cpuid: z
    .array(z.looseObject({ leaf: u32, subleaf: u32, eax: u32, ebx: u32, ecx: u32, edx: u32 }))
    .min(1)
    .max(256),
  /** Model-specific registers that are part of its state. */
  msrs: z.array(u32).max(1024),
});
export type CpuDefinition = z.output<typeof cpuDefinitionV1>;
