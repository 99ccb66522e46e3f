/**
 * The commands that are given to QEMU: what each takes and the parts of its answer that are used. QEMU's answers hold more,
 * and gain more with each release; what is not named here is left alone. To give another command, add its row, and SPEC.md's.
 */
import { z } from 'zod';

const none = z.undefined();
/** `{}`; nothing in it is used. */
const done = z.unknown();
const socketUri = z.strictObject({ uri: z.string().startsWith('unix:') });

export const qmpCommands = {
  qmp_capabilities: {
    arguments: z.strictObject({ enable: z.array(z.literal('oob')) }).optional(),
    answer: done,
  },
  'query-status': { arguments: none, answer: z.object({ status: z.string() }) },
  'query-machines': {
    arguments: none,
    answer: z.array(z.object({ name: z.string(), alias: z.string().optional(), 'cpu-max': z.int() })),
  },
  'query-cpu-definitions': { arguments: none, answer: z.array(z.object({ name: z.string() })) },
  'query-migrate': {
    arguments: none,
    answer: z.object({
      status: z.string().optional(),
      'error-desc': z.string().optional(),
      'blocked-reasons': z.array(z.string()).optional(),
    }),
  },
  'query-migrate-capabilities': {
    arguments: none,
    answer: z.array(z.object({ capability: z.string(), state: z.boolean() })),
  },
  'migrate-set-capabilities': {
    arguments: z.strictObject({
      capabilities: z.array(z.strictObject({ capability: z.string(), state: z.boolean() })),
    }),
    answer: done,
  },
  'migrate-set-parameters': {
    /** Bytes a second, and ms. */
    arguments: z.strictObject({ 'max-bandwidth': z.int(), 'downtime-limit': z.int() }),
    answer: done,
  },
  migrate: { arguments: socketUri, answer: done },
  'migrate-incoming': { arguments: socketUri, answer: done },
  migrate_cancel: { arguments: none, answer: done },
  /** Closes the migration's socket; out of band. */
  yank: {
    arguments: z.strictObject({ instances: z.array(z.strictObject({ type: z.literal('migration') })) }),
    answer: done,
  },
  stop: { arguments: none, answer: done },
  cont: { arguments: none, answer: done },
  system_powerdown: { arguments: none, answer: done },
  quit: { arguments: none, answer: done },
  'announce-self': {
    /** First pause, longest pause and growth of the pause, ms, and how often. */
    arguments: z.strictObject({ initial: z.int(), max: z.int(), rounds: z.int(), step: z.int() }),
    answer: done,
  },
} as const;

export type QmpCommandName = keyof typeof qmpCommands;
/** The parts of an answer that are used. */
export type QmpAnswer<Name extends QmpCommandName> = z.output<(typeof qmpCommands)[Name]['answer']>;
